// Layers × positions; the last layer on top, the embedding at the bottom.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "Logit lens: what each layer would say next",
    keys: [["← →", "position"], ["↑ ↓", "layer"], ["Home / End", "first or last position"], ["Enter", "keep the cell for Python"]],
  });
  const CELL = 78, ROW = 21, GUTTER = 92, HEAD = 22;
  const live = model.get("live") && !model.get("_static");
  let at = { r: 0, c: 0 }, top, probs, numbers, wide = 3;
  const R = () => model.get("rows").length, T = () => model.get("tokens").length, k = () => model.get("k");
  const names = { probability: "probability of the first choice", rank: "rank of the final answer", entropy: "entropy (bits)", kl: "KL to the final answer (bits)" };

  const words = lm.text("Sentence", model.get("text"), (text) => ui.set({ text }), { size: 46 });
  const watch = lm.text("Watch two tokens", model.get("watch_text"), (v) => ui.set({ watch_text: v }), { size: 18, placeholder: "such as: a, the" });
  const metric = lm.select("Colour", Object.entries(names), model.get("metric"), (v) => ui.set({ metric: v }));
  const legend = lm.h("span", { class: "lm-muted" });
  const canvas = lm.h("canvas", { class: "ll-grid", tabindex: 0, role: "img" });
  const room = lm.h("div", { class: "ll-room" });
  const scroll = lm.h("div", { class: "ll-scroll" }, canvas, room);
  const list = lm.h("div", { class: "ll-list" });
  const race = lm.h("canvas", { role: "img", "aria-label": "probability of the watched tokens, layer by layer" });
  const raceBox = lm.h("figure", { class: "ll-race" }, lm.h("figcaption", {}), race);
  ui.body.append(lm.h("div", { class: "lm-bar" }, live ? [words.node, watch.node] : null, metric.node, legend), scroll, lm.h("div", { class: "ll-below" }, list, raceBox));

  const column = (c) => model.get("columns").indexOf(c);
  const cell = (r, c) => (column(c) < 0 ? -1 : r * model.get("columns").length + column(c));
  const first = (r, c) => model.get("words")[top[cell(r, c) * k()]];
  const p = (r, c, i = 0) => (probs[cell(r, c) * k() + i] / 65535) ** 2;
  const number = (r, c, i) => numbers[cell(r, c) * wide + i];
  // how dark a cell is, 0 to 1: dark always means "sure" or "as in the end"
  function level(r, c) {
    const m = model.get("metric");
    if (m === "probability") return Math.sqrt(p(r, c));
    if (m === "rank") return 1 / (1 + Math.log2(number(r, c, 2)));
    const i = m === "entropy" ? 0 : 1;
    let most = 1e-6;
    for (let n = i; n < numbers.length; n += wide) most = Math.max(most, numbers[n]);
    return 1 - number(r, c, i) / most;
  }
  function paint() {
    if (!numbers) return;
    const theme = ui.theme, width = Math.max(200, scroll.clientWidth || 760), height = HEAD + R() * ROW + 2;
    const ctx = lm.fit(canvas, Math.min(width, GUTTER + T() * CELL + 2), height);
    ctx.clearRect(0, 0, width, height);
    ctx.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    const left = scroll.scrollLeft, c0 = Math.floor(left / CELL), c1 = Math.min(T(), c0 + Math.ceil(width / CELL) + 1);
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER, 0, width, height);
    ctx.clip();
    for (let c = c0; c < c1; c++) {
      const x = GUTTER + c * CELL - left;
      ctx.textAlign = "center";
      ctx.fillStyle = c === at.c ? theme.mark : theme.fg;
      ctx.fillText(lm.clip(model.get("tokens")[c], 10), x + CELL / 2, HEAD / 2);
      for (let r = 0; r < R(); r++) {
        const y = HEAD + (R() - 1 - r) * ROW, known = cell(r, c) >= 0;
        const colour = known ? theme.ramp[lm.clamp(Math.round(level(r, c) * 255), 0, 255)] : null;
        ctx.fillStyle = known ? lm.rgb(colour) : theme.panel;
        ctx.fillRect(x + 0.5, y + 0.5, CELL - 1, ROW - 1);
        ctx.fillStyle = known ? lm.ink(colour) : theme.muted;
        ctx.fillText(known ? lm.clip(first(r, c), 10) : "·", x + CELL / 2, y + ROW / 2);
      }
    }
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2.5;
    ctx.strokeRect(GUTTER + at.c * CELL - left + 1, HEAD + (R() - 1 - at.r) * ROW + 1, CELL - 2, ROW - 2);
    ctx.restore();
    ctx.textAlign = "right";
    model.get("rows").forEach((name, r) => {
      ctx.fillStyle = r === at.r ? theme.mark : theme.fg;
      ctx.fillText(name, GUTTER - 8, HEAD + (R() - 0.5 - r) * ROW);
    });
    paintRace();
  }
  function paintRace() {
    const pair = model.get("watch"), theme = ui.theme;
    raceBox.hidden = !pair.length || cell(0, at.c) < 0;
    if (raceBox.hidden) return;
    const W = 300, H = 120, ctx = lm.fit(race, W, H);
    ctx.clearRect(0, 0, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.strokeStyle = theme.line;
    ctx.strokeRect(30.5, 6.5, W - 40, H - 26);
    ctx.fillStyle = theme.muted;
    ctx.fillText("1", 20, 14);
    ctx.fillText("0", 20, H - 20);
    ctx.fillText("embedding", 30, H - 4);
    ctx.textAlign = "right";
    ctx.fillText("last layer", W - 10, H - 4);
    pair.forEach((word, w) => {
      ctx.strokeStyle = w ? theme.mark : theme.accent;
      ctx.setLineDash(w ? [5, 3] : []);
      ctx.lineWidth = 2;
      ctx.beginPath();
      for (let r = 0; r < R(); r++) {
        const x = 31 + ((W - 42) * r) / Math.max(1, R() - 1), y = 7 + (H - 27) * (1 - number(r, at.c, 3 + w));
        r ? ctx.lineTo(x, y) : ctx.moveTo(x, y);
      }
      ctx.stroke();
    });
    ctx.setLineDash([]);
    raceBox.firstChild.replaceChildren(...pair.flatMap((word, w) => [w ? " against " : "", lm.h("b", { dir: "auto" }, word), ` (${w ? "dashed" : "solid"}) ${lm.fmt(number(at.r, at.c, 3 + w))}`]));
  }
  function tell() {
    const row = model.get("rows")[at.r], token = model.get("tokens")[at.c];
    if (cell(at.r, at.c) < 0) {
      list.replaceChildren(live ? "computing this position …" : "this position was not computed for this page");
      if (live) ui.ask({ column: at.c });
      return;
    }
    const items = Array.from({ length: k() }, (_, i) => [model.get("words")[top[cell(at.r, at.c) * k() + i]], p(at.r, at.c, i)]);
    list.replaceChildren(
      lm.h("div", {}, "after ", lm.h("b", { dir: "auto" }, token), `, ${row} would say:`),
      lm.h("ol", {}, items.map(([word, q]) => lm.h("li", {}, lm.h("span", { class: "ll-bar", style: `width:${Math.round(q * 120)}px` }), lm.h("span", { dir: "auto" }, word), ` ${lm.fmt(q, 4)}`))),
      lm.h("div", { class: "lm-muted" }, `entropy ${lm.fmt(number(at.r, at.c, 0), 2)} bits, KL to the end ${lm.fmt(number(at.r, at.c, 1), 2)} bits, the final answer ranks ${number(at.r, at.c, 2)}`));
    canvas.setAttribute("aria-label", `${R()} layers by ${T()} positions. Arrow keys move the cell.`);
    ui.say(`${row}, after ${token}: ${items[0][0]} ${lm.fmt(items[0][1])}`);
  }
  const go = (r, c) => {
    at = { r: lm.clamp(r, 0, R() - 1), c: lm.clamp(c, 0, T() - 1) };
    const x = GUTTER + at.c * CELL;
    if (x - scroll.scrollLeft < GUTTER) scroll.scrollLeft = at.c * CELL;
    else if (x + CELL - scroll.scrollLeft > scroll.clientWidth) scroll.scrollLeft = x + CELL - scroll.clientWidth;
    tell();
    paint();
  };
  const keep = () => {
    if (cell(at.r, at.c) >= 0) ui.set({ selection: { row: model.get("rows")[at.r], layer: Math.max(0, Math.ceil(at.r / 2) - 1), query: at.c, position: at.c, token: model.get("tokens")[at.c], says: first(at.r, at.c), probability: p(at.r, at.c) } });
  };
  const where = (e) => {
    const box = canvas.getBoundingClientRect();
    const c = Math.floor((e.clientX - box.left - GUTTER + scroll.scrollLeft) / CELL), r = R() - 1 - Math.floor((e.clientY - box.top - HEAD) / ROW);
    return e.clientX - box.left > GUTTER && r >= 0 && r < R() && c >= 0 && c < T() ? [r, c] : null;
  };
  canvas.onmousemove = (e) => { const w = where(e); if (w && (w[0] !== at.r || w[1] !== at.c)) { at = { r: w[0], c: w[1] }; tell(); ui.paint(); } };
  canvas.onclick = (e) => { const w = where(e); if (w) { go(...w); keep(); canvas.focus({ preventScroll: true }); } };
  lm.keys(canvas, { ArrowLeft: () => go(at.r, at.c - 1), ArrowRight: () => go(at.r, at.c + 1), ArrowUp: () => go(at.r + 1, at.c), ArrowDown: () => go(at.r - 1, at.c), Home: () => go(at.r, 0), End: () => go(at.r, T() - 1), Enter: keep });
  scroll.addEventListener("scroll", () => ui.paint());
  const size = new ResizeObserver(() => ui.paint());
  size.observe(scroll);
  ui.cleanup(() => size.disconnect());

  let turn = 0, fresh = true;
  async function load() {
    const mine = ++turn;
    const raw = await Promise.all(["top", "probs", "numbers"].map((n) => lm.bytes(model.get(n))));
    if (mine !== turn) return;
    top = new Uint16Array(raw[0].slice().buffer);
    probs = new Uint16Array(raw[1].slice().buffer);
    numbers = new Float32Array(raw[2].slice().buffer);
    wide = 3 + model.get("watch").length;
    words.set(model.get("text"));
    room.style.width = GUTTER + T() * CELL + 2 + "px";
    if (fresh || cell(0, Math.min(at.c, T() - 1)) < 0) at = { r: R() - 1, c: model.get("columns").at(-1) };
    fresh = false;
    go(at.r, at.c);
    ui.ready();
  }
  ui.message((content) => { if (content.error) ui.say(content.error); });
  ui.on("version", load);
  ui.on("metric", () => { metric.set(model.get("metric")); ui.paint(); });
  ui.onPaint(() => {
    legend.textContent = `${ui.theme.name === "dark" ? "light" : "dark"} = ${{ probability: "sure", rank: "first", entropy: "sure", kl: "as in the end" }[model.get("metric")]}`;
    paint();
  });
  load();
  return ui.dispose;
}
