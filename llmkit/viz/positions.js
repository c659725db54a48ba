// Positions as a heat map, and how alike one position is to all others.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "Position explorer",
    keys: [["↑ ↓", "position"], ["← →", "feature"], ["Home / End", "first or last position"], ["Enter", "keep the cell for Python"]],
  });
  const T = model.get("length"), DIST = [0, 1, 2, 4, 8, 16, 32], W = 430, H = 300, LEFT = 38, FOOT = 30, TOP = 8;
  let learned = null, column = 0, rows = [], alike = [];
  const kind = lm.select("Kind", model.get("kinds"), model.get("kind"), (v) => ui.set({ kind: v }));
  const width = lm.slider("Width", { min: 2, max: 64, step: 2, value: model.get("width"), show: String }, (v) => ui.set({ width: v }));
  const base = lm.slider("Base", { min: 1, max: 6, step: 0.25, value: Math.log10(model.get("base")), show: (v) => String(Math.round(10 ** v)) }, (v) => ui.set({ base: 10 ** v }));
  const heads = lm.slider("Heads", { min: 1, max: 16, step: 1, value: model.get("heads"), show: String }, (v) => ui.set({ heads: v, head: Math.min(model.get("head"), v - 1) }));
  const head = lm.slider("Head", { min: 1, max: 16, step: 1, value: model.get("head") + 1, show: String }, (v) => ui.set({ head: Math.min(v, model.get("heads")) - 1 }));
  const place = lm.slider("Position", { min: 0, max: T - 1, step: 1, value: model.get("position"), show: String }, (v) => ui.set({ position: v }));
  const heat = lm.h("canvas", { tabindex: 0, role: "img", class: "po-heat" });
  const curve = lm.h("canvas", { role: "img", class: "po-curve" });
  const legend = lm.h("p", { class: "lm-muted po-note" }), title = lm.h("figcaption", {}), facts = lm.h("p", { class: "po-note" });
  const numbers = lm.h("div", { class: "po-numbers" });
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, kind.node, width.node, base.node, heads.node, head.node, place.node),
    lm.h("div", { class: "po-row" }, lm.h("figure", {}, heat, legend), lm.h("figure", {}, title, curve, numbers)), facts);

  const alibi = () => model.get("kind") === "alibi";
  // the slopes of the paper: a power of two, filled up from the row twice as long
  function slopes(n) {
    const low = 2 ** Math.floor(Math.log2(n)), out = [];
    for (let i = 0; i < low; i++) out.push(2 ** ((-8 * (i + 1)) / low));
    for (let i = 0; out.length < n; i += 2) out.push(2 ** ((-8 * (i + 1)) / (2 * low)));
    return out;
  }
  function compute() {
    const name = model.get("kind"), D = model.get("width"), b = model.get("base");
    const make = (count, columns, f) => Array.from({ length: count }, (_, t) => Float64Array.from({ length: columns }, (_, c) => f(t, c)));
    if (name === "sinusoidal") rows = make(T, D, (t, c) => (c % 2 ? Math.cos : Math.sin)(t / b ** ((c - (c % 2)) / D)));
    else if (name === "rotary") rows = make(T, D, (t, c) => (c < D / 2 ? Math.cos : Math.sin)(t / b ** ((2 * (c % (D / 2))) / D)));
    else if (name === "alibi") {
      const slope = slopes(model.get("heads"))[Math.min(model.get("head"), model.get("heads") - 1)];
      rows = make(T, T, (t, c) => -slope * Math.abs(t - c));
    } else {
      const [n, d, most] = model.get("learned_size");
      rows = make(Math.min(n, T), d, (t, c) => (learned ? (learned[t * d + c] / 32767) * most : 0));
    }
    const p = Math.min(model.get("position"), rows.length - 1), size = rows.map((r) => Math.hypot(...r));
    alike = alibi() ? Array.from(rows[p], Math.exp) : rows.map((r, t) => r.reduce((s, v, i) => s + v * rows[p][i], 0) / Math.max(size[t] * size[p], 1e-12));
    column = lm.clamp(column, 0, rows[0].length - 1);
  }
  const at = (d) => { const p = model.get("position"); return alike[p + d] ?? alike[p - d]; };
  // a few outliers of a learned table would leave all else pale
  const most = () => {
    const all = rows.flatMap((r) => Array.from(r, Math.abs)).sort((a, b) => a - b);
    return Math.max(1e-9, all[model.get("kind") === "learned" ? Math.floor(all.length * 0.99) : all.length - 1]);
  };

  function paintHeat(theme) {
    const C = rows[0].length, N = rows.length, top = most(), ctx = lm.fit(heat, W, H);
    const image = new ImageData(C, N), p = model.get("position");
    rows.forEach((row, t) => row.forEach((v, c) => {
      const [r, g, b] = theme.signed[lm.clamp(Math.round((v / top + 1) * 127.5), 0, 255)];
      image.data.set([r, g, b, 255], 4 * (t * C + c));
    }));
    const small = document.createElement("canvas");
    small.width = C;
    small.height = N;
    small.getContext("2d").putImageData(image, 0, 0);
    const w = W - LEFT - 4, h = H - FOOT - TOP;
    ctx.clearRect(0, 0, W, H);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, LEFT, TOP, w, h);
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2;
    ctx.strokeRect(LEFT + 1, TOP + (p / N) * h, w - 2, h / N);
    ctx.strokeRect(LEFT + (column / C) * w, TOP + 1, w / C, h - 2);
    ctx.fillStyle = theme.muted;
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (let t = 0; t < N; t += 16) ctx.fillText(t, LEFT - 6, TOP + ((t + 0.5) / N) * h);
    ctx.textAlign = "center";
    const step = Math.max(1, 2 ** Math.ceil(Math.log2(C / 12)));
    for (let c = 0; c < C; c += step) ctx.fillText(c, LEFT + ((c + 0.5) / C) * w, H - FOOT + 10);
    ctx.fillText(alibi() ? "key position" : "feature", LEFT + w / 2, H - 7);
    ctx.save();
    ctx.translate(8, TOP + h / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(alibi() ? "query position" : "position", 0, 0);
    ctx.restore();
    legend.textContent = `colour: from −${lm.fmt(top, 2)} (orange) over 0 to ${lm.fmt(top, 2)} (blue)${model.get("kind") === "learned" ? "; 1 number in 100 lies beyond" : ""}`;
  }
  function paintCurve(theme) {
    const w = 330, h = 210, ctx = lm.fit(curve, w, h), p = model.get("position");
    const low = Math.min(0, ...alike), x = (t) => 34 + (t / Math.max(1, alike.length - 1)) * (w - 44), y = (v) => 10 + ((1 - v) / (1 - low)) * (h - 44);
    ctx.clearRect(0, 0, w, h);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.fillStyle = theme.muted;
    ctx.strokeStyle = theme.line;
    ctx.textBaseline = "middle";
    for (const v of [1, 0.5, 0, ...(low < -0.25 ? [-0.5] : [])]) {
      ctx.beginPath();
      ctx.moveTo(34, y(v));
      ctx.lineTo(w - 10, y(v));
      ctx.stroke();
      ctx.textAlign = "right";
      ctx.fillText(String(v).replace("-", "−"), 30, y(v));
    }
    ctx.textAlign = "center";
    for (let t = 0; t < alike.length; t += 16) ctx.fillText(t, x(t), h - 24);
    ctx.fillText(alibi() ? "key position" : "the other position", w / 2, h - 8);
    ctx.strokeStyle = theme.mark;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(x(p), 8);
    ctx.lineTo(x(p), h - 34);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.strokeStyle = ctx.fillStyle = theme.accent;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    alike.forEach((v, t) => (t ? ctx.lineTo(x(t), y(v)) : ctx.moveTo(x(t), y(v))));
    ctx.stroke();
    alike.forEach((v, t) => ctx.fillRect(x(t) - 1.5, y(v) - 1.5, 3, 3));
  }
  function tell() {
    const p = model.get("position"), v = rows[p]?.[column], D = model.get("width"), name = model.get("kind");
    const pair = name === "sinusoidal" ? Math.floor(column / 2) : column % (D / 2);
    const turn = 2 * Math.PI * model.get("base") ** ((2 * pair) / D);
    const text = {
      sinusoidal: `Feature ${column} is the ${column % 2 ? "cosine" : "sine"} of clock ${pair}, which needs ${lm.fmt(turn, 1)} positions for one turn.`,
      rotary: `Features ${pair} and ${pair + D / 2} are one pair. Here the vector (1 … 1, 0 … 0) is turned; this pair needs ${lm.fmt(turn, 1)} positions for one turn.`,
      learned: `Every row was learned. There is no row after the last one of the table: a longer text has no positions.`,
      alibi: `Head ${model.get("head") + 1} takes ${lm.fmt(slopes(model.get("heads"))[Math.min(model.get("head"), model.get("heads") - 1)], 4)} off the score for each step of distance.`,
    }[name];
    facts.textContent = text;
    title.textContent = alibi() ? `Factor on the weight, seen from position ${p}` : `Similarity (cosine) to position ${p}`;
    const steps = DIST.filter((d) => at(d) !== undefined);
    numbers.replaceChildren(lm.rows(["distance", ...steps.map(String)], [[alibi() ? "factor" : "similarity", ...steps.map((d) => lm.fmt(at(d), 4))]]));
    heat.setAttribute("aria-label", `Heat map of ${rows.length} positions by ${rows[0].length} ${alibi() ? "keys" : "features"}. Arrow keys move the cell.`);
    curve.setAttribute("aria-label", `${title.textContent}: ${steps.map((d) => `distance ${d}: ${lm.fmt(at(d), 2)}`).join(", ")}`);
    ui.say(`position ${p}, ${alibi() ? "key" : "feature"} ${column}: ${lm.fmt(v, 4)}`);
  }
  function refresh() {
    const name = model.get("kind");
    kind.set(name);
    width.set(model.get("width"));
    base.set(Math.log10(model.get("base")));
    heads.set(model.get("heads"));
    head.set(Math.min(model.get("head"), model.get("heads") - 1) + 1);
    place.set(model.get("position"));
    width.node.hidden = base.node.hidden = !["sinusoidal", "rotary"].includes(name);
    heads.node.hidden = head.node.hidden = name !== "alibi";
    head.input.max = model.get("heads");
    compute();
    tell();
    ui.paint();
  }
  const move = (dp, dc) => {
    column = lm.clamp(column + dc, 0, rows[0].length - 1);
    const p = lm.clamp(model.get("position") + dp, 0, rows.length - 1);
    if (p !== model.get("position")) ui.set({ position: p });
    else { tell(); ui.paint(); }
  };
  const keep = () => ui.set({ selection: { position: model.get("position"), column, value: rows[model.get("position")][column] } });
  lm.keys(heat, { ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    Home: () => move(-T, 0), End: () => move(T, 0), Enter: keep });
  heat.onclick = (e) => {
    const box = heat.getBoundingClientRect(), w = W - LEFT - 4, h = H - FOOT - TOP, k = W / box.width;
    const c = Math.floor((((e.clientX - box.left) * k - LEFT) / w) * rows[0].length), p = Math.floor((((e.clientY - box.top) * k - TOP) / h) * rows.length);
    if (c < 0 || p < 0 || c >= rows[0].length || p >= rows.length) return;
    column = c;
    move(p - model.get("position"), 0);
    keep();
  };
  const paint = (theme) => { if (rows.length) { paintHeat(theme); paintCurve(theme); } };
  ui.on("kind width base position heads head", refresh);
  (async () => {
    learned = new Int16Array((await lm.bytes(model.get("learned"))).slice().buffer);
    refresh();
    ui.onPaint(paint);
    ui.ready();
  })();
  return ui.dispose;
}
