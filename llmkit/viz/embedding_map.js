// A map of words: pan, zoom, search, click and circle.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "Map of embeddings",
    keys: [["← → ↑ ↓", "nearest point on that side"], ["+ −", "zoom"], ["0", "show all"], ["Enter", "select the point"], ["Esc", "select nothing"]],
  });
  const W = 640, H = 420, alone = model.get("_static");
  let words = [], xy = new Int16Array(0), group = new Int8Array(0), nearAll = null, nearCos = null;
  let view = { x: 0, y: 0, k: 1 }, cursor = 0, tool = "pan", loop = null, drag = null;
  const search = lm.text("Find a word", model.get("search"), (v) => find(v), { size: 14 });
  const tools = lm.choice("What dragging does", [["pan", "Move"], ["lasso", "Circle"]], tool, (v) => { tool = v; canvas.style.cursor = v === "pan" ? "grab" : "crosshair"; });
  const zoom = (f) => () => zoomAt(W / 2, H / 2, f);
  const canvas = lm.h("canvas", { tabindex: 0, role: "img", class: "em-map" });
  const side = lm.h("div", { class: "em-side" }), legend = lm.h("div", { class: "em-legend" });
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, search.node, tools.node,
      lm.button("+", zoom(1.5), { "aria-label": "Zoom in" }), lm.button("−", zoom(1 / 1.5), { "aria-label": "Zoom out" }), lm.button("Show all", () => home())),
    lm.h("div", { class: "em-row" }, lm.h("div", {}, canvas, legend), side));

  const sx = (i) => W / 2 + (xy[2 * i] / 32767 - view.x) * view.k * (H / 2 - 14);
  const sy = (i) => H / 2 - (xy[2 * i + 1] / 32767 - view.y) * view.k * (H / 2 - 14);
  const chosen = () => (model.get("selection").indices || []).filter((i) => i >= 0 && i < words.length);
  function near() {
    const one = chosen();
    if (one.length !== 1) return null;
    if (!alone) { const n = model.get("near"); return n.of === one[0] ? n : null; }
    if (!nearAll?.length) return null;
    const k = nearAll.length / words.length, at = one[0] * k;
    return { of: one[0], indices: Array.from(nearAll.slice(at, at + k)), cosines: Array.from(nearCos.slice(at, at + k), (q) => q / 255) };
  }
  function home() { view = { x: 0, y: 0, k: 1 }; ui.paint(); }
  function zoomAt(px, py, f) {
    const k = lm.clamp(view.k * f, 0.5, 400), r = H / 2 - 14;
    view.x += ((px - W / 2) / r) * (1 / view.k - 1 / k);
    view.y -= ((py - H / 2) / r) * (1 / view.k - 1 / k);
    view.k = k;
    ui.paint();
  }
  function mark(ctx, shape, x, y, s) {
    ctx.beginPath();
    if (shape === 0) ctx.arc(x, y, s, 0, 7);
    else {
      // a triangle, square, diamond … : corners and the turn of the first one
      const [n, turn] = [[3, -90], [4, 45], [4, 0], [3, 90], [5, -90], [6, 0], [8, 0]][(shape - 1) % 7];
      for (let i = 0; i < n; i++) { const a = ((turn + (360 * i) / n) * Math.PI) / 180; ctx.lineTo(x + 1.25 * s * Math.cos(a), y + 1.25 * s * Math.sin(a)); }
      ctx.closePath();
    }
    ctx.fill();
  }
  const hues = (g) => lm.palette[g % 8];
  function paint(theme) {
    const ctx = lm.fit(canvas, W, H), n = words.length, boxes = [];
    ctx.fillStyle = theme.panel;
    ctx.fillRect(0, 0, W, H);
    const s = lm.clamp(1 + Math.log2(view.k), 1.5, 5);
    ctx.fillStyle = theme.muted;
    const inside = [];
    for (let i = 0; i < n; i++) {
      const x = sx(i), y = sy(i);
      if (x < -5 || y < -5 || x > W + 5 || y > H + 5) continue;
      inside.push(i);
      if (group[i] < 0) ctx.fillRect(x - s / 2, y - s / 2, s, s);
    }
    for (const i of inside) if (group[i] >= 0) { ctx.fillStyle = hues(group[i]); mark(ctx, group[i], sx(i), sy(i), 5); }
    const picked = chosen(), n1 = near();
    ctx.strokeStyle = theme.accent;
    ctx.lineWidth = 1;
    if (n1) for (const j of n1.indices) { ctx.beginPath(); ctx.moveTo(sx(n1.of), sy(n1.of)); ctx.lineTo(sx(j), sy(j)); ctx.stroke(); }
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2;
    for (const i of picked) { ctx.beginPath(); ctx.arc(sx(i), sy(i), 6, 0, 7); ctx.stroke(); }
    ctx.textBaseline = "middle";
    const label = (i, must, colour) => {
      const text = lm.clip(words[i], 18), x = sx(i) + 7, y = sy(i);
      if (x > W || y < 0 || y > H) return;
      const w = ctx.measureText(text).width, box = [x - 2, y - 8, x + w + 2, y + 8];
      if (!must && boxes.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) return;
      boxes.push(box);
      ctx.lineWidth = 3;
      ctx.strokeStyle = theme.panel;
      ctx.strokeText(text, x, y);
      ctx.fillStyle = colour;
      ctx.fillText(text, x, y);
    };
    ctx.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    if (n1) label(n1.of, true, theme.mark);
    else picked.slice(0, 40).forEach((i) => label(i, false, theme.mark));
    label(cursor, true, theme.mark);
    ctx.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    if (n1) n1.indices.forEach((i) => label(i, false, theme.accent));
    inside.filter((i) => group[i] >= 0).forEach((i) => label(i, false, theme.fg));
    // the first words of the table are the commonest: they get a name while there is room
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    for (let j = 0; j < inside.length && boxes.length < 70 && j < 1500; j++) label(inside[j], false, theme.fg);
    if (loop) {
      ctx.strokeStyle = theme.mark;
      ctx.setLineDash([4, 3]);
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      loop.forEach(([x, y]) => ctx.lineTo(x, y));
      ctx.closePath();
      ctx.stroke();
      ctx.setLineDash([]);
    }
    if (document.activeElement === canvas) { ctx.strokeStyle = theme.mark; ctx.lineWidth = 1; ctx.strokeRect(sx(cursor) - 8, sy(cursor) - 8, 16, 16); }
  }
  function tell() {
    const picked = chosen(), n1 = near(), share = model.get("share");
    const about = lm.h("p", { class: "lm-muted" }, `${words.length} words in ${model.get("width")} dimensions.` + (share ? ` The two axes show ${lm.percent(share)} of the spread, so judge by the list, not by the map.` : ""));
    if (n1) {
      const list = lm.rows(["nearest in the full space", "cosine"], n1.indices.map((i, r) => [words[i], lm.fmt(n1.cosines[r], alone ? 2 : 3)]));
      side.replaceChildren(lm.h("b", { dir: "auto" }, words[n1.of]), list, about);
      ui.say(`${words[n1.of]}; nearest: ${n1.indices.slice(0, 4).map((i) => words[i]).join(", ")}`);
    } else if (picked.length > 1) {
      side.replaceChildren(lm.h("b", {}, `${picked.length} words circled`), lm.h("p", { dir: "auto" }, picked.slice(0, 60).map((i) => words[i]).join(", ") + (picked.length > 60 ? " …" : "")), about);
      ui.say(`${picked.length} words circled: ${picked.slice(0, 5).map((i) => words[i]).join(", ")}`);
    } else {
      side.replaceChildren(picked.length ? lm.h("p", {}, words[picked[0]], alone ? ": its neighbours need a running kernel." : "") : lm.h("p", {}, "Click a point, or search for a word."), about);
    }
    canvas.setAttribute("aria-label", `Map of ${words.length} words. ${picked.length ? "Selected: " + picked.slice(0, 5).map((i) => words[i]).join(", ") : "Nothing selected"}.`);
  }
  function pick(indices) {
    ui.set({ selection: indices.length ? { indices, words: indices.map((i) => words[i]) } : {} });
    tell();
    ui.paint();
  }
  function show(i) {
    cursor = i;
    const x = sx(i), y = sy(i);
    if (x < 20 || y < 20 || x > W - 60 || y > H - 20) Object.assign(view, { x: xy[2 * i] / 32767, y: xy[2 * i + 1] / 32767 });
  }
  function find(text) {
    ui.set({ search: text });
    const low = text.trim().toLowerCase();
    if (!low) return;
    let i = words.indexOf(text.trim());
    if (i < 0) i = words.findIndex((w) => w.toLowerCase() === low);
    if (i < 0) i = words.findIndex((w) => w.toLowerCase().startsWith(low));
    if (i < 0) { ui.say(`no word begins with “${text}”`); return; }
    if (view.k < 3) view.k = 3;
    show(i);
    pick([i]);
  }
  const spot = (e) => {
    const box = canvas.getBoundingClientRect(), k = W / box.width;
    return [(e.clientX - box.left) * k, (e.clientY - box.top) * k];
  };
  function closest([px, py], most = 12) {
    let best = -1, dist = most * most;
    for (let i = 0; i < words.length; i++) {
      const d = (sx(i) - px) ** 2 + (sy(i) - py) ** 2;
      if (d < dist) [best, dist] = [i, d];
    }
    return best;
  }
  // even-odd rule: how often a ray to the right crosses the loop
  const within = (x, y) => loop.reduce((odd, [ax, ay], i) => {
    const [bx, by] = loop[(i + 1) % loop.length];
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !odd : odd;
  }, false);
  canvas.onpointerdown = (e) => {
    canvas.setPointerCapture(e.pointerId);
    const p = spot(e);
    if (tool === "lasso") loop = [p];
    drag = { from: p, view: { ...view }, moved: false };
  };
  canvas.onpointermove = (e) => {
    const p = spot(e);
    if (!drag) {
      const i = closest(p);
      if (i >= 0 && i !== cursor) { cursor = i; ui.paint(); }
      return;
    }
    if (Math.hypot(p[0] - drag.from[0], p[1] - drag.from[1]) > 3) drag.moved = true;
    if (tool === "lasso") loop.push(p);
    else if (drag.moved) {
      const r = (H / 2 - 14) * view.k;
      view.x = drag.view.x - (p[0] - drag.from[0]) / r;
      view.y = drag.view.y + (p[1] - drag.from[1]) / r;
    }
    ui.paint();
  };
  canvas.onpointerup = (e) => {
    if (!drag) return;
    if (!drag.moved) { const i = closest(spot(e)); if (i >= 0) { cursor = i; pick([i]); } }
    else if (loop) { const found = []; for (let i = 0; i < words.length; i++) if (within(sx(i), sy(i))) found.push(i); pick(found); }
    drag = loop = null;
    ui.paint();
  };
  canvas.onpointercancel = () => { drag = loop = null; ui.paint(); };
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoomAt(...spot(e), Math.exp(-e.deltaY * 0.0015)); }, { passive: false });
  canvas.onfocus = canvas.onblur = () => ui.paint();
  const step = (dx, dy) => () => {
    let best = -1, low = Infinity;
    const x0 = sx(cursor), y0 = sy(cursor);
    for (let i = 0; i < words.length; i++) {
      const x = sx(i) - x0, y = sy(i) - y0, ahead = x * dx + y * dy, off = Math.abs(x * dy - y * dx);
      if (ahead > 0.5 && ahead + 2 * off < low) [best, low] = [i, ahead + 2 * off];
    }
    if (best < 0) return;
    show(best);
    ui.say(words[best]);
    ui.paint();
  };
  lm.keys(canvas, { ArrowLeft: step(-1, 0), ArrowRight: step(1, 0), ArrowUp: step(0, -1), ArrowDown: step(0, 1), "+": zoom(1.5), "=": zoom(1.5), "-": zoom(1 / 1.5), 0: home,
    Enter: () => pick([cursor]), Escape: () => pick([]) });
  async function load() {
    const raw = await Promise.all(["names", "points", "near_all", "near_cosine"].map((n) => lm.bytes(model.get(n))));
    words = new TextDecoder().decode(raw[0]).split("\n");
    xy = new Int16Array(raw[1].slice().buffer);
    nearAll = new Uint16Array(raw[2].slice().buffer);
    nearCos = raw[3].slice();
    group = new Int8Array(words.length).fill(-1);
    const names = Object.entries(model.get("groups"));
    names.forEach(([, members], g) => members.forEach((i) => { group[i] = g; }));
    cursor = chosen()[0] ?? 0;
    const keyMark = (g) => {
      const c = lm.h("canvas", { "aria-hidden": "true" }), ctx = lm.fit(c, 14, 14);
      ctx.fillStyle = hues(g);
      mark(ctx, g, 7, 7, 5);
      return c;
    };
    legend.replaceChildren(...names.map(([name], g) => lm.h("span", {}, keyMark(g), " " + name)));
    tell();
    ui.onPaint(paint);
    ui.ready();
  }
  ui.on("selection near", () => { const one = chosen(); if (one.length) cursor = one[0]; tell(); ui.paint(); });
  ui.on("search", () => search.set(model.get("search")));
  load();
  return ui.dispose;
}
