// Choices for a run of fine-tuning, its loss, the learning curve, mistakes, attention.
const WORDS = { ready: "not started", running: "learning", stopping: "stopping …", stopped: "stopped",
  measuring: "measuring …", done: "done", failed: "failed" };

function render({ model, el }) {
  const get = (name) => model.get(name);
  const ui = lm.mount(el, model, { label: get("title"), keys: [["← →", "another head"], ["↑ ↓", "another layer"]] });
  const live = () => get("controls") && !get("_static");
  let points = [], before = null, after = null;

  // --- the parts ---------------------------------------------------------------------
  const sizes = get("sizes"), near = (n) => sizes.reduce((best, s, i) => (Math.abs(s - n) < Math.abs(sizes[best] - n) ? i : best), 0);
  const start = lm.select("Start", get("starts").map((s) => [s, s]), get("start"), (v) => ui.set({ start: v }));
  const size = lm.slider("Examples", { min: 0, max: sizes.length - 1, step: 1, value: near(get("examples")),
    show: (i) => String(sizes[i]) }, (i) => ui.set({ examples: sizes[i] }));
  const frozen = lm.slider("Frozen layers", { min: 0, max: get("n_layers"), step: 1, value: get("layers"),
    show: (v) => (v === get("n_layers") ? `all ${v}` : String(v)) }, (v) => ui.set({ layers: v }));
  const rate = lm.slider("Rate", { min: -5, max: -1, step: 0.1, value: Math.log10(get("lr")),
    show: (v) => (10 ** v).toExponential(1) }, (v) => ui.set({ lr: 10 ** v }));
  const epochs = lm.slider("Epochs", { min: 1, max: 10, step: 1, value: get("epochs"), show: String }, (v) => ui.set({ epochs: v }));
  const go = lm.button("Start", () => ui.ask({ do: "start" }), { class: "ft-main" });
  const stop = lm.button("Stop", () => ui.ask({ do: "stop" }));
  const state = lm.h("span", { class: "ft-state" }), bar = lm.h("progress", { "aria-label": "Steps taken" });
  const note = lm.h("p", { class: "ft-key" });
  const loss = lm.h("canvas", { role: "img" }), learned = lm.h("canvas", { role: "img" });
  const key = lm.h("p", { class: "ft-key" });
  const counts = lm.h("div", {}), matrix = lm.h("figure", {}, lm.h("figcaption", {}, "Confusion: true class in rows"), counts);
  const list = lm.h("ol", { tabindex: 0, "aria-label": "Texts that it gets wrong" }), many = lm.h("figcaption", {});
  const wrong = lm.h("figure", { class: "ft-wrong" }, many, list);
  const grid = lm.headGrid((layer, head) => ui.set({ selection: { ...get("selection"), layer, head } }));
  const heats = ["before", "after"].map((name) => {
    const canvas = lm.h("canvas", { role: "img" }), head = lm.h("figcaption", {});
    return { name, canvas, head, figure: lm.h("figure", {}, head, canvas) };
  });
  const looks = lm.h("div", { class: "ft-row" }, lm.h("figure", {}, lm.h("figcaption", {}, "Attention: choose a head"), grid.canvas), heats.map((x) => x.figure));
  const controls = lm.h("div", { class: "lm-bar" }, start.node, size.node, frozen.node, rate.node, epochs.node, go, stop);
  ui.body.append(controls, state, bar, note,
    lm.h("div", { class: "ft-row" }, lm.h("figure", {}, lm.h("figcaption", {}, "Loss of each step"), loss),
      lm.h("figure", {}, lm.h("figcaption", {}, "Accuracy on held-out texts, by number of examples"), learned, key)),
    lm.h("div", { class: "ft-row" }, matrix, wrong), looks);

  // --- drawing -----------------------------------------------------------------------
  function paintLoss(theme) {
    const ys = points.map((p) => p[1]).filter(Number.isFinite), top = Math.max(0.8, ...ys) * 1.05;
    const c = lm.chart(loss, theme, { width: 420, height: 220, x: [0, Math.max(1, get("steps"))], y: [0, top], xName: "step" });
    let mean = null;
    c.line(points, theme.line, 1);
    c.line(points.map(([s, v]) => [s, (mean = mean == null ? v : mean + 0.1 * (v - mean))]), theme.accent, 2);
    loss.setAttribute("aria-label", points.length ? `Loss: ${lm.fmt(points[0][1], 2)} at first, ${lm.fmt(mean, 2)} now, after ${points.length} steps` : "Loss of each step: nothing yet");
  }
  function paintLearned(theme) {
    const all = [...get("recorded"), ...get("results")], low = Math.min(0.5, ...all.map((p) => p.low));
    const c = lm.chart(learned, theme, { width: 430, height: 220, x: [0, Math.max(100, ...all.map((p) => p.size)) * 1.05], y: [low - 0.02, 1], root: true, xName: "examples" });
    const names = [...new Set([...get("starts"), ...all.map((p) => p.start)])];
    const draw = (p, mine) => {
      const n = names.indexOf(p.start), colour = lm.palette[n % 8], x = c.px(p.size), y = c.py(p.accuracy), r = mine ? 6 : 4;
      c.ctx.strokeStyle = mine ? theme.fg : colour;
      c.ctx.fillStyle = colour;
      c.ctx.lineWidth = 1.5;
      c.ctx.beginPath();
      for (const v of [p.low, p.high]) { c.ctx.moveTo(x - 4, c.py(v)); c.ctx.lineTo(x + 4, c.py(v)); }
      c.ctx.moveTo(x, c.py(p.low));
      c.ctx.lineTo(x, c.py(p.high));
      c.ctx.stroke();
      c.ctx.beginPath();
      // shapes as well as colours: circle, square, triangle
      if (n % 3 === 0) c.ctx.arc(x, y, r, 0, 7);
      else if (n % 3 === 1) c.ctx.rect(x - r, y - r, 2 * r, 2 * r);
      else { c.ctx.moveTo(x, y - r - 1); c.ctx.lineTo(x + r + 1, y + r); c.ctx.lineTo(x - r - 1, y + r); c.ctx.closePath(); }
      c.ctx.fill();
      if (mine) c.ctx.stroke();
    };
    for (const name of names) {
      const line = get("recorded").filter((p) => p.start === name).sort((a, b) => a.size - b.size);
      c.line(line.map((p) => [p.size, p.accuracy]), lm.palette[names.indexOf(name) % 8], 1.5);
    }
    get("recorded").forEach((p) => draw(p, false));
    get("results").forEach((p) => draw(p, true));
    const shapes = ["●", "■", "▲"], last = get("results")[get("results").length - 1];
    key.textContent = names.map((name, i) => `${shapes[i % 3]} ${name}`).join("  ") + ". Bars: 95 % intervals."
      + (get("recorded").length ? " Joined: recorded runs." : "") + (get("results").length ? " Large: your runs." : "");
    learned.setAttribute("aria-label", "Accuracy by number of examples. " + [...get("recorded").map((p) => ["recorded", p]), ...get("results").map((p) => ["yours", p])]
      .map(([whose, p]) => `${whose}, ${p.start}, ${p.size}: ${lm.fmt(p.accuracy, 2)} from ${lm.fmt(p.low, 2)} to ${lm.fmt(p.high, 2)}`).join("; "));
    return last;
  }
  function paintHeads(theme) {
    const [L, H, T] = get("shape"), fits = (codes) => codes && T && codes.length === L * H * T * T;
    looks.hidden = !fits(before);
    if (looks.hidden) return;
    const { layer = L - 1, head = 0 } = get("selection"), l = Math.min(layer, L - 1), h = Math.min(head, H - 1);
    const now = fits(after) ? after : before;
    grid.paint(theme, now, [L, H, T], theme.ramp, [l, h]);
    grid.canvas.setAttribute("aria-label", `${L} layers of ${H} heads. Chosen: layer ${l}, head ${h}. Arrow keys choose another.`);
    for (const { name, canvas, head: text, figure } of heats) {
      const codes = name === "before" ? before : after;
      figure.hidden = !fits(codes);
      if (figure.hidden) continue;
      lm.heat(canvas, theme, codes, (l * H + h) * T * T, get("tokens"), theme.ramp);
      text.textContent = `${name === "before" ? "Before" : "After"} the run: layer ${l}, head ${h}`;
      canvas.setAttribute("aria-label", `Attention of layer ${l}, head ${h}, ${name} the run: each row is a token that looks`);
    }
  }

  // --- words -------------------------------------------------------------------------
  function refresh() {
    const status = get("status"), going = ["running", "stopping", "measuring"].includes(status);
    controls.hidden = !live();
    go.disabled = going;
    stop.disabled = status !== "running";
    for (const field of [start, size, frozen, rate, epochs]) field.input.disabled = going;
    start.set(get("start"));
    size.set(near(get("examples")));
    frozen.set(get("layers"));
    rate.set(Math.log10(get("lr")));
    epochs.set(get("epochs"));
    const last = get("results")[get("results").length - 1];
    bar.hidden = !points.length;
    bar.max = Math.max(1, get("steps"));
    bar.value = points.length;
    state.textContent = [WORDS[status] || status, points.length ? `step ${points.length} of ${get("steps")}` : "",
      last && !going ? `accuracy ${lm.fmt(last.accuracy, 3)} [${lm.fmt(last.low, 3)}, ${lm.fmt(last.high, 3)}]` : ""].filter(Boolean).join(" · ");
    note.hidden = !get("note");
    note.textContent = get("note");
  }
  function mistakes() {
    const rows = get("confusion"), names = get("names");
    matrix.hidden = wrong.hidden = !rows.length;
    if (!rows.length) return;
    counts.replaceChildren(lm.rows(["", ...names.map((n) => `said ${n}`)], rows.map((r, i) => [names[i], ...r.map(String)])));
    many.textContent = `${get("n_wrong")} texts wrong; the surest first`;
    list.replaceChildren(...get("wrong").map(([text, truth, said, sure]) => lm.h("li", { dir: "auto" }, text + " ",
      lm.h("small", {}, `${truth}, said ${said} (${lm.percent(sure)})`))));
  }

  // --- what arrives --------------------------------------------------------------------
  async function curve() {
    const flat = await lm.floats(get("curve"));
    points = [];
    for (let i = 0; i < flat.length; i += 2) points.push([flat[i], flat[i + 1]]);
    refresh();
    ui.paint();
  }
  async function attention() {
    before = await lm.bytes(get("before"));
    after = await lm.bytes(get("after"));
    ui.paint();
  }
  ui.on("curve", curve);
  ui.on("before after", attention);
  ui.on("status start examples layers lr epochs steps note results", () => { refresh(); ui.paint(); });
  ui.on("confusion wrong n_wrong", mistakes);
  ui.on("selection recorded", ui.paint);
  ui.onPaint((theme) => { paintLoss(theme); paintLearned(theme); paintHeads(theme); });
  mistakes();
  (async () => {
    await curve();
    await attention();
    ui.ready();
  })();
  return ui.dispose;
}
