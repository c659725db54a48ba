// One layer and one head, step by step, every number with the sum behind it.

// erf to 1.2e-7 (Abramowitz and Stegun, formula 7.1.26)
const erf = (x) => {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return x < 0 ? -y : y;
};
const bends = {
  relu: (x) => Math.max(x, 0),
  relu_squared: (x) => Math.max(x, 0) ** 2,
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

// How cell (i, j) of a step's output comes about. `T[name]` is { rows, cols, at(i, j) }.
// Returns { text, value, marks: [[tensor, row or -1, column or -1], …], need }.
function explain(step, T, i, j) {
  const [kind, detail] = step.how.split(":");
  const ins = step.inputs, f = (x) => lm.fmt(x, 4);
  const a = T[ins[0]];
  const out = { text: "", value: T[step.output].at(i, j), marks: [] };
  const done = (text, value, ...marks) => Object.assign(out, { text, value, marks });
  const sum = (terms, bias, note) => {
    const order = terms.map((t, n) => [n, t[0] * t[1]]).sort((x, y) => Math.abs(y[1]) - Math.abs(x[1]));
    const shown = order.slice(0, 4).map(([n]) => `${f(terms[n][0])} × ${f(terms[n][1])}`);
    const total = terms.reduce((s, t) => s + t[0] * t[1], 0) + (bias || 0);
    const rest = terms.length - shown.length;
    let text = shown.join(" + ");
    if (rest > 0) text += ` + ${rest} more`;
    if (bias != null) text += ` + bias ${f(bias)}`;
    return [`${text} = ${f(total)}${note || ""}`, total];
  };
  if (kind === "add") {
    const parts = ins.map((n) => T[n].at(i, j));
    const total = parts.reduce((x, y) => x + y, 0);
    return done(`${parts.map(f).join(" + ")} = ${f(total)}`, total, ...ins.map((n) => [n, i, j]));
  }
  if (kind === "norm" || kind === "rms") {
    const row = a.row(i), n = row.length, rms = kind === "rms";
    const mean = rms ? 0 : row.reduce((x, y) => x + y, 0) / n;
    const spread = row.reduce((s, x) => s + (x - mean) ** 2, 0) / n;
    const w = T[detail + ".weight"].at(0, j), b = T[detail + ".bias"]?.at(0, j) ?? 0;
    const value = ((row[j] - mean) / Math.sqrt(spread + T[detail + ".eps"].at(0, 0))) * w + b;
    const top = rms ? f(row[j]) : `(${f(row[j])} − ${f(mean)})`;
    return done(`${top} / √${f(spread)} × ${f(w)}${rms ? "" : ` + ${f(b)}`} = ${f(value)}`, value, [ins[0], i, -1]);
  }
  if (kind === "linear") {
    const w = T[detail + ".weight"];
    const line = w?.has(j) ? w.row(j) : null;
    if (!line) {
      out.text = `a sum of ${a.cols} products = ${f(out.value)}`;
      out.need = [detail + ".weight", j];
      out.marks = [[ins[0], i, -1]];
      return out;
    }
    const bias = T[detail + ".bias"];
    const [text, value] = sum(a.row(i).map((x, d) => [x, line[d]]), bias ? bias.at(0, j) : null);
    return done(text, value, [ins[0], i, -1]);
  }
  if (kind === "rotate") {
    const half = a.cols / 2, low = j < half, other = low ? j + half : j - half;
    const c = T.cos.at(i, j), s = T.sin.at(i, j), x = a.at(i, j), y = a.at(i, other);
    const value = x * c + (low ? -y : y) * s;
    return done(`${f(x)} × cos ${f(c)} ${low ? "−" : "+"} ${f(y)} × sin ${f(s)} = ${f(value)}`, value, [ins[0], i, j], [ins[0], i, other]);
  }
  if (kind === "dot") {
    const key = T[ins[1]].row(j);
    const [text, value] = sum(a.row(i).map((x, d) => [x, key[d]]), null);
    return done(text, value, [ins[0], i, -1], [ins[1], j, -1]);
  }
  if (kind === "scale") {
    const x = a.at(i, j), value = x / Math.sqrt(+detail);
    return done(`${f(x)} / √${detail} = ${f(value)}`, value, [ins[0], i, j]);
  }
  if (kind === "mask") {
    const x = a.at(i, j);
    const text = out.value === -Infinity ? "this key lies in the future: −∞" : `may look: ${f(x)} stays`;
    return done(text, out.value === -Infinity ? -Infinity : x, [ins[0], i, j]);
  }
  if (kind === "softmax") {
    const row = a.row(i), high = Math.max(...row), total = row.reduce((s, x) => s + Math.exp(x - high), 0);
    const value = Math.exp(row[j] - high) / total;
    const scale = Math.exp(high);
    return done(`e^${f(row[j])} / sum over the row = ${f(Math.exp(row[j] - high) * scale)} / ${f(total * scale)} = ${f(value)}`, value, [ins[0], i, -1]);
  }
  if (kind === "mix") {
    const v = T[ins[1]];
    const [text, value] = sum(a.row(i).map((w, t) => [w, v.at(t, j)]), null);
    return done(text, value, [ins[0], i, -1], [ins[1], -1, j]);
  }
  if (kind === "place") {
    const d = j - detail;
    if (d < 0 || d >= a.cols) return done(`${f(out.value)}, from another head`, out.value);
    return done(`${f(a.at(i, d))}, feature ${d} of this head`, a.at(i, d), [ins[0], i, d]);
  }
  if (kind === "bend") {
    const x = a.at(i, j), value = bends[detail](x);
    return done(`${detail}(${f(x)}) = ${f(value)}`, value, [ins[0], i, j]);
  }
  if (kind === "gated") {
    const g = a.at(i, j), x = T[ins[1]].at(i, j), value = bends.silu(g) * x;
    return done(`silu(${f(g)}) × ${f(x)} = ${f(value)}`, value, [ins[0], i, j], [ins[1], i, j]);
  }
  if (kind === "copy") return done(`${f(a.at(i, j))}, unchanged`, a.at(i, j), [ins[0], i, j]);
  if (kind === "lookup") out.text = `${f(out.value)}, from the row of the token table`;
  else out.text = `${f(out.value)}, as the model computed it`;
  return out;
}

// named matrices over one block of floats
function matrices(index, floats) {
  const T = {};
  for (const { name, rows, cols, start } of index) {
    const own = floats.subarray(start, start + rows * cols);
    T[name] = {
      name, rows, cols, has: (i) => i < rows, at: (i, j) => own[i * cols + j],
      row: (i) => Array.from(own.subarray(i * cols, (i + 1) * cols)),
      most: own.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0) || 1,
    };
  }
  return T;
}

// codec.pack_numbers: steps of 1/scale as whole numbers, zigzag, byte planes
function unpackNumbers(raw, scale) {
  const n = raw.length / 4, out = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const z = (raw[i] | (raw[n + i] << 8) | (raw[2 * n + i] << 16) | (raw[3 * n + i] << 24)) >>> 0;
    out[i] = z === 0xffffffff ? -Infinity : (z & 1 ? -((z + 1) / 2) : z / 2) / scale;
  }
  return out;
}

function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "One head, step by step",
    keys: [["← → ↑ ↓", "move the cell"], ["N / P", "next or previous step"], ["Space", "play or pause"], ["Home / End", "first or last column"]],
  });
  const WINDOW = 64, ROW = 19, GUTTER = 76, HEAD = 58;
  let T = {}, extra = {}, at = { i: 0, j: 0 }, from = 0, timer = 0, panels = [];
  const steps = () => model.get("steps"), now = () => steps()[model.get("step")];

  const words = lm.text("Sentence", model.get("text"), (text) => ui.set({ text }), { size: 42 });
  const number = (count) => Array.from({ length: count }, (_, i) => [String(i), String(i)]);
  const layer = lm.select("Layer", number(model.get("n_layers")), String(model.get("layer")), (v) => ui.set({ layer: +v }));
  const head = lm.select("Head", number(model.get("n_heads")), String(model.get("head")), (v) => ui.set({ head: +v }));
  const play = lm.button("Play", () => toggle(), { "aria-pressed": "false" });
  const back = lm.button("Previous", () => go(-1)), next = lm.button("Next", () => go(1));
  const jump = lm.select("Step", [], "0", (v) => choose(+v));
  const slide = lm.slider("Features from", { min: 0, max: 0, step: 1, value: 0, show: (v) => `${v}` }, (v) => { from = v; layout(); });
  const live = model.get("live") && !model.get("_static");
  const title = lm.h("div", { class: "qs-title" }), note = lm.h("div", { class: "qs-note" });
  const code = lm.h("code", { class: "qs-code" });
  const board = lm.h("div", { class: "qs-board" });
  const sum = lm.h("div", { class: "qs-sum", "data-role": "sum" });
  const bar = lm.h("div", { class: "lm-bar" }, live ? [words.node, layer.node, head.node] : null);
  ui.body.append(bar, lm.h("div", { class: "lm-bar" }, back, play, next, jump.node, slide.node), title, note, code, board, sum);

  const toggle = (on = !timer) => {
    clearInterval(timer);
    timer = on ? setInterval(() => (model.get("step") + 1 < steps().length ? go(1) : toggle(false)), 1800) : 0;
    play.textContent = on ? "Pause" : "Play";
    play.setAttribute("aria-pressed", on);
  };
  ui.cleanup(() => clearInterval(timer));
  const choose = (step) => ui.set({ step: lm.clamp(step, 0, steps().length - 1) });
  const go = (by) => choose(model.get("step") + by);
  const byToken = (m) => m.cols === model.get("tokens").length && ["raw", "scores", "masked", "weights"].includes(m.name);
  const colName = (m, j) => byToken(m) ? model.get("tokens")[j] : m.name === "logits" ? model.get("labels")[j] : `feature ${j}`;

  // which columns of a matrix are in view, and how wide each is
  function view(m) {
    if (byToken(m) || m.cols <= WINDOW) return { first: 0, count: m.cols, wide: byToken(m) || m.name === "logits" ? 24 : lm.clamp(Math.floor(300 / m.cols), 4, 24) };
    const first = Math.min(from, m.cols - WINDOW);
    return { first, count: WINDOW, wide: 5 };
  }
  function paintPanel({ canvas, m, marks, main }) {
    const { first, count, wide } = view(m), tokens = model.get("tokens"), theme = ui.theme;
    const named = byToken(m) || m.name === "logits", top = named ? HEAD : 4;
    const ctx = lm.fit(canvas, GUTTER + count * wide + (named ? 34 : 2), top + m.rows * ROW + 2);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    const shade = m.name === "weights", most = m.most;
    for (let i = 0; i < m.rows; i++) {
      ctx.fillStyle = i === at.i ? theme.mark : theme.fg;
      ctx.textAlign = "right";
      ctx.fillText(lm.clip(tokens[i] ?? "", 10), GUTTER - 6, top + (i + 0.5) * ROW);
      for (let c = 0; c < count; c++) {
        const x = m.at(i, first + c);
        const ramp = shade ? theme.ramp : theme.signed;
        const level = shade ? Math.sqrt(Math.max(x, 0)) * 255 : 127.5 + 127.5 * Math.sign(x) * Math.sqrt(Math.min(1, Math.abs(x) / most));
        if (x === -Infinity) ctx.fillStyle = theme.line;
        else ctx.fillStyle = lm.rgb(ramp[lm.clamp(Math.round(level), 0, 255)]);
        ctx.fillRect(GUTTER + c * wide, top + i * ROW, wide - (wide > 8 ? 1 : 0), ROW - 1);
      }
    }
    if (named) {
      ctx.textAlign = "left";
      for (let c = 0; c < count; c++) {
        ctx.save();
        ctx.translate(GUTTER + (c + 0.5) * wide, top - 5);
        ctx.rotate(-Math.PI / 3);
        ctx.fillStyle = main && c === at.j ? theme.mark : theme.fg;
        ctx.fillText(lm.clip(colName(m, c), 8), 0, 0);
        ctx.restore();
      }
    }
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2;
    for (const [i, j] of marks) {
      const c0 = j < 0 ? 0 : j - first, n = j < 0 ? count : 1;
      if (c0 < 0 || c0 >= count) continue;
      const r0 = i < 0 ? 0 : i, rows = i < 0 ? m.rows : 1;
      ctx.strokeRect(GUTTER + c0 * wide - 1, top + r0 * ROW - 1, n * wide + 1, rows * ROW + 1);
    }
  }
  function point() {
    const step = now(), out = T[step.output];
    if (!out) return;
    at.i = lm.clamp(at.i, 0, out.rows - 1);
    at.j = lm.clamp(at.j, 0, out.cols - 1);
    const why = explain(step, T, at.i, at.j);
    for (const p of panels) {
      p.marks = p.main ? [[at.i, at.j]] : why.marks.filter(([n]) => n === p.m.name).map(([, i, j]) => [i, j]);
      paintPanel(p);
    }
    const place = `${step.output}[${model.get("tokens")[at.i]}, ${colName(out, at.j)}]`;
    sum.replaceChildren(lm.h("b", { dir: "auto" }, place), " = ", why.text);
    sum.dataset.value = String(why.value);
    if (why.need && live) ui.ask({ weight: why.need[0], row: why.need[1] });
    ui.say(`${place}: ${why.text}`);
  }
  function cellAt(event, m) {
    const { first, count, wide } = view(m), named = byToken(m) || m.name === "logits";
    const j = Math.floor((event.offsetX - GUTTER) / wide), i = Math.floor((event.offsetY - (named ? HEAD : 4)) / ROW);
    return i >= 0 && i < m.rows && j >= 0 && j < count ? { i, j: first + j } : null;
  }
  const moved = (di, dj) => () => {
    const out = T[now().output];
    at = { i: lm.clamp(at.i + di, 0, out.rows - 1), j: lm.clamp(at.j + dj, 0, out.cols - 1) };
    if (at.j < from || at.j >= from + WINDOW) { from = lm.clamp(at.j - 8, 0, Math.max(0, out.cols - WINDOW)); slide.set(from); }
    point();
    keep();
  };
  const keep = () => ui.set({ selection: { step: now().key, tensor: now().output, row: at.i, column: at.j, value: T[now().output].at(at.i, at.j), token: model.get("tokens")[at.i] } });
  function layout() {
    const step = now(), focus = board.contains(document.activeElement);
    const shown = [...step.inputs.filter((n) => T[n]), step.output];
    panels = shown.map((name, k) => {
      const m = T[name], main = k === shown.length - 1;
      const canvas = lm.h("canvas", main ? { tabindex: 0, role: "img", "aria-label": `${name}: ${m.rows} tokens by ${m.cols}. Arrow keys move the cell.` } : { role: "img", "aria-label": `${name}, ${m.rows} by ${m.cols}` });
      const panel = { canvas, m, marks: [], main };
      if (main) {
        canvas.onmousemove = (e) => { const c = cellAt(e, m); if (c && (c.i !== at.i || c.j !== at.j)) { at = c; point(); } };
        canvas.onclick = (e) => { const c = cellAt(e, m); if (c) { at = c; point(); keep(); canvas.focus(); } };
        lm.keys(canvas, { ArrowLeft: moved(0, -1), ArrowRight: moved(0, 1), ArrowUp: moved(-1, 0), ArrowDown: moved(1, 0), Home: moved(0, -1e6), End: moved(0, 1e6), n: () => go(1), p: () => go(-1), " ": () => toggle() });
      }
      panel.node = lm.h("figure", { class: "qs-panel" + (main ? " qs-main" : "") }, lm.h("figcaption", {}, `${name}  `, lm.h("span", { class: "lm-muted" }, `${m.rows} × ${m.cols}`)), lm.h("div", { class: "qs-scroll" }, canvas));
      return panel;
    });
    board.replaceChildren(...panels.flatMap((p, k) => k && p.main ? [lm.h("span", { class: "qs-arrow", "aria-hidden": "true" }, "→"), p.node] : [p.node]));
    const widest = Math.max(...panels.map((p) => (byToken(p.m) ? 0 : p.m.cols)));
    slide.input.max = Math.max(0, widest - WINDOW);
    slide.node.hidden = widest <= WINDOW;
    title.textContent = `${model.get("step") + 1}. ${step.title}  (layer ${model.get("layer")}, head ${model.get("head")})`;
    note.textContent = step.note;
    code.textContent = step.code;
    code.title = step.where;
    jump.set(String(model.get("step")));
    back.disabled = model.get("step") === 0;
    next.disabled = model.get("step") === steps().length - 1;
    if (focus) panels[panels.length - 1].canvas.focus();
    point();
  }
  let turn = 0;
  async function load() {
    const mine = ++turn, data = model.get("data");
    const floats = model.get("_static") ? unpackNumbers(await lm.bytes(data), model.get("scale")) : await lm.floats(data);
    if (mine !== turn) return;
    extra = {};
    T = matrices(model.get("index"), floats);
    jump.fill(steps().map((s, k) => [String(k), `${k + 1}. ${s.title}`]), String(model.get("step")));
    layer.set(String(model.get("layer")));
    head.set(String(model.get("head")));
    words.set(model.get("text"));
    if (now()) layout();
    ui.ready();
  }
  ui.message((content) => {
    if (content.weight) {
      const lines = (extra[content.weight] ||= {});
      lines[content.row] = content.values;
      T[content.weight] = { has: (i) => i in lines, row: (i) => lines[i] };
      point();
    } else if (content.error) ui.say(content.error);
  });
  ui.on("data", load);
  ui.on("step", layout);
  ui.onPaint(() => panels.forEach(paintPanel));
  load();
  return ui.dispose;
}
