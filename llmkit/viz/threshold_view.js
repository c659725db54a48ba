// A threshold over probabilities: confusion, ROC or precision and recall, reliability.
// Everything is counted here; explore/threshold.py counts the same for Python.
const Z = 1.959963984540054;

// a share of right answers with Wilson's interval
function wilson(part, whole) {
  if (!whole) return [0, 0, 1];
  const p = part / whole, zz = Z * Z, under = 1 + zz / whole;
  const middle = (p + zz / (2 * whole)) / under;
  const half = (Z / under) * Math.sqrt((p * (1 - p)) / whole + zz / (4 * whole * whole));
  return [p, part ? Math.max(0, middle - half) : 0, part < whole ? Math.min(1, middle + half) : 1];
}

// divide log-odds by a temperature
function tempered(scores, temperature) {
  return Float64Array.from(scores, (p) => {
    if (temperature === 1 || p >= 1) return p;
    const odds = (p / (1 - p)) ** (1 / temperature);
    return Number.isFinite(odds) ? odds / (1 + odds) : 1;
  });
}

function measure(p, labels, threshold, bins) {
  let hits = 0, alarms = 0, misses = 0, passed = 0, brier = 0;
  const count = new Float64Array(bins), sure = new Float64Array(bins), right = new Float64Array(bins);
  const edges = Array.from({ length: bins + 1 }, (_, k) => k / bins);
  p.forEach((x, i) => {
    const yes = x >= threshold, y = labels[i];
    if (yes && y) hits++; else if (yes) alarms++; else if (y) misses++; else passed++;
    brier += (x - y) ** 2;
    // a value on an edge belongs to the bin that it ends
    let k = lm.clamp(Math.ceil(x * bins) - 1, 0, bins - 1);
    while (k > 0 && x <= edges[k]) k--;
    while (k < bins - 1 && x > edges[k + 1]) k++;
    count[k]++; sure[k] += x; right[k] += y;
  });
  const N = p.length, positives = hits + misses, negatives = N - positives;
  let ece = 0;
  for (let k = 0; k < bins; k++) ece += Math.abs(sure[k] - right[k]) / N;
  const order = [...p.keys()].sort((a, b) => p[b] - p[a]), curve = [[0, 0]], pr = [[0, 1]];
  let h = 0, f = 0, auc = 0, ap = 0;
  order.forEach((i, n) => {
    if (labels[i]) h++; else f++;
    if (n + 1 < N && p[order[n + 1]] === p[i]) return;
    const [x0, y0] = curve[curve.length - 1], x = f / negatives, y = h / positives;
    auc += ((x - x0) * (y + y0)) / 2;
    ap += ((y - y0) * h) / (h + f);
    curve.push([x, y]);
    pr.push([y, h / (h + f)]);
  });
  const j = wilson(hits, hits + alarms + misses);
  return { hits, alarms, misses, passed, rate: alarms / Math.max(1, alarms + passed), brier: brier / N, ece, auc, ap, curve, pr, count, sure, right, edges,
    accuracy: wilson(hits + passed, N), precision: wilson(hits, hits + alarms), recall: wilson(hits, positives), f1: j.map((x) => (2 * x) / (1 + x)) };
}

function render({ model, el }) {
  const { h } = lm, get = (name) => model.get(name);
  const ui = lm.mount(el, model, {
    label: "From scores to decisions: move the threshold",
    keys: [["← →", "threshold by 0.01"], ["Page up / Page down", "threshold by 0.1"], ["Home / End", "0 and 1"], ["Enter", "keep the numbers for Python"]],
  });
  const W = 300, H = 230, LEFT = 42, RIGHT = 10, TOP = 8, FOOT = 36;
  let scores = new Float32Array(0), labels = new Uint8Array(0), p = new Float64Array(0), now = null;
  const names = get("names");

  const cut = lm.slider(`“${names[1]}” from a probability of`, { min: 0, max: 1, step: 0.01, value: get("threshold") }, (v) => ui.set({ threshold: v }));
  const heat = lm.slider("Temperature", { min: -3, max: 3, step: 0.25, value: Math.log2(get("temperature")), show: (v) => lm.fmt(2 ** v, 2) }, (v) => ui.set({ temperature: 2 ** v }));
  const bins = lm.select("Bins", [5, 10, 20].map((n) => [String(n), String(n)]), String(get("bins")), (v) => ui.set({ bins: +v }));
  const kind = lm.choice("Curve", [["roc", "ROC"], ["pr", "precision and recall"]], get("curve"), (v) => ui.set({ curve: v }));
  const best = lm.button("Best F1", () => {
    const values = [...new Set(p)];
    let top = [-1, 0.5];
    for (const t of values) { const f = measure(p, labels, t, 1).f1[0]; if (f > top[0]) top = [f, t]; }
    // rounded down, so that the example that decides it still gets its yes
    ui.set({ threshold: Math.floor(top[1] * 1000) / 1000 });
  });
  const figures = ["Examples by probability", "", "Can the probabilities be believed?"].map((title, i) => {
    const canvas = h("canvas", { role: i ? "img" : "application", tabindex: i ? null : 0 }), caption = h("figcaption", {}, title);
    return { canvas, caption, node: h("figure", {}, caption, canvas) };
  });
  const confusion = h("div", {}), rates = h("div", {}), note = h("p", { class: "lm-muted" });
  ui.body.append(h("div", { class: "lm-bar" }, cut.node, best), h("div", { class: "lm-bar" }, heat.node, bins.node, kind.node),
    h("div", { class: "th-row" }, figures.map((f) => f.node)), h("div", { class: "th-tables" }, confusion, rates), note);

  // --- drawing
  const x = (v) => LEFT + v * (W - LEFT - RIGHT), y = (v) => TOP + (1 - v) * (H - TOP - FOOT);
  function frame(canvas, theme, across, up, ticks) {
    const ctx = lm.fit(canvas, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    ctx.lineWidth = 1;
    for (const [v, text] of ticks) {
      ctx.strokeStyle = theme.line;
      ctx.beginPath();
      ctx.moveTo(LEFT, v);
      ctx.lineTo(W - RIGHT, v);
      ctx.stroke();
      ctx.fillStyle = theme.muted;
      ctx.textAlign = "right";
      ctx.fillText(text, LEFT - 4, v);
    }
    ctx.textAlign = "center";
    for (const v of [0, 0.25, 0.5, 0.75, 1]) ctx.fillText(String(v), x(v), H - FOOT + 11);
    ctx.fillText(across, (LEFT + W - RIGHT) / 2, H - 8);
    ctx.save();
    ctx.translate(8, (TOP + H - FOOT) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(up, 0, 0);
    ctx.restore();
    return ctx;
  }
  const unit = [0, 0.5, 1].map((v) => [y(v), String(v)]);
  const line = (ctx, points, colour, dash = [], width = 2) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    points.forEach(([a, b], i) => (i ? ctx.lineTo(a, b) : ctx.moveTo(a, b)));
    ctx.stroke();
    ctx.setLineDash([]);
  };
  const dot = (ctx, a, b, r, colour) => { ctx.fillStyle = colour; ctx.beginPath(); ctx.arc(a, b, r, 0, 7); ctx.fill(); };
  function drawScores(theme) {
    const K = 40, up = new Float64Array(K), down = new Float64Array(K);
    p.forEach((v, i) => { (labels[i] ? up : down)[Math.min(K - 1, Math.floor(v * K))]++; });
    const most = Math.max(1, ...up, ...down), middle = (TOP + H - FOOT) / 2, room = middle - TOP - 12;
    const ctx = frame(figures[0].canvas, theme, `probability of “${lm.clip(names[1], 16)}”`, "examples", [[middle - room, String(most)], [middle, "0"], [middle + room, String(most)]]);
    for (let k = 0; k < K; k++) {
      const a = x(k / K), w = x((k + 1) / K) - a - 1, yes = (k + 0.5) / K >= get("threshold");
      for (const [n, side] of [[up[k], -1], [down[k], 1]]) {
        if (!n) continue;
        const tall = (n / most) * room, top = side < 0 ? middle - tall : middle;
        ctx.fillStyle = ctx.strokeStyle = side < 0 ? theme.accent : theme.mark;
        // filled: the decision is right; an empty frame: it is wrong
        if (yes === side < 0) ctx.fillRect(a, top, w, tall);
        else ctx.strokeRect(a + 0.5, top + 0.5, w - 1, Math.max(0, tall - 1));
      }
    }
    ctx.textAlign = "left";
    ctx.fillStyle = theme.fg;
    ctx.fillText(`${lm.clip(names[1], 18)} ▲`, LEFT + 4, TOP + 4);
    ctx.fillText(`${lm.clip(names[0], 18)} ▼`, LEFT + 4, H - FOOT - 6);
    const t = x(get("threshold"));
    line(ctx, [[t, TOP], [t, H - FOOT]], theme.fg, [4, 3], 1.5);
    figures[0].canvas.setAttribute("aria-label", `${p.length} examples by probability; threshold ${lm.fmt(get("threshold"), 2)}. Arrow keys move it.`);
  }
  function drawCurve(theme) {
    const roc = get("curve") === "roc";
    const ctx = frame(figures[1].canvas, theme, roc ? "false alarm rate" : "recall", roc ? "recall" : "precision", unit);
    if (roc) line(ctx, [[x(0), y(0)], [x(1), y(1)]], theme.control, [2, 3], 1);
    line(ctx, (roc ? now.curve : now.pr).map(([a, b]) => [x(a), y(b)]), theme.accent);
    const [a, b] = roc ? [now.rate, now.recall[0]] : [now.recall[0], now.precision[0]];
    dot(ctx, x(a), y(b), 5, theme.mark);
    figures[1].caption.textContent = roc ? `ROC: area ${lm.fmt(now.auc)}` : `Precision and recall: average ${lm.fmt(now.ap)}`;
    figures[1].canvas.setAttribute("aria-label", `${figures[1].caption.textContent}. The threshold stands at ${lm.fmt(a, 2)}, ${lm.fmt(b, 2)}.`);
  }
  function drawBins(theme) {
    const ctx = frame(figures[2].canvas, theme, "mean probability of a bin", "share of positives", unit), most = Math.max(1, ...now.count);
    now.count.forEach((n, k) => {
      if (!n) return;
      const a = x(now.edges[k]), w = x(now.edges[k + 1]) - a, share = now.right[k] / n;
      ctx.fillStyle = theme.panel;
      ctx.strokeStyle = theme.control;
      ctx.lineWidth = 1;
      ctx.fillRect(a + 1, y(share), w - 2, y(0) - y(share));
      ctx.strokeRect(a + 1, y(share), w - 2, y(0) - y(share));
    });
    line(ctx, [[x(0), y(0)], [x(1), y(1)]], theme.control, [2, 3], 1);
    now.count.forEach((n, k) => { if (n) dot(ctx, x(now.sure[k] / n), y(now.right[k] / n), 2.5 + 4 * Math.sqrt(n / most), theme.accent); });
    figures[2].canvas.setAttribute("aria-label", `Reliability: calibration error ${lm.fmt(now.ece)}. Points on the diagonal can be believed; larger points stand for more examples.`);
  }
  const cell = (n, good) => h("td", { class: good ? "good" : "bad" }, String(n));
  function tables() {
    const head = (...kids) => h("tr", {}, kids);
    confusion.replaceChildren(h("table", {},
      head(h("th", {}, "true ↓, chosen →"), h("th", { scope: "col" }, names[1]), h("th", { scope: "col" }, names[0])),
      head(h("th", { scope: "row" }, names[1]), cell(now.hits, true), cell(now.misses)),
      head(h("th", { scope: "row" }, names[0]), cell(now.alarms), cell(now.passed, true))));
    const row = (name, [v, low, high]) => head(h("th", { scope: "row" }, name), h("td", {}, lm.fmt(v)), h("td", {}, `${lm.fmt(low)} to ${lm.fmt(high)}`));
    rates.replaceChildren(h("table", {}, head(h("th", {}, ""), h("th", { scope: "col" }, "value"), h("th", { scope: "col" }, "95 % interval")),
      ["accuracy", "precision", "recall", "f1"].map((n) => row(n === "f1" ? "F1" : n, now[n]))));
    note.textContent = `Calibration error (ECE, ${get("bins")} bins) ${lm.fmt(now.ece)}, Brier score ${lm.fmt(now.brier)}. A full bar or frame is a right decision, an empty bar or a dashed frame a wrong one.`;
  }

  // --- changes
  function refresh() {
    p = tempered(scores, get("temperature"));
    now = measure(p, labels, get("threshold"), get("bins"));
    cut.set(get("threshold"));
    heat.set(Math.log2(get("temperature")));
    bins.set(String(get("bins")));
    kind.set(get("curve"));
    tables();
    ui.say(`threshold ${lm.fmt(get("threshold"), 2)}: precision ${lm.fmt(now.precision[0])}, recall ${lm.fmt(now.recall[0])}, F1 ${lm.fmt(now.f1[0])}`);
    ui.root.dataset.now = JSON.stringify([now.hits, now.alarms, now.misses, now.passed, now.f1, now.auc, now.ap, now.ece, now.brier]);
    ui.paint();
  }
  const move = (to) => ui.set({ threshold: lm.clamp(Math.round(to * 1000) / 1000, 0, 1) });
  const keep = () => ui.set({ selection: { threshold: get("threshold"), hits: now.hits, "false alarms": now.alarms, misses: now.misses, rejections: now.passed,
    precision: now.precision, recall: now.recall, f1: now.f1, accuracy: now.accuracy } });
  const board = figures[0].canvas;
  const grab = (e) => {
    const box = board.getBoundingClientRect();
    move(Math.round(((((e.clientX - box.left) * W) / box.width - LEFT) / (W - LEFT - RIGHT)) * 100) / 100);
  };
  board.onpointerdown = (e) => { board.setPointerCapture(e.pointerId); grab(e); };
  board.onpointermove = (e) => { if (e.buttons) grab(e); };
  board.onpointerup = keep;
  const by = (d) => () => move(get("threshold") + d);
  lm.keys(board, { ArrowLeft: by(-0.01), ArrowRight: by(0.01), PageDown: by(-0.1), PageUp: by(0.1), Home: () => move(0), End: () => move(1), Enter: keep });
  const begin = async () => {
    scores = await lm.floats(get("scores"));
    labels = await lm.bytes(get("labels"));
    ui.on("threshold temperature bins curve", refresh);
    ui.onPaint((theme) => { if (now) { drawScores(theme); drawCurve(theme); drawBins(theme); } });
    refresh();
    ui.ready();
  };
  begin();
  return ui.dispose;
}
