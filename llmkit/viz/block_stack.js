// Three curves over the layers of a stack of blocks, and the parts to take out.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: model.get("fresh") ? "A fresh stack of blocks: take parts out" : "A trained stack of blocks: take parts out",
    keys: [["← →", "layer"], ["Home / End", "first or last layer"], ["Enter", "keep the layer for Python"]],
  });
  const W = 290, H = 200, LEFT = 44, RIGHT = 8, TOP = 8, FOOT = 32;
  const still = model.get("_static"), fresh = model.get("fresh");
  const part = (name, label) => lm.toggle(label, model.get(name), (v) => ui.set({ [name]: v }));
  const parts = { residual: part("residual", "Residual"), attention: part("attention", "Attention"), mlp: part("mlp", "MLP") };
  const norm = lm.select("Norm", model.get("norms"), model.get("norm"), (v) => ui.set({ norm: v }));
  const scaled = part("scaled", "Outputs ÷ √(2 L)");
  const gain = lm.slider("Weights ×", { min: -2, max: 2, step: 0.25, value: Math.log2(model.get("gain")), show: (v) => lm.fmt(2 ** v, 2) }, (v) => ui.set({ gain: 2 ** v }));
  const layers = lm.slider("Layers", { min: 1, max: 24, step: 1, value: model.get("layers"), show: String }, (v) => ui.set({ layers: v }));
  const all = lm.button("Put everything back", () => ui.set({ residual: true, attention: true, mlp: true, norm: "before", scaled: false, gain: 1 }));
  const charts = [["stream", "Size of the stream (RMS)"], ["gradient", "Gradient of each layer"], ["likeness", "Likeness of the tokens (cosine)"]]
    .map(([name, title]) => ({ name, title, canvas: lm.h("canvas", { role: "img", tabindex: name === "stream" ? 0 : null }) }));
  const note = lm.h("p", { class: "bs-note" });
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, Object.values(parts).map((p) => p.node), norm.node, all),
    ...(fresh ? [lm.h("div", { class: "lm-bar" }, scaled.node, still ? null : [gain.node, layers.node])] : []),
    lm.h("div", { class: "bs-row" }, charts.map((c) => lm.h("figure", {}, lm.h("figcaption", {}, c.title), c.canvas))),
    lm.h("p", { class: "bs-note lm-muted" }, lm.h("span", { class: "bs-key" }), "now", lm.h("span", { class: "bs-key bs-usual" }), "all parts in place"),
    note);

  let now = model.get("now"), usual = model.get("usual");
  const depth = () => now.stream.length - 1;
  // the gradient belongs to a layer, the others stand between two
  const value = (data, name, at) => (name === "gradient" ? data.gradient[at - 1] : data[name][at]);
  const x = (at) => LEFT + (at / Math.max(1, depth())) * (W - LEFT - RIGHT);

  function scale(name) {
    const seen = [...now[name], ...usual[name]];
    if (name === "likeness") {
      const low = Math.min(0, ...seen);
      return { y: (v) => TOP + ((1 - v) / (1 - low)) * (H - TOP - FOOT), ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] };
    }
    const logs = seen.map((v) => Math.log10(v));
    let low = Math.floor(Math.min(...logs) + 1e-9), high = Math.ceil(Math.max(...logs) - 1e-9);
    if (high - low < 2) { low -= 1; high += 1; }
    const step = Math.ceil((high - low) / 5), ticks = [];
    for (let p = low; p <= high; p += step) ticks.push([10 ** p, p > -3 && p < 4 ? String(+(10 ** p).toPrecision(1)) : "1e" + String(p).replace("-", "−")]);
    return { y: (v) => TOP + ((high - Math.log10(v)) / (high - low)) * (H - TOP - FOOT), ticks };
  }
  function draw(chart, theme) {
    const ctx = lm.fit(chart.canvas, W, H), { y, ticks } = scale(chart.name), L = depth(), at = model.get("layer");
    ctx.clearRect(0, 0, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    for (const [v, text] of ticks) {
      ctx.strokeStyle = theme.line;
      ctx.beginPath();
      ctx.moveTo(LEFT, y(v));
      ctx.lineTo(W - RIGHT, y(v));
      ctx.stroke();
      ctx.fillStyle = theme.muted;
      ctx.textAlign = "right";
      ctx.fillText(text, LEFT - 5, y(v));
    }
    ctx.textAlign = "center";
    const step = L > 14 ? 4 : L > 7 ? 2 : 1;
    for (let i = 0; i <= L; i += step) ctx.fillText(i, x(i), H - FOOT + 12);
    ctx.fillText("layer", (LEFT + W - RIGHT) / 2, H - 6);
    ctx.strokeStyle = theme.mark;
    ctx.setLineDash([2, 3]);
    ctx.beginPath();
    ctx.moveTo(x(at), TOP);
    ctx.lineTo(x(at), H - FOOT);
    ctx.stroke();
    const first = chart.name === "gradient" ? 1 : 0;
    for (const [data, colour, dash, width] of [[usual, theme.muted, [5, 4], 1.5], [now, theme.accent, [], 2]]) {
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.setLineDash(dash);
      ctx.lineWidth = width;
      ctx.beginPath();
      for (let i = first; i <= L; i++) {
        const v = value(data, chart.name, i);
        if (v === undefined) continue;
        if (i === first) ctx.moveTo(x(i), y(v));
        else ctx.lineTo(x(i), y(v));
      }
      ctx.stroke();
      if (data === now) for (let i = first; i <= L; i++) {
        ctx.beginPath();
        ctx.arc(x(i), y(value(now, chart.name, i)), i === at ? 4.5 : 2.2, 0, 7);
        ctx.fill();
      }
    }
    ctx.setLineDash([]);
    ctx.lineWidth = 1;
    const ends = [first, L].map((i) => lm.fmt(value(now, chart.name, i)));
    chart.canvas.setAttribute("aria-label", `${chart.title}: from ${ends[0]} at layer ${first} to ${ends[1]} at layer ${L}. Arrow keys move the layer.`);
  }
  const small = (v) => (v == null ? "–" : v >= 1e4 ? v.toExponential(1) : lm.fmt(v));
  function tell() {
    note.textContent = fresh ? now.note : `${now.note} With all parts in place it is ${lm.fmt(usual.loss, 2)}.`;
    const at = model.get("layer");
    const gradient = at ? `, gradient ${small(value(now, "gradient", at))} (usual ${small(value(usual, "gradient", at))})` : "";
    ui.say(`layer ${at}: size ${small(now.stream[at])} (usual ${small(usual.stream[at])})${gradient}, likeness ${lm.fmt(now.likeness[at], 2)}`);
  }
  function refresh() {
    for (const [name, control] of Object.entries(parts)) control.set(model.get(name));
    norm.set(model.get("norm"));
    scaled.set(model.get("scaled"));
    gain.set(Math.log2(model.get("gain")));
    layers.set(model.get("layers"));
    if (still) {
      const flags = ["residual", "attention", "mlp", "scaled"].map((name) => (model.get(name) ? 1 : 0)).join("");
      now = model.get("answers")[flags + model.get("norm")] || now;
    } else {
      now = model.get("now");
      usual = model.get("usual");
    }
    tell();
    ui.paint();
  }
  const move = (to) => { ui.set({ layer: lm.clamp(to, 0, depth()) }); };
  const keep = () => {
    const at = model.get("layer");
    ui.set({ selection: { layer: at, stream: now.stream[at], gradient: at ? now.gradient[at - 1] : null, likeness: now.likeness[at] } });
  };
  for (const { canvas } of charts) canvas.onclick = (e) => {
    const box = canvas.getBoundingClientRect();
    move(Math.round((((e.clientX - box.left) * W / box.width - LEFT) / (W - LEFT - RIGHT)) * depth()));
    keep();
  };
  lm.keys(charts[0].canvas, { ArrowLeft: () => move(model.get("layer") - 1), ArrowRight: () => move(model.get("layer") + 1),
    Home: () => move(0), End: () => move(depth()), Enter: keep });
  ui.on("residual attention mlp norm scaled gain layers now usual layer", refresh);
  refresh();
  ui.onPaint((theme) => charts.forEach((chart) => draw(chart, theme)));
  ui.ready();
  return ui.dispose;
}
