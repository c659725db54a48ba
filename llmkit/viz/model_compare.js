// Left: the first model's heads by distance; right: one head in both models.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "Two models on one text",
    keys: [["← → ↑ ↓", "choose a head, or a cell of the maps"], ["Enter", "keep the cell for Python"]],
  });
  const live = model.get("live") && !model.get("_static");
  let a = [], b = [], far = [], bits = [], at = { q: 0, k: 0 }, most = 1;
  const U = () => model.get("units").length, unit = (i) => model.get("units")[i];
  const name = (i) => model.get("names")[i];
  const chosen = () => {
    const [L, H] = model.get("shape_a");
    return [lm.clamp(model.get("layer"), 0, L - 1), lm.clamp(model.get("head"), 0, H - 1)];
  };
  const hasSame = () => far.length === 2;
  const gaps = () => far[hasSame() && model.get("pairing") === "same place" ? 1 : 0] || [];
  const partner = (l, h) => {
    if (hasSame() && model.get("pairing") === "same place") return [l, h];
    const n = model.get("nearest")[l * model.get("shape_a")[1] + h], H = model.get("shape_b")[1];
    return [Math.floor(n / H), n % H];
  };
  const start = (l, h, shape) => (l * model.get(shape)[1] + h) * U() * U();
  const weight = (raw, from, q, k) => lm.weight[raw[from + q * U() + k]];

  const words = lm.text("Sentence", model.get("text"), (text) => ui.set({ text }), { size: 46 });
  const pairs = lm.choice("Partner of a head", [["nearest", "most similar head"], ["same place", "same layer and head"]], model.get("pairing"), (pairing) => ui.set({ pairing }));
  const legend = lm.h("span", { class: "lm-muted" });
  const heads = lm.h("canvas", { tabindex: 0, role: "img" });
  const headTitle = lm.h("figcaption");
  const maps = lm.h("canvas", { tabindex: 0, role: "img" });
  const mapTitle = lm.h("figcaption", { dir: "auto" });
  const cell = lm.h("div", { class: "mc-cell", dir: "auto" });
  const costs = lm.h("canvas", { role: "img" });
  const costTitle = lm.h("figcaption", { dir: "auto" });
  const cost = lm.h("figure", { class: "mc-cost" }, costTitle, costs);
  const left = lm.h("figure", {}, headTitle, heads, lm.h("div", {}, legend));
  const right = lm.h("figure", {}, mapTitle, maps, cell);
  ui.body.append(lm.h("div", { class: "lm-bar" }, live ? words.node : null, pairs.node),
    lm.h("div", { class: "mc-all" }, left, right), cost);

  const HEAD = 20, EDGE = 26;
  function paintHeads(theme) {
    const [L, H] = model.get("shape_a"), [l0, h0] = chosen();
    const ctx = lm.fit(heads, EDGE + H * HEAD + 4, EDGE + L * HEAD + 4);
    ctx.clearRect(0, 0, 4000, 4000);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    for (let l = 0; l < L; l++) {
      ctx.fillStyle = l === l0 ? theme.mark : theme.muted;
      ctx.fillText(l, EDGE / 2, EDGE + (l + 0.5) * HEAD);
      for (let h = 0; h < H; h++) {
        ctx.fillStyle = lm.rgb(theme.ramp[Math.round(255 * Math.min(1, gaps()[l * H + h] / most))]);
        ctx.fillRect(EDGE + h * HEAD + 0.5, EDGE + l * HEAD + 0.5, HEAD - 1, HEAD - 1);
      }
    }
    for (let h = 0; h < H; h++) {
      ctx.fillStyle = h === h0 ? theme.mark : theme.muted;
      ctx.fillText(h, EDGE + (h + 0.5) * HEAD, EDGE / 2);
    }
    ctx.strokeStyle = theme.line;
    ctx.strokeRect(EDGE + 0.5, EDGE + 0.5, H * HEAD - 1, L * HEAD - 1);
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2.5;
    ctx.strokeRect(EDGE + h0 * HEAD + 1, EDGE + l0 * HEAD + 1, HEAD - 2, HEAD - 2);
    let sum = 0;
    for (const gap of gaps()) sum += gap;
    headTitle.textContent = `Heads of ${name(0)}: bits to the partner`;
    legend.textContent = `${theme.name === "dark" ? "light" : "dark"} = ${lm.fmt(most)} bits; mean ${lm.fmt(sum / (gaps().length || 1))}`;
    heads.setAttribute("aria-label", `${L} layers by ${H} heads of ${name(0)}, by distance to ${name(1)}. Arrow keys choose a head.`);
  }
  const step = () => lm.clamp(Math.floor(236 / Math.max(1, U())), 2, 22);
  const NAMES = () => (step() >= 9 ? 76 : 6);
  const GAP = 14;
  const place = (m) => NAMES() + m * (U() * step() + GAP);
  function paintMaps(theme) {
    const [l, h] = chosen(), [pl, ph] = partner(l, h), S = step(), n = U();
    const fromA = start(l, h, "shape_a"), fromB = start(pl, ph, "shape_b");
    const long = Math.max(...model.get("units").map((x) => Array.from(lm.clip(x, 9)).length));
    const low = NAMES() > 10 ? 12 + 7 * long : 6, top = 4;
    const ctx = lm.fit(maps, place(3), top + n * S + low);
    ctx.clearRect(0, 0, 4000, 4000);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    let widest = 1e-6;
    for (let i = 0; i < n * n; i++) widest = Math.max(widest, Math.abs(lm.weight[a[fromA + i]] - lm.weight[b[fromB + i]]));
    for (let q = 0; q < n; q++) for (let k = 0; k < n; k++) {
      const x = weight(a, fromA, q, k), y = weight(b, fromB, q, k);
      const colours = [theme.ramp[Math.round(255 * Math.sqrt(x))], theme.ramp[Math.round(255 * Math.sqrt(y))],
        theme.signed[Math.round(127.5 + 127.5 * (x - y) / widest)]];
      colours.forEach((c, m) => {
        ctx.fillStyle = lm.rgb(c);
        ctx.fillRect(place(m) + k * S, top + q * S, S - (S > 5), S - (S > 5));
      });
    }
    for (let m = 0; m < 3; m++) {
      ctx.strokeStyle = theme.line;
      ctx.lineWidth = 1;
      ctx.strokeRect(place(m) - 0.5, top - 0.5, n * S, n * S);
      ctx.strokeStyle = theme.mark;
      ctx.lineWidth = 2;
      ctx.strokeRect(place(m) + at.k * S, top + at.q * S, S - 1, S - 1);
    }
    if (low > 10) for (let i = 0; i < n; i++) {
      ctx.textAlign = "right";
      ctx.fillStyle = i === at.q ? theme.mark : theme.fg;
      ctx.fillText(lm.clip(unit(i), 11), NAMES() - 6, top + (i + 0.5) * S);
      for (let m = 0; m < 3; m++) {
        ctx.save();
        ctx.translate(place(m) + (i + 0.5) * S, top + n * S + 5);
        ctx.rotate(-Math.PI / 2);
        ctx.fillStyle = i === at.k ? theme.mark : theme.fg;
        ctx.fillText(lm.clip(unit(i), 9), 0, 0);
        ctx.restore();
      }
    }
    mapTitle.textContent = `Layer ${l} head ${h} of ${name(0)} | layer ${pl} head ${ph} of ${name(1)} | first minus second, ±${lm.fmt(widest, 2)} (blue: the first looks more)`;
    maps.setAttribute("aria-label", `Weights of one head in both models and their difference, ${n} by ${n}. Arrow keys choose a cell.`);
  }
  function paintCosts(theme) {
    cost.hidden = !bits.length;
    if (!bits.length) return;
    const n = U(), W = 54, H = 96, wide = Math.max(18, Math.min(W, 900 / n)), ctx = lm.fit(costs, 30 + n * wide, H + 22);
    let high = 1;
    for (const x of bits) if (x > high) high = x;
    ctx.clearRect(0, 0, 4000, 400);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.fillStyle = theme.muted;
    ctx.fillText(lm.fmt(high, 0), 2, 12);
    ctx.fillText("0", 2, H + 2);
    ctx.strokeStyle = theme.line;
    ctx.strokeRect(25.5, H + 0.5, n * wide, 0);
    for (let i = 0; i < n; i++) for (let m = 0; m < 2; m++) {
      const x = bits[m * n + i];
      if (!(x >= 0)) continue;
      const tall = (x / high) * (H - 8), from = 27 + i * wide + m * (wide * 0.42);
      ctx.strokeStyle = ctx.fillStyle = m ? theme.mark : theme.accent;
      if (!m) ctx.fillRect(from, H - tall, wide * 0.4, tall);
      else ctx.strokeRect(from + 1, H - tall + 1, wide * 0.4 - 2, Math.max(0, tall - 1));
    }
    if (wide > 26) {
      ctx.textAlign = "center";
      for (let i = 0; i < n; i++) {
        ctx.fillStyle = i === at.q ? theme.mark : theme.fg;
        ctx.fillText(lm.clip(unit(i), Math.floor(wide / 7)), 27 + (i + 0.42) * wide, H + 15);
      }
    }
    const sum = [0, 0];
    bits.forEach((x, i) => { if (x >= 0) sum[i < n ? 0 : 1] += x; });
    costTitle.textContent = `Bits needed to expect each piece: ${name(0)} (filled) ${lm.fmt(sum[0], 1)}, ${name(1)} (outline) ${lm.fmt(sum[1], 1)} in all`;
    costs.setAttribute("aria-label", costTitle.textContent);
  }
  function paint(theme) {
    if (!a.length) return;
    paintHeads(theme);
    paintMaps(theme);
    paintCosts(theme);
    const { x, y } = now();
    cell.textContent = `${unit(at.q)} → ${unit(at.k)}: ${lm.fmt(x)} and ${lm.fmt(y)}, difference ${lm.fmt(x - y)}`;
  }
  function now() {
    const [l, h] = chosen(), [pl, ph] = partner(l, h);
    return { x: weight(a, start(l, h, "shape_a"), at.q, at.k), y: weight(b, start(pl, ph, "shape_b"), at.q, at.k), pair: [pl, ph], l, h };
  }
  function pick(l, h) {
    const [L, H] = model.get("shape_a");
    ui.set({ layer: lm.clamp(l, 0, L - 1), head: lm.clamp(h, 0, H - 1) });
    const [l1, h1] = chosen(), [pl, ph] = partner(l1, h1);
    ui.say(`layer ${l1} head ${h1}, partner layer ${pl} head ${ph}, ${lm.fmt(gaps()[l1 * H + h1])} bits apart`);
  }
  function go(q, k) {
    at = { q: lm.clamp(q, 0, U() - 1), k: lm.clamp(k, 0, U() - 1) };
    const { x, y } = now();
    ui.say(`${unit(at.q)} to ${unit(at.k)}: ${lm.fmt(x)} and ${lm.fmt(y)}`);
    ui.paint();
  }
  function keep() {
    const { x, y, pair, l, h } = now();
    ui.set({ selection: { layer: l, head: h, partner: pair, query: at.q, key: at.k, tokens: [unit(at.q), unit(at.k)], a: x, b: y } });
  }
  const arrows = (f) => ({ ArrowLeft: f(0, -1), ArrowRight: f(0, 1), ArrowUp: f(-1, 0), ArrowDown: f(1, 0) });
  lm.keys(heads, arrows((dl, dh) => () => { const [l, h] = chosen(); pick(l + dl, h + dh); }));
  lm.keys(maps, { ...arrows((dq, dk) => () => go(at.q + dq, at.k + dk)), Enter: keep });
  const point = (node, e) => {
    const box = node.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  };
  heads.onclick = (e) => {
    const [x, y] = point(heads, e), h = Math.floor((x - EDGE) / HEAD), l = Math.floor((y - EDGE) / HEAD);
    if (l >= 0 && h >= 0) pick(l, h);
    heads.focus({ preventScroll: true });
  };
  const under = (e) => {
    const [x, y] = point(maps, e), S = step();
    for (let m = 0; m < 3; m++) {
      const k = Math.floor((x - place(m)) / S), q = Math.floor((y - 4) / S);
      if (k >= 0 && k < U() && q >= 0 && q < U()) return [q, k];
    }
    return null;
  };
  maps.onmousemove = (e) => { const c = under(e); if (c && (c[0] !== at.q || c[1] !== at.k)) go(...c); };
  maps.onclick = (e) => { const c = under(e); if (c) { go(...c); keep(); maps.focus({ preventScroll: true }); } };

  let turn = 0;
  async function load() {
    const mine = ++turn;
    const [x, y, d, costs] = await Promise.all([lm.bytes(model.get("weights_a")), lm.bytes(model.get("weights_b")),
      lm.floats(model.get("distances")), lm.floats(model.get("bits"))]);
    if (mine !== turn) return;
    [a, b, bits] = [x, y, costs];
    const [L, H] = model.get("shape_a");
    far = [d.subarray(0, L * H), d.subarray(L * H)].filter((part) => part.length);
    most = Math.max(1e-3, ...d);
    pairs.node.hidden = !hasSame();
    at = { q: U() - 1, k: Math.min(at.k, U() - 1) };
    words.set(model.get("text"));
    ui.paint();
    ui.ready();
  }
  ui.message((content) => { if (content.error) { cell.textContent = content.error; ui.say(content.error); } });
  ui.on("version", load);
  ui.on("layer head pairing", () => { pairs.set(model.get("pairing")); ui.paint(); });
  ui.onPaint(paint);
  load();
  return ui.dispose;
}
