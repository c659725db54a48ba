// What-if attention: the heat map of one head, computed here from its queries, keys and
// values, so that every slider answers at once. What the rest of the model makes of the
// change arrives from the kernel a moment later, if there is one.

// softmax(q k' / divisor / temperature) v, one row of numbers after another
function attend({ q, k, v, mask, n, d, dv, divisor, temperature, silent }) {
  const scores = new Float64Array(n * n), weights = new Float64Array(n * n);
  const out = new Float64Array(n * dv);
  for (let i = 0; i < n; i++) {
    let top = -Infinity, sum = 0;
    for (let j = 0; j < n; j++) {
      let dot = 0;
      for (let c = 0; c < d; c++) dot += q[i * d + c] * k[j * d + c];
      scores[i * n + j] = dot;
      if (mask[i * n + j]) top = Math.max(top, dot / divisor / temperature);
    }
    for (let j = 0; j < n; j++) {
      if (!mask[i * n + j]) continue;
      // less the largest first: the same result, and nothing overflows
      const e = Math.exp(scores[i * n + j] / divisor / temperature - top);
      weights[i * n + j] = e;
      sum += e;
    }
    for (let j = 0; j < n; j++) {
      if (sum > 0) weights[i * n + j] /= sum;
      if (silent) continue;
      for (let c = 0; c < dv; c++) out[i * dv + c] += weights[i * n + j] * v[j * dv + c];
    }
  }
  return { scores, weights, out };
}

function cosine(a, b, row, width) {
  let dot = 0, aa = 0, bb = 0;
  for (let c = row * width; c < (row + 1) * width; c++) {
    dot += a[c] * b[c];
    aa += a[c] * a[c];
    bb += b[c] * b[c];
  }
  return aa && bb ? dot / Math.sqrt(aa * bb) : null;
}

// rows in another order; a square table also in columns
const reorder = (rows, order, width) => {
  const out = new Float32Array(rows.length);
  order.forEach((from, to) => out.set(rows.subarray(from * width, (from + 1) * width), to * width));
  return out;
};
const reorderBoth = (table, order) => {
  const n = order.length;
  return Float32Array.from({ length: n * n }, (_, x) => table[order[Math.floor(x / n)] * n + order[x % n]]);
};

// cut the bytes from Python into q, k, v, mask of now and of before
function unpack(all, n, d, dv) {
  const sizes = [n * d, n * d, n * dv, n * n];
  let at = 0;
  const take = () => {
    const [q, k, v, mask] = sizes.map((size) => all.subarray(at, (at += size)));
    return { q, k, v, mask };
  };
  return [take(), take()];
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const ui = lm.mount(el, model, {
    label: get("title"),
    keys: [["arrows", "move from cell to cell"], ["Enter or Space", "hide or show the cell"],
      ["Home, End", "first or last key of the row"], ["r", "undo every change"]],
  });
  const live = () => get("live") && !get("_static");
  let n = 0, d = 1, dv = 1, now = null, before = null, parts = null, labels = [], seen = [0, 0];

  // --- controls ------------------------------------------------------------------
  const set = (changes) => { ui.set(changes); compute(); };
  const text = lm.text("Sentence", get("text"), (x) => ui.set({ text: x }), { size: 46 });
  const count = (size) => Array.from({ length: size }, (_, i) => [i, String(i)]);
  const layer = lm.select("Layer", count(get("n_layers")), get("layer"), (x) => ui.set({ layer: +x }));
  const head = lm.select("Head", count(get("n_heads")), get("head"), (x) => ui.set({ head: +x }));
  const scope = lm.select("Change", [["head", "this head"], ["layer", "all heads of the layer"], ["all", "every layer"]],
    get("scope"), (x) => set({ scope: x }));
  const most = () => Math.max(d, 4);
  const toDivisor = (x) => most() ** x;
  const divisor = lm.slider("Divide the scores by", { min: 0, max: 1, step: "any", value: 0,
    show: (x) => lm.fmt(toDivisor(x), 2) }, (x) => set({ divisor: toDivisor(x) }));
  const root = lm.button("√d", () => set({ divisor: Math.sqrt(d) }), { "aria-label": "divide by the square root of d" });
  const heat = lm.slider("Softmax temperature", { min: -1, max: 1, step: 0.01, value: 0,
    show: (x) => lm.fmt(10 ** x, 2) }, (x) => set({ temperature: 10 ** x }));
  const masks = lm.select("Mask", [["own", get("live") ? "the model's own" : "as given"], ["causal", "nobody sees the future"], ["self", "nobody sees itself"]],
    get("mask"), (x) => set({ mask: x }));
  const silent = lm.toggle("Drop this head", get("silent"), (x) => set({ silent: x }));
  const swapA = lm.select("Swap", [], 0, () => {}), swapB = lm.select("with", [], 1, () => {});
  const swap = lm.button("Swap", () => {
    const pair = [+swapA.input.value, +swapB.input.value];
    const same = String(get("swap")) === String(pair);
    set({ swap: same || pair[0] === pair[1] ? [] : pair, hidden: [] });
  });
  const reset = lm.button("Undo every change", () => set({ hidden: [], mask: "own", divisor: Math.sqrt(d),
    temperature: 1, silent: false, swap: [] }));
  const bars = [[text.node], [layer.node, head.node, scope.node, silent.node],
    [divisor.node, root, heat.node], [masks.node, swapA.node, swapB.node, swap, reset]]
    .map((kids) => lm.h("div", { class: "lm-bar" }, kids));
  const canvas = lm.h("canvas", { tabindex: 0, role: "application", class: "wi-map",
    "aria-label": "Attention weights, queries in rows, keys in columns" });
  const side = lm.h("div", { class: "wi-side" });
  const note = lm.h("div", { class: "lm-muted" });
  ui.body.append(...bars, note, lm.h("div", { class: "wi-main" }, lm.h("div", { class: "wi-scroll" }, canvas), side));

  // --- numbers -------------------------------------------------------------------
  const order = () => {
    const list = [...Array(n).keys()], [a, b] = get("swap");
    if (!get("live") && get("swap").length) [list[a], list[b]] = [list[b], list[a]];
    return list;
  };
  const masked = (own) => {
    const out = Float32Array.from(own), kind = get("mask");
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) if ((kind === "causal" && j > i) || (kind === "self" && j === i)) out[i * n + j] = 0;
    }
    for (const [i, j] of get("hidden")) if (i < n && j < n) out[i * n + j] = 0;
    return out;
  };
  function compute() {
    if (!parts) return;
    const list = order(), [a, b] = parts, size = { n, d, dv };
    const turn = (p) => ({ q: reorder(p.q, list, d), k: reorder(p.k, list, d), v: reorder(p.v, list, dv) });
    labels = list.map((i) => get("tokens")[i]);
    const mask = masked(a.mask);
    now = attend({ ...size, ...turn(a), mask, divisor: get("divisor"),
      temperature: get("temperature"), silent: get("silent") });
    now.mask = mask;
    before = attend({ ...size, ...turn(b), mask: reorderBoth(b.mask, list), divisor: Math.sqrt(d), temperature: 1 });
    controls();
    ui.paint();
  }
  const untouched = () => !get("hidden").length && !get("swap").length && !get("silent") && get("mask") === "own"
    && Math.abs(get("temperature") - 1) < 1e-9 && Math.abs(get("divisor") / Math.sqrt(d) - 1) < 1e-9;
  function controls() {
    const frozen = !live();
    for (const c of [text, layer, head, scope]) c.node.hidden = frozen;
    for (const c of [swapA.node, swapB.node, swap]) c.hidden = get("live") && frozen;
    silent.node.hidden = frozen && !get("silent");
    text.set(get("text"));
    layer.set(get("layer"));
    head.set(get("head"));
    scope.set(get("scope"));
    divisor.set(Math.log(get("divisor")) / Math.log(most()));
    heat.set(Math.log10(get("temperature")));
    masks.set(get("mask"));
    silent.set(get("silent"));
    const words = (live() ? get("words") : get("tokens")).map((w, i) => [i, w]);
    if (swapA.input.options.length !== words.length || swapA.words !== words.join()) {
      swapA.words = words.join();
      swapA.fill(words, get("swap")[0] ?? Math.max(0, Math.min(3, words.length - 2)));
      swapB.fill(words, get("swap")[1] ?? words.length - 1);
    }
    note.textContent = get("note");
    note.hidden = !get("note");
    reset.disabled = untouched();
  }
  async function receive() {
    const all = await lm.floats(get("numbers"));
    [n, d, dv] = get("sizes");
    parts = unpack(all, n, d, dv);
    seen = seen.map((x) => lm.clamp(x, 0, Math.max(n - 1, 0)));
    compute();
    ui.ready();
  }

  // --- the heat map --------------------------------------------------------------
  let cell = 30, left = 90, top = 80;
  const changed = (i) => {
    let most = 0;
    for (let j = 0; j < n; j++) most = Math.max(most, Math.abs(now.weights[i * n + j] - before.weights[i * n + j]));
    return most;
  };
  function paintMap(theme) {
    if (!now) return;
    cell = lm.clamp(Math.floor(400 / Math.max(n, 1)), 20, 44);
    const inner = n * cell, columns = get("outcome").final ? 2 : 1;
    const font = "12px system-ui, 'DejaVu Sans', sans-serif";
    const measure = canvas.getContext("2d");
    measure.font = font;
    const wide = Math.min(90, Math.max(0, ...labels.map((x) => measure.measureText(lm.clip(x, 11)).width)));
    left = wide + 18;
    top = Math.max(34, wide * 0.75 + 14);
    // the last slanted label leans over the column beside the map
    const beside = left + inner + 16 + Math.max(0, wide * 0.75 - cell / 2);
    const ctx = lm.fit(canvas, beside + columns * 66, top + inner + 6);
    ctx.font = font;
    ctx.textBaseline = "middle";
    for (let i = 0; i < n; i++) {
      const y = top + i * cell, mid = y + cell / 2, much = changed(i) > 0.0005;
      ctx.fillStyle = i === seen[0] ? theme.accent : theme.fg;
      ctx.textAlign = "right";
      ctx.fillText(lm.clip(labels[i], 11), left - 12, mid, left - 16);
      ctx.save();
      ctx.translate(left + i * cell + cell / 2, top - 6);
      ctx.rotate(-Math.PI / 4);
      ctx.textAlign = "left";
      ctx.fillStyle = i === seen[1] ? theme.accent : theme.fg;
      ctx.fillText(lm.clip(labels[i], 11), 0, 0, 90);
      ctx.restore();
      for (let j = 0; j < n; j++) paintCell(ctx, theme, i, j, left + j * cell, y);
      if (much) {
        ctx.fillStyle = theme.mark;
        ctx.fillRect(left - 8, y + 2, 4, cell - 4);
      }
      ctx.textAlign = "left";
      ctx.fillStyle = much ? theme.mark : theme.muted;
      const cos = get("silent") ? "dropped" : lm.fmt(cosine(now.out, before.out, i, dv), 2);
      ctx.fillText(cos, beside, mid);
      if (columns > 1) ctx.fillText(lm.fmt(get("outcome").final[i], 2), beside + 62, mid);
    }
    ctx.fillStyle = theme.muted;
    ctx.textAlign = "left";
    ctx.fillText("output", beside, top - 24);
    ctx.fillText("cosine", beside, top - 9);
    if (columns > 1) {
      ctx.fillText("last layer", beside + 62, top - 24);
      ctx.fillText("cosine", beside + 62, top - 9);
    }
    ctx.strokeStyle = theme.mark;
    ctx.lineWidth = 2;
    ctx.strokeRect(left + seen[1] * cell + 1, top + seen[0] * cell + 1, cell - 2, cell - 2);
    ctx.strokeStyle = theme.accent;
    ctx.lineWidth = 1;
    ctx.strokeRect(left - 0.5, top + seen[0] * cell + 0.5, inner, cell - 1);
  }
  const isHidden = (i, j) => !now.mask[i * n + j];
  function paintCell(ctx, theme, i, j, x, y) {
    const w = now.weights[i * n + j], colour = theme.ramp[Math.round(Math.sqrt(w) * 255)];
    ctx.fillStyle = lm.rgb(colour);
    ctx.fillRect(x, y, cell - 1, cell - 1);
    ctx.textAlign = "center";
    if (isHidden(i, j)) {
      ctx.fillStyle = theme.panel;
      ctx.fillRect(x, y, cell - 1, cell - 1);
      ctx.fillStyle = theme.muted;
      ctx.fillText("×", x + cell / 2, y + cell / 2);
    } else if (cell >= 30) {
      ctx.fillStyle = lm.ink(colour);
      ctx.fillText(w.toFixed(2).replace(/^0/, ""), x + cell / 2, y + cell / 2);
    }
  }

  // --- beside it: the sum behind the selected row, and what the model makes of it ---
  function paintSide() {
    if (!now) return;
    const [i] = seen, rows = [];
    for (let j = 0; j < n; j++) {
      const at = i * n + j, w = now.weights[at], open = !isHidden(i, j);
      const scaled = now.scores[at] / get("divisor") / get("temperature");
      rows.push([j, labels[j], lm.fmt(now.scores[at], 2), open ? lm.fmt(scaled, 2) : "hidden", lm.fmt(w, 3),
        lm.fmt(before.weights[at], 3)]);
    }
    const shown = rows.length > 14
      ? rows.sort((a, b) => now.weights[i * n + b[0]] - now.weights[i * n + a[0]]).slice(0, 14) : rows;
    const heated = get("temperature") === 1 ? "" : ` ÷ ${lm.fmt(get("temperature"), 2)}`;
    const divide = `÷ ${lm.fmt(get("divisor"), 2)}${heated}`;
    side.replaceChildren(
      lm.h("div", { class: "wi-head" }, `Row “${labels[i]}”: where does it look?`),
      lm.rows(["key", "q · k", divide, "weight", "before"], shown.map((r) => r.slice(1))),
      ...outcome());
  }
  function outcome() {
    const o = get("outcome");
    if (!get("live")) return [];
    if (!live()) {
      return [lm.h("p", { class: "lm-muted" }, "Run the cell: then the rest of the model follows every change.")];
    }
    const out = [];
    if (o.vector != null) {
      out.push(lm.h("p", {}, "The sentence's vector (mean of the last layer): cosine with the original ",
        lm.h("b", {}, lm.fmt(o.vector, 4))));
    }
    if (o.loss) {
      out.push(lm.h("p", {}, "Loss on this sentence: ", lm.h("b", {}, lm.fmt(o.loss[1], 3)),
        ` nats per token (before ${lm.fmt(o.loss[0], 3)})`));
    }
    if (o.next) {
      const full = 100 / Math.max(...o.next.flatMap((row) => row.slice(1)));
      const bar = (p, name) => lm.h("span", { class: "wi-bar " + name, style: `width:${Math.round(p * full)}px` });
      out.push(lm.h("div", { class: "wi-head" }, "The next token"), lm.h("div", { class: "wi-next" },
        o.next.flatMap(([label, p0, p1]) => [lm.h("span", { dir: "auto" }, lm.clip(label, 12)),
          lm.h("span", {}, bar(p1, "now"), bar(p0, "old")),
          lm.h("span", {}, `${lm.percent(p1)} (before ${lm.percent(p0)})`)])));
    }
    return out;
  }

  // --- pointing --------------------------------------------------------------------
  function point(i, j, tell = true) {
    if (!now || i < 0 || j < 0 || i >= n || j >= n) return;
    const at = i * n + j;
    seen = [i, j];
    const w = now.weights[at], old = before.weights[at];
    ui.set({ selection: { query: i, key: j, tokens: [labels[i], labels[j]], weight: w, before: old,
      score: now.scores[at] } });
    if (tell) {
      ui.say(`${labels[i]} to ${labels[j]}: ${isHidden(i, j) ? "hidden" : "weight " + lm.fmt(w, 3)}, before ${lm.fmt(old, 3)}`);
    }
    ui.paint();
  }
  function toggle(i, j) {
    const left = get("hidden").filter(([a, b]) => a !== i || b !== j);
    const was = left.length < get("hidden").length;
    if (!was && isHidden(i, j)) return ui.say("This cell is hidden by the mask itself.");
    set({ hidden: was ? left : [...left, [i, j]] });
    point(i, j);
  }
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top - top) / cell), Math.floor((event.clientX - box.left - left) / cell)];
  };
  const inside = ([i, j]) => i >= 0 && j >= 0 && i < n && j < n;
  canvas.addEventListener("click", (event) => {
    const at = cellAt(event);
    if (inside(at)) toggle(...at);
    else if (at[0] >= 0 && at[0] < n) point(at[0], seen[1]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = cellAt(event);
    if (inside(at) && String(at) !== String(seen)) point(...at, false);
  });
  const move = (di, dj) => () => point(lm.clamp(seen[0] + di, 0, n - 1), lm.clamp(seen[1] + dj, 0, n - 1));
  lm.keys(canvas, { ArrowUp: move(-1, 0), ArrowDown: move(1, 0), ArrowLeft: move(0, -1), ArrowRight: move(0, 1),
    Home: move(0, -1e6), End: move(0, 1e6), Enter: () => toggle(...seen), " ": () => toggle(...seen),
    r: () => reset.click() });

  ui.onPaint((theme) => { paintMap(theme); paintSide(); });
  ui.on("numbers", receive);
  ui.on("divisor temperature hidden mask silent swap scope layer head", compute);
  ui.on("outcome note words", () => { controls(); ui.paint(); });
  ui.on("selection", () => {
    const { query = seen[0], key = seen[1] } = get("selection");
    if (query !== seen[0] || key !== seen[1]) { seen = [query, key]; ui.paint(); }
  });
  const { query = 0, key = 0 } = get("selection");
  seen = [query, key];
  receive();
  return ui.dispose;
}
