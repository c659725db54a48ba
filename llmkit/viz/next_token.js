// --- the sampling maths, over every token of the vocabulary, in 32-bit steps like the
// library that its test compares it with. A saved page lists some 512 tokens and keeps
// the others as a few bands, each with its exact weight at every stop of the slider.
const f32 = Math.fround;
const NAMES = { repetition_penalty: "Repetition", temperature: "Temperature", top_k: "Top-k", top_p: "Top-p", min_p: "Min-p" };

// most likely first, by one native sort of (bits of the logit, index) in one number
function rank(z) {
  const n = z.length, bits = new Uint32Array(Float32Array.from(z).buffer), keys = new Float64Array(n);
  for (let i = 0; i < n; i++) keys[i] = ((bits[i] >>> 31 ? ~bits[i] : bits[i] | 0x80000000) >>> 0) * 262144 + i;
  keys.sort();
  const order = new Uint32Array(n), place = new Uint32Array(n);
  for (let r = 0; r < n; r++) place[order[r] = keys[n - 1 - r] % 262144] = r;
  return { order, place };
}

// weights at one temperature in that order, with running sums of weight, of weight times
// log weight (for the entropy) and of the number of tokens
function ladder(list, z, { order, place }, T) {
  const n = order.length, size = list.size, stop = list.grid.indexOf(T), t = f32(T);
  const w = new Float64Array(n), upto = new Float64Array(n + 1), heat = new Float64Array(n + 1), many = new Float64Array(n + 1);
  const top = f32(z[order[0]] / t);
  let live = 0;
  for (let r = 0; r < n; r++) {
    const i = order[r], band = i < size ? null : list.bands[i - size];
    const x = band ? band.lse[stop] - top : f32(f32(z[i] / t) - top), c = band ? band.n : 1;
    w[r] = f32(Math.exp(x));
    if (z[i] > -Infinity) live = r + 1;
    upto[r + 1] = upto[r] + w[r];
    heat[r + 1] = heat[r] + (w[r] ? w[r] * (x - Math.log(c)) : 0);
    many[r + 1] = many[r] + c;
  }
  return { z, t, order, place, w, upto, heat, many, live, size };
}

// the distribution over the first `kept` entries; of the last one (a band) perhaps a part
function stage(name, lad, kept, part = 1, before = null) {
  const { w, upto, heat, many, place } = lad;
  const sum = (a) => a[kept] - (1 - part) * (a[kept] - a[kept - 1]);
  const mass = sum(upto), share = before ? mass / before.mass : 1;
  return { name, lad, kept, part, mass, share,
    tokens: Math.round(sum(many)), bits: Math.max(0, (Math.log(mass) - sum(heat) / mass) / Math.LN2),
    about: lad.order[kept - 1] >= lad.size && (share < 1 || before?.about),
    p: (i) => (place[i] < kept ? (w[place[i]] * (place[i] === kept - 1 ? part : 1)) / mass : 0) };
}

// every stage in the order in which the filters act
function odds(list, s) {
  const penalty = (c) => {
    const now = list.z.slice();
    for (const i of list.context) now[i] = list.z[i] < 0 ? list.z[i] * c : list.z[i] / c;
    const order = rank(now);
    Object.assign(list, { now, rank: order, c, cold: ladder(list, now, order, 1) });
  };
  if (!list.raw) { penalty(1); list.raw = list.cold; }
  const c = f32(s.repetition_penalty);
  if (list.c !== c) penalty(c);
  const lad = s.temperature === 1 ? list.cold : ladder(list, list.now, list.rank, s.temperature);
  const { z, t, order, w, many, size } = lad, out = [];
  const level = (r) => f32(z[order[r]] / t), token = (r) => order[r] < size;
  const add = (...a) => out.push(stage(...a));
  add("model", list.raw, list.raw.live);
  add("repetition_penalty", list.cold, list.cold.live);
  add("temperature", lad, lad.live);
  let now = out[2], { kept, part } = now;
  const cut = (name) => { add(name, lad, kept, part, now); now = out[out.length - 1]; };
  if (s.top_k > 0) {
    let r = 0;
    while (r < kept && many[r] < s.top_k) r++;
    if (token(r - 1)) while (r < kept && token(r) && level(r) === level(r - 1)) r++;
    else part = Math.min(1, (s.top_k - many[r - 1]) / (many[r] - many[r - 1]));
    kept = r;
  }
  cut("top_k");
  if (s.top_p < 1) {
    const limit = f32(1 - s.top_p);
    let gone = 0;
    for (let r = kept - 1; r >= 0; r--) {
      const p = f32((w[r] * (r === now.kept - 1 ? now.part : 1)) / now.mass);
      kept = r + 1;
      gone += p;
      if (f32(gone) > limit || r === 0) {
        if (!token(r)) part = lm.clamp((gone - limit) / p, 1e-9, 1) * (kept === now.kept ? now.part : 1);
        else part = 1;
        break;
      }
    }
  }
  cut("top_p");
  if (s.min_p > 0) {
    const least = f32(f32(s.min_p) * f32(w[0] / now.mass));
    const each = (r) => f32(w[r] / (many[r + 1] - many[r]) / now.mass);
    while (kept > 1 && each(kept - 1) < least) { kept--; part = 1; }
  }
  cut("min_p");
  return out;
}

// numbers from a seed (mulberry32): the n-th number of a seed is always the same
function die(seed, n) {
  let a = (Math.imul(seed, 2654435761) + Math.imul(n + 1, 0x6D2B79F5)) | 0;
  a = Math.imul(a ^ (a >>> 15), a | 1);
  a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
  return ((a ^ (a >>> 14)) >>> 0) / 4294967296;
}
function draw(last, u) {
  const { upto, order } = last.lad, goal = u * last.mass;
  let low = 0, high = last.kept - 1;
  while (low < high) { const mid = (low + high) >> 1; if (upto[mid + 1] > goal) high = mid; else low = mid + 1; }
  return order[low];
}

function render({ model, el }) {
  const { h } = lm, live = model.get("live") && !model.get("_static");
  const ui = lm.mount(el, model, { label: "What comes next?", keys: [["↑ ↓", "choose a token in the list"],
    ["Enter", live ? "append it" : "select it"], ["R", "roll the dice"], ["U", "undo"]] });
  const get = (name) => model.get(name), grid = get("temperatures");
  let list = null, stages = [], counts = null, turn = 0, acts = 0, heard = "";
  const K = [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 512];
  const near = (stops, v) => stops.reduce((at, x, i) => (Math.abs(x - v) < Math.abs(stops[at] - v) ? i : at), 0);
  const label = (i) => (i < list.size ? get("vocab")[i] : "an unlisted token");
  const pct = (p) => (p > 0.9999 ? 100 : p < 1e-6 ? (p ? "<0.0001" : 0) : (100 * p).toPrecision(3)) + " %";
  const whole = (x) => x.toLocaleString("en-US");

  const area = h("textarea", { rows: 2, spellcheck: "false", dir: "auto", readonly: !live,
    oninput: () => ui.set({ text: area.value }) });
  const strip = h("div", { class: "nt-strip", dir: "auto" });
  const note = h("div", { class: "nt-note" });

  const knob = (key, text, max, step, from, show) => {
    const one = lm.slider(text, { min: max === 3 ? 1 : 0, max, step, value: 0, show: () => show(get("settings")[key]) },
      (v) => ui.set({ settings: { ...get("settings"), [key]: from ? from[v] : +v.toFixed(3) } }));
    return { node: one.node, set: () => one.set(from ? near(from, get("settings")[key]) : get("settings")[key]) };
  };
  const off = (none) => (v) => (v === none ? "off" : String(v));
  const knobs = [knob("temperature", "Temperature", grid.length - 1, 1, grid, String), knob("top_k", "Top-k", K.length - 1, 1, K, off(0)),
    knob("top_p", "Top-p", 1, 0.01, null, off(1)), knob("min_p", "Min-p", 1, 0.01, null, off(0)),
    knob("repetition_penalty", "Repetition penalty", 3, 0.05, null, off(1))];
  const reset = lm.button("Reset", () => ui.set({ settings: { temperature: 1, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 } }));

  let shown = "all";
  const tiles = lm.choice("Before and after which step", [["all"], ...Object.keys(NAMES).map((k) => [k])], "all", (v) => { shown = v; ui.paint(); });
  tiles.node.classList.add("nt-tiles");

  const size = lm.select("Show", [[10, "10 tokens"], [20, "20 tokens"], [40, "40 tokens"]], 10, () => ui.paint());
  const head = h("div", { class: "nt-row nt-head", "aria-hidden": "true" });
  const rows = h("div", { class: "nt-rows", role: "listbox", "aria-label": "Next tokens" });
  const rest = h("div", { class: "nt-rest" });
  const row = () => {
    const token = h("bdi", { class: "nt-token" }), was = h("i"), is = h("i", { class: "nt-after" });
    const a = h("span"), b = h("b"), n = h("span", { class: "nt-count" });
    const node = h("div", { class: "nt-row", tabindex: -1 }, token, h("span", { class: "nt-bars" }, was, is), a, b, n);
    return { node, fill(text, p, q, count, scale) {
      token.textContent = text;
      was.style.width = (100 * p) / scale + "%";
      is.style.width = (100 * q) / scale + "%";
      node.classList.toggle("nt-cut", p > 0 && q === 0);
      a.textContent = pct(p);
      b.textContent = p > 0 && q === 0 ? "cut" : pct(q);
      n.textContent = counts ? "×" + (count || 0) : "";
    } };
  };
  const pool = [], more = row(), gone = row();
  rest.append(more.node, gone.node);
  const grow = (n) => {
    while (pool.length < n) {
      const one = row();
      one.node.setAttribute("role", "option");
      one.node.addEventListener("click", () => take(one.index, "clicked"));
      one.node.addEventListener("focus", () => choose(one));
      pool.push(one);
      rows.append(one.node);
    }
  };
  const choose = ({ index, p, q }) => {
    if (get("selection").id === list.id(index)) return;
    ui.set({ selection: { id: list.id(index), token: label(index), before: p, after: q } });
    ui.say(spoken(index, p, q));
  };
  const spoken = (i, a, b) => `${label(i)}, ${pct(a)} before, ${b ? pct(b) + " after" : "cut"}`;
  const act = (what) => { if (live) ui.set({ action: { ...what, at: Date.now() + ++acts / 1e4 } }); };
  const take = (i, how) => {
    const last = stages[5];
    ui.say(`${how === "rolled" ? "The dice say" : "Chosen"}: ${label(i)}, ${pct(last.p(i))}`);
    if (live) act({ do: "append", id: list.id(i), how });
    else choose({ index: i, p: stages[0].p(i), q: last.p(i) });
  };
  const cast = () => {
    const n = get("rolls");
    model.set("rolls", n + 1);
    return draw(stages[5], die(get("seed"), n));
  };
  const roll = () => { if (stages.length) take(cast(), "rolled"); };
  const many = () => {
    if (!stages.length) return;
    counts = new Map();
    for (let k = 0; k < 100; k++) {
      const i = cast();
      counts.set(i, (counts.get(i) || 0) + 1);
    }
    model.save_changes();
    ui.say(`100 rolls: ${[...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([i, c]) => `${label(i)} ${c} times`).join(", ")}`);
    ui.paint();
  };
  const move = (by) => () => {
    const seen = pool.filter((x) => !x.node.hidden), at = seen.findIndex((x) => !x.node.tabIndex);
    const next = seen[lm.clamp(at + by, 0, seen.length - 1)];
    pool.forEach((x) => { x.node.tabIndex = x === next ? 0 : -1; });
    next.node.focus();
  };
  const undo = () => act({ do: "undo" });
  const enter = (event) => event.target.click();
  lm.keys(rows, { ArrowDown: move(1), ArrowUp: move(-1), Home: move(-99), End: move(99), Enter: enter, " ": enter, r: roll, R: roll, u: undo, U: undo });

  const seed = h("input", { type: "number", min: 0, max: 999999, step: 1, class: "nt-seed",
    onchange: () => ui.set({ seed: Math.max(0, Math.floor(+seed.value) || 0), rolls: 0 }) });
  const back = lm.button("Undo", undo), again = lm.button("Redo", () => act({ do: "redo" })), trail = h("span", { class: "nt-trail", dir: "auto" });

  ui.body.append(lm.field("Text", area), strip, note,
    h("div", { class: "nt-main" },
      h("div", { class: "nt-knobs" }, knobs.map((k) => k.node), h("div", { class: "lm-bar" }, reset, size.node)),
      h("div", { class: "nt-list" }, head, rows, rest)),
    tiles.node,
    h("div", { class: "lm-bar" }, lm.button(live ? "Roll the dice and append" : "Roll the dice", roll), lm.button("Roll 100 times", many),
      lm.field("Seed", seed), live ? [back, again] : null), trail);
  ui.body.classList.add("nt-body");

  const tile = (s) => (s ? [`${s.about ? "≈ " : ""}${whole(s.tokens)} token${s.tokens === 1 ? "" : "s"}`,
    `${s.bits.toFixed(2)} bits`, s.share < 1 ? `keeps ${pct(s.share)}` : ""] : ["off"]).map((x) => h("span", {}, x));
  const paint = () => {
    const s = get("settings");
    const empty = !list || !list.size;
    knobs.forEach((k) => k.set());
    for (const part of [rows, rest, head, tiles.node]) part.hidden = empty;
    const start = performance.now();
    stages = empty ? [] : odds(list, s);
    note.textContent = [get("frame").note, stages[5]?.about && "≈ close, not exact: a cut beyond the tokens this page stores.",
      !live && "Fixed text; the knobs work."].filter(Boolean).join(" ");
    if (empty) return;
    const last = stages[5], at = stages.findIndex((x) => x.name === shown);
    const before = at > 0 ? stages[at - 1] : stages[0], after = at > 0 ? stages[at] : last;
    tiles.buttons.forEach((b, i) => {
      const one = stages[i], value = s[one.name], on = !i || i === 2 || value !== (one.name === "top_k" || one.name === "min_p" ? 0 : 1);
      b.replaceChildren(h("b", {}, i ? NAMES[one.name] + (on ? " " + value : "") : "All steps"), ...tile(on && (i ? one : last)));
    });
    const n = Math.min(+size.input.value, list.size), order = before.lad.order, top = [];
    for (let r = 0; top.length < n && r < order.length; r++) if (order[r] < list.size) top.push(order[r]);
    const picked = get("selection").id ?? -1, extra = list.index(picked);
    if (extra >= 0 && !top.includes(extra)) top.push(extra);
    grow(top.length);
    let p = 0, q = 0, cut = 0, hits = 0;
    const pairs = top.map((i) => {
      const a = before.p(i), b = after.p(i);
      p += a; q += b; cut += b === 0 && a > 0 ? a : 0; hits += counts?.get(i) || 0;
      return [i, a, b];
    });
    // what the cuts dropped among the tokens that are not listed one by one
    const kept = after.tokens - pairs.filter((x) => x[2]).length;
    let lost = -cut;
    for (const i of order) if (!after.p(i)) lost += before.p(i);
    if (after.part < 1) lost += before.p(after.lad.order[after.kept - 1]) * (1 - after.part / before.part);
    if (lost < 1e-12) lost = 0;
    const kin = Math.max(0, 1 - p - lost), kout = Math.max(0, 1 - q);
    const scale = Math.max(1e-9, ...pairs.flatMap((x) => x.slice(1)), kept > 0 && kin, kept > 0 && kout, lost);
    pool.forEach((one, k) => {
      one.node.hidden = k >= pairs.length;
      if (one.node.hidden) return;
      const [i, a, b] = pairs[k];
      Object.assign(one, { index: i, p: a, q: b });
      one.fill(lm.clip(label(i), 22), a, b, counts?.get(i), scale);
      one.node.title = `${label(i)} · id ${list.id(i)}`;
      one.node.setAttribute("aria-label", spoken(i, a, b));
      one.node.setAttribute("aria-selected", list.id(i) === picked);
    });
    if (!pool.some((x) => !x.node.tabIndex && !x.node.hidden)) pool[0].node.tabIndex = 0;
    const dropped = before.tokens - after.tokens - pairs.filter((x) => x[1] && !x[2]).length;
    more.node.hidden = kept <= 0;
    more.fill(`${whole(kept)} more`, kin, kout, 100 - hits, scale);
    gone.node.hidden = dropped <= 0;
    gone.fill(`${whole(dropped)} dropped`, lost || 1e-12, 0, 0, scale);
    head.replaceChildren(...["token", "probability", at > 0 ? "before" : "model", "after", counts && "of 100"].map((x) => h("span", {}, x)));
    const now = `kept ${whole(last.tokens)} of ${whole(stages[0].tokens)} tokens, ${last.bits.toFixed(2)} bits`;
    if (heard && heard !== now) ui.say(now);
    heard = now;
    ui.root.dataset.ms = (performance.now() - start).toFixed(2);
  };
  const words = () => {
    const { tokens, ids } = get("frame"), long = tokens.length > 80;
    strip.replaceChildren(long ? "… " : "", ...tokens.slice(-80).map((t, i) => h("bdi", { title: "id " + ids.slice(-80)[i] }, t)));
    if (area.value !== get("text")) area.value = get("text");
    seed.value = get("seed");
    trail.replaceChildren(...get("history").slice(-12).flatMap((x) => [" → ", h("bdi", {}, x.token), ` ${pct(x.p)} ${x.how}`]));
    back.disabled = !get("can").undo;
    again.disabled = !get("can").redo;
  };
  const load = async () => {
    const frame = get("frame"), mine = ++turn, bands = frame.bands || [];
    const z = await lm.floats(frame.logits), own = frame.listed && new Uint32Array((await lm.floats(frame.listed)).buffer);
    if (mine !== turn) return;
    const all = new Float32Array(z.length + bands.length);
    all.set(z);
    bands.forEach((b, k) => { all[z.length + k] = b.at; });
    const index = (id) => (own ? own.indexOf(id) : id < z.length ? id : -1);
    list = { z: all, size: z.length, bands, grid, index, id: (i) => (own ? own[i] ?? -1 : i),
      context: frame.ids.map(index).filter((i) => i >= 0) };
    counts = null;
    words();
    ui.paint();
    ui.ready();
  };
  ui.on("frame", load);
  ui.on("text seed history can", words);
  ui.on("settings", () => { counts = null; ui.paint(); });
  ui.on("selection", ui.paint);
  ui.onPaint(paint);
  load();
  return ui.dispose;
}
