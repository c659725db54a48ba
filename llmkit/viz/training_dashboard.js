// A run while it goes: its curves, what it says, where it looks, and its controls.
const NAMES = { ready: "not started", running: "running", pausing: "pausing …", paused: "paused",
  stopping: "stopping …", stopped: "stopped", done: "done", failed: "failed" };

function render({ model, el }) {
  const get = (name) => model.get(name);
  const ui = lm.mount(el, model, { label: get("title"),
    keys: [["← →", "read the curve at another step, or choose a head"], ["↑ ↓", "another layer"], ["Home / End", "first or last step"]] });
  const live = () => get("controls") && !get("_static");
  let rows = [], codes = null, seen = null, asked = false, now = {};

  // --- the parts ---------------------------------------------------------------------
  const tell = (what) => ui.ask({ do: what });
  const main = lm.button("Start", () => tell({ running: "pause", pausing: "resume", paused: "resume" }[get("status")] || "start"), { class: "td-main" });
  const stop = lm.button("Stop", () => tell("stop"));
  const rate = lm.slider("Learning rate ×", { min: -5, max: 2, step: 0.25, value: Math.log2(get("rate")),
    show: (v) => lm.fmt(2 ** v, 2) }, (v) => ui.set({ rate: 2 ** v }));
  const state = lm.h("span", { class: "td-state" });
  const bar = lm.h("progress", { "aria-label": "Steps taken", max: get("steps") });
  const hint = lm.h("p", { class: "td-key" });
  const loss = lm.h("canvas", { role: "img", tabindex: 0 }), side = ["Learning rate", "Length of the gradient"].map((name, i) => {
    const canvas = lm.h("canvas", { role: "img", "aria-label": name });
    return { canvas, column: i + 2, figure: lm.h("figure", {}, lm.h("figcaption", {}, name), canvas) };
  });
  const key = lm.h("p", { class: "td-key" });
  const samples = lm.h("dl", {}), written = lm.h("figure", { class: "td-samples" }, lm.h("figcaption", {}, "What it writes"), samples);
  const grid = lm.headGrid((layer, head) => ui.set({ selection: { ...get("selection"), layer, head } }));
  const heat = lm.h("canvas", { role: "img" });
  const looks = lm.h("figcaption", {}), heads = lm.h("figure", {}, looks, lm.h("div", { class: "td-row" }, grid.canvas, heat));
  const list = lm.h("ul", {}), notes = lm.h("div", { class: "td-notes" }, lm.h("b", {}, "Notes on this run"), list);
  const controls = lm.h("div", { class: "lm-bar" }, main, stop, rate.node);
  ui.body.append(controls, hint, state, bar,
    lm.h("div", { class: "td-row" }, lm.h("figure", {}, lm.h("figcaption", {}, "Loss, in nats per token"), loss, key),
      lm.h("div", {}, side.map((s) => s.figure))),
    lm.h("div", { class: "td-row" }, heads, written), notes);

  // --- numbers -----------------------------------------------------------------------
  const number = (v, i) => rows[i] ? rows[i][v] : null;
  function take(from, flat) {
    for (let i = 0; i * 5 < flat.length; i++) rows[from + i] = flat.subarray(i * 5, i * 5 + 5);
    // points that were sent before this view was here
    if (!asked && from > 0 && !rows[0]) { asked = true; tell("points"); }
  }
  function smooth() {
    const out = [], weight = Math.min(1, 2 / (1 + rows.length / 40));
    let mean = null;
    rows.forEach((r) => { mean = mean == null ? r[1] : mean + weight * (r[1] - mean); out.push([r[0], mean]); });
    return out;
  }
  const range = (values, zero) => {
    const all = values.filter(Number.isFinite);
    if (!all.length) return [0, 0];
    const low = Math.min(...all), high = Math.max(...all), room = (high - low || Math.abs(high) || 1) * 0.05;
    return [zero && low >= 0 ? 0 : low - room, high + room];
  };
  const clock = (s) => (s >= 90 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${Math.round(s)} s`);

  // --- drawing -----------------------------------------------------------------------
  function paintCurves(theme) {
    const has = rows.length > 0, smoothed = smooth(), newest = has ? rows[rows.length - 1][0] : 0;
    // a long run that has just begun shows its beginning; the axis doubles as it goes
    let end = get("steps");
    while (newest && end / 2 >= Math.max(16, 2 * newest)) end /= 2;
    const ends = [0, end];
    const valid = get("validation"), lines = get("lines");
    const ys = range([...rows.map((r) => r[1]), ...valid.map((v) => v[1]), ...lines.map((v) => v[1])]);
    const c = lm.chart(loss, theme, { width: 620, height: 300, x: ends, y: ys, right: 14, names: lines, xName: "step" });
    c.levels(lines);
    c.line(rows.filter((r) => r), theme.line, 1);
    c.line(smoothed, theme.accent, 2);
    c.ctx.fillStyle = theme.mark;
    c.ctx.strokeStyle = theme.bg;
    for (const [s, v] of valid) {
      const x = c.px(s), y = c.py(v);
      c.ctx.beginPath();
      c.ctx.moveTo(x, y - 5);
      c.ctx.lineTo(x + 5, y);
      c.ctx.lineTo(x, y + 5);
      c.ctx.lineTo(x - 5, y);
      c.ctx.closePath();
      c.ctx.fill();
      c.ctx.stroke();
    }
    if (seen != null && number(0, seen) != null) c.line([[number(0, seen), ys[0]], [number(0, seen), ys[1]]], theme.mark, 1, [3, 3]);
    loss.xAt = c.at;
    for (const { canvas, column } of side) {
      const values = rows.map((r) => r[column]).filter((v) => Number.isFinite(v) && v > 0);
      const wide = column === 3 && values.length && Math.max(...values) / Math.min(...values) > 30;
      const y = wide ? [Math.min(...values) * 0.9, Math.max(...values) * 1.1] : range(values, true);
      const small = lm.chart(canvas, theme, { width: 300, height: 130, x: ends, y, log: wide, digits: 0 });
      small.line(rows.filter((r) => r).map((r) => [r[0], r[column]]), theme.accent, 1.5);
    }
    const last = rows[rows.length - 1], best = valid[valid.length - 1];
    key.textContent = "Thin line: each batch. Bold line: its running mean." + (valid.length ? " Diamonds: texts it does not learn from (validation)." : "")
      + (lines.length ? " Dashed and level: what simple models reach" + (lines.some((l) => l[0].includes("floor")) ? "; full and level: the floor." : ".") : "");
    loss.setAttribute("aria-label", has ? `Loss over the steps: now ${lm.fmt(last[1], 2)} at step ${last[0]}, at first ${lm.fmt(rows.find((r) => r)[1], 2)}`
      + (best ? `; validation ${lm.fmt(best[1], 2)}` : "") + lines.map((l) => `; ${l[0]} ${lm.fmt(l[1], 2)}`).join("") + ". Arrow keys read it step by step." : "Loss over the steps: nothing yet");
  }
  function paintHeads(theme) {
    const [L, H, T] = get("sizes");
    heads.hidden = !codes || codes.length !== L * H * T * T || !T;
    if (heads.hidden) return;
    const { layer = 0, head = 0 } = get("selection"), l = Math.min(layer, L - 1), h = Math.min(head, H - 1);
    grid.paint(theme, codes, [L, H, T], theme.ramp, [l, h]);
    lm.heat(heat, theme, codes, (l * H + h) * T * T, get("tokens"), theme.ramp);
    looks.textContent = `Where the heads look, after step ${get("attention_step")}; large: layer ${l}, head ${h}`;
    grid.canvas.setAttribute("aria-label", `${L} layers of ${H} heads, each a small map of its attention. Chosen: layer ${l}, head ${h}. Arrow keys choose another.`);
    heat.setAttribute("aria-label", `Attention of layer ${l}, head ${h}: each row is a token that looks, each column one that is looked at`);
  }
  function refresh() {
    const status = get("status"), going = ["running", "pausing", "paused", "stopping"].includes(status);
    controls.hidden = !live();
    main.textContent = { running: "Pause", pausing: "Go on", paused: "Go on", stopped: "Go on", failed: "Try again" }[status] || "Start";
    main.disabled = ["stopping", "done"].includes(status);
    stop.disabled = !going || status === "stopping";
    rate.set(Math.log2(get("rate")));
    hint.hidden = !(live() && get("waiting") && going);
    hint.textContent = "A cell waits for this run. Some notebooks hear these buttons only when no cell is busy: then interrupt that cell with ■.";
    const { step = 0, left = null, seconds = 0 } = { ...get("progress"), ...now }, last = rows[rows.length - 1];
    bar.value = step;
    bar.max = get("steps");
    state.textContent = [NAMES[status] || status, `step ${step} of ${get("steps")}`,
      last ? `loss ${lm.fmt(last[1], 3)}` : "", seconds ? `${lm.fmt(step / seconds, 1)} steps a second` : "",
      going && left != null ? `${clock(left)} left` : ""].filter(Boolean).join(" · ");
  }
  function texts() {
    written.hidden = !get("samples").length;
    samples.replaceChildren(...[...get("samples")].reverse().slice(0, 6).flatMap(([step, text]) =>
      [lm.h("dt", {}, `step ${step}`), lm.h("dd", { dir: "auto" }, text)]));
    notes.hidden = !get("watched");
    const found = get("notes");
    list.replaceChildren(...(found.length ? found : ["Nothing to report."]).map((text) => lm.h("li", { dir: "auto" }, text)));
  }

  // --- reading the curve ---------------------------------------------------------------
  function read(index) {
    const known = Object.keys(rows).map(Number);
    if (!known.length) return;
    seen = lm.clamp(index, known[0], known[known.length - 1]);
    const r = rows[seen];
    if (!r) return;
    ui.set({ selection: { ...get("selection"), step: r[0], loss: r[1] } });
    ui.say(`step ${r[0]}: loss ${lm.fmt(r[1], 3)}, learning rate ${lm.fmt(r[2], 5)}, gradient ${lm.fmt(r[3], 2)}`);
    ui.paint();
  }
  const from = () => (seen == null ? rows.length - 1 : seen), leap = () => Math.max(1, Math.round(rows.length / 50));
  lm.keys(loss, { ArrowLeft: () => read(from() - leap()), ArrowRight: () => read(from() + leap()), Home: () => read(0), End: () => read(rows.length - 1),
    Escape: () => { seen = null; ui.paint(); } });
  loss.addEventListener("click", (event) => {
    const box = loss.getBoundingClientRect(), step = loss.xAt(((event.clientX - box.left) * loss.clientWidth) / box.width);
    let best = 0;
    rows.forEach((r, i) => { if (Math.abs(r[0] - step) < Math.abs((rows[best] || [1e9])[0] - step)) best = i; });
    read(best);
  });

  // --- what arrives ----------------------------------------------------------------------
  async function attention() {
    const raw = await lm.bytes(get("attention")), [L, H, T] = get("sizes");
    codes = raw.length ? lm.dense(raw, L * H, T, get("causal")) : null;
    ui.paint();
  }
  async function curve() {
    const flat = await lm.floats(get("curve"));
    if (flat.length) { rows = []; take(0, flat); }
    refresh();
    ui.paint();
  }
  ui.message((content, buffers) => {
    if (content.points == null) return;
    if (content.anew) rows = [];
    now = { step: content.step, left: content.left, seconds: content.seconds };
    const view = buffers[0];
    take(content.points, new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));
    refresh();
    ui.paint();
  });
  ui.on("curve", curve);
  ui.on("progress", () => { now = {}; refresh(); });
  ui.on("status rate waiting steps controls", refresh);
  ui.on("attention", attention);
  ui.on("samples notes watched", texts);
  ui.on("validation lines selection", ui.paint);
  ui.onPaint((theme) => { paintCurves(theme); paintHeads(theme); });
  texts();
  (async () => {
    await curve();
    await attention();
    if (live()) tell("points");
    ui.ready();
  })();
  return ui.dispose;
}
