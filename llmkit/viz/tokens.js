// --- byte-level BPE as in llmkit/tokenizers: the same words, merges and order. A test
// holds both equal. A page without a kernel tokenizes with it, and the replay uses it.
const SPACES = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const NEVER = Infinity;

// JavaScript's \s differs from Unicode's White_Space in two characters
function wordPattern(source) {
  let inside = false, out = "";
  for (let i = 0; i < source.length; i++) {
    const two = source.slice(i, i + 2);
    if (two === "\\s") out += inside ? SPACES : `[${SPACES}]`;
    else if (two === "\\S" && !inside) out += `[^${SPACES}]`;
    else if (source[i] === "\\") out += two;
    else {
      if (source[i] === "[") inside = true;
      else if (source[i] === "]") inside = false;
      out += source[i];
      continue;
    }
    i++;
  }
  try { return new RegExp(out, "gu"); } catch { return null; }
}

// rules: { pattern, byteIds (256), merges (left, right, new for each rank), specials }
function bpe({ pattern, byteIds, merges, specials }) {
  const finder = wordPattern(pattern), utf8 = new TextEncoder(), ranks = new Map(), cache = new Map();
  const key = (a, b) => a * 0x100000 + b;
  for (let r = 0; r < merges.length; r += 3) ranks.set(key(merges[r], merges[r + 1]), r / 3);
  const rank = (a, b) => (b === undefined ? NEVER : ranks.get(key(a, b)) ?? NEVER);
  // the bytes behind each token
  const bytes = new Map([...byteIds].map((id, b) => [id, [b]]));
  for (let r = 0; r < merges.length; r += 3) bytes.set(merges[r + 2], [...bytes.get(merges[r]), ...bytes.get(merges[r + 1])]);
  for (const [text, id] of specials) bytes.set(id, [...utf8.encode(text)]);
  const names = new Map(specials), escape = (s) => s.replace(/[\\^$.*+?()[\]{}|\-/]/g, "\\$&");
  const whole = specials.length && new RegExp(`(${[...names.keys()].sort((a, b) => b.length - a.length).map(escape).join("|")})`, "u");

  // lowest rank first, leftmost of equals; `log` collects the ranks that were used
  const merge = (word, limit, log) => {
    let p = Array.from(utf8.encode(word), (b) => byteIds[b]);
    let k = p.map((id, i) => rank(id, p[i + 1]));
    for (;;) {
      const best = k.reduce((a, b) => (b < a ? b : a), NEVER);
      if (best >= limit || best === NEVER) return p;
      log?.push(best);
      const q = [], qk = [], made = merges[3 * best + 2];
      let i = 0, stop = false;
      while (i < p.length) {
        if (stop || k[i] !== best) {
          q.push(p[i]); qk.push(k[i]); i++;
          continue;
        }
        i += 2;
        if (q.length) qk[q.length - 1] = rank(q[q.length - 1], made);
        q.push(made); qk.push(rank(made, p[i]));
        // a token with two origins can stand before a merge of lower rank: that goes first
        stop = qk[q.length - 1] < best || (q.length > 1 && qk[q.length - 2] < best);
      }
      p = q; k = qk;
    }
  };
  const word = (w, limit) => {
    if (limit !== NEVER) return merge(w, limit);
    let ids = cache.get(w);
    if (!ids) cache.set(w, ids = merge(w, limit));
    return ids;
  };
  const words = (text) => (whole ? text.split(whole) : [text]).flatMap((part, n) => (n % 2 ? [part] : part.match(finder) || []));
  // ids, and where each token begins and ends, in code points
  const encode = (text, limit = NEVER) => {
    const ids = [], spans = [], seen = new Map();
    let at = 0;
    for (const w of words(text)) {
      const length = /^[\0-\x7f]*$/.test(w) ? w.length : Array.from(w).length;
      if (names.has(w)) {
        ids.push(names.get(w)); spans.push(at, at + length); at += length;
        continue;
      }
      let cut = seen.get(w);
      if (!cut) seen.set(w, cut = word(w, limit));
      const owner = length === w.length && utf8.encode(w).length === length ? null
        : Array.from(w).flatMap((c, n) => Array(utf8.encode(c).length).fill(n));
      let b = 0;
      for (const id of cut) {
        const e = b + bytes.get(id).length;
        ids.push(id);
        if (owner) spans.push(at + owner[b], at + owner[e - 1] + 1); else spans.push(at + b, at + e);
        b = e;
      }
      at += length;
    }
    return { ids, spans };
  };
  // the merges that change a text, in order of rank
  const steps = (text) => {
    const used = new Set();
    for (const w of new Set(words(text))) if (!names.has(w)) { const log = []; merge(w, NEVER, log); log.forEach((r) => used.add(r)); }
    return [...used].sort((a, b) => a - b);
  };
  return { ok: finder !== null, encode, steps, words, merge, rank, merges, bytes: (id) => bytes.get(id), names };
}

// every sign that prints nothing gets one that does; the same in labels.py
const SIGNS = { " ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽" };
function seen(text) {
  return text && text.replace(/[ \n\t\r\u00a0]/g, (c) => SIGNS[c])
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (c) => (c === "\u200d" || c === "\u200c" ? c : `<U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`));
}
const utf8Text = (list) => { try { return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(list)); } catch { return null; } };
const hex = (list) => list.map((b) => b.toString(16).padStart(2, "0")).join(" ");

function render({ model, el }) {
  const { h } = lm, get = (name) => model.get(name);
  const ui = lm.mount(el, model, { label: "Tokenizer playground", keys: [["← →", "previous, next token"],
    ["↑ ↓", "ten tokens back, on"], ["Home End", "first, last token"], ["Enter", "pin the token: why this split?"], ["Esc", "let it go"]] });
  const about = get("tokenizers"), still = get("_static"), LINE = 25, FONT = '14px ui-monospace, "DejaVu Sans Mono", monospace';
  const spaces = lm.toggle("show spaces", true, () => relayout());
  const area = h("textarea", { rows: 3, spellcheck: "false", dir: "auto", class: "tk-text" });
  const panels = [], engines = [];
  let chars = [], edge = null, hover = null, last = "";
  const pinned = () => get("selection");

  // --- one strip of tokens: a canvas as high as what can be seen of it
  const panel = (info, n) => {
    const canvas = h("canvas", { "aria-hidden": "true" }), room = h("div", { class: "tk-room" }, canvas);
    const view = h("div", { class: "tk-strip", tabindex: 0, role: "group" }, room);
    const head = h("div", { class: "tk-head" }), one = { n, info, view, canvas, head, boxes: [], ids: [], spans: [], at: 0, names: {} };
    one.node = h("div", { class: "tk-panel" }, head, view);
    view.addEventListener("scroll", () => draw(one));
    view.addEventListener("pointermove", (event) => point(one, hit(one, event)));
    view.addEventListener("pointerleave", () => point(null, -1));
    view.addEventListener("click", (event) => { const i = hit(one, event); if (i >= 0) pin(one, i); });
    const go = (to) => () => { if (one.ids.length) { one.at = lm.clamp(to(), 0, one.ids.length - 1); point(one, one.at, true); } };
    const by = (d) => go(() => one.at + d);
    lm.keys(view, { ArrowRight: by(1), ArrowLeft: by(-1), ArrowDown: by(10), ArrowUp: by(-10), Home: go(() => 0),
      End: go(() => one.ids.length - 1), Enter: () => pin(one, one.at), " ": () => pin(one, one.at), Escape: () => ui.set({ selection: {} }) });
    return one;
  };
  const label = (one, i) => {
    const id = one.ids[i], name = one.names[id];
    if (name) return name[0];
    const list = engines[one.n].bytes(id), text = utf8Text(list);
    return text === null ? list.map((b) => `<${hex([b]).toUpperCase()}>`).join("") : seen(text) || "∅";
  };
  const bytesOf = (one, i) => one.names[one.ids[i]]?.[1] ?? hex(engines[one.n].bytes(one.ids[i]));
  const slice = (a, b) => chars.slice(a, b).join("");
  // tokens that share a letter or an emoji stand in one box, so that it is never cut
  const group = (one) => {
    const { ids, spans, info } = one, out = [];
    for (let i = 0; i < ids.length; i++) {
      let j = i, end = spans[2 * i + 1];
      if (info.pieces === "text") while (j + 1 < ids.length && spans[2 * j + 2] <= end && (spans[2 * j + 2] < end || !edge[end])) end = Math.max(end, spans[2 * ++j + 1]);
      const start = spans[2 * i], raw = info.pieces === "text" ? slice(start, end) : null;
      const text = raw ? (spaces.input.checked ? seen(raw) : raw.replace(/[\n\r\t]/g, " ")) : label(one, i);
      out.push({ i, j, text: lm.clip(text, 60), newline: (raw ?? text).endsWith(raw ? "\n" : "⏎") });
      i = j;
    }
    return out;
  };
  const widths = new Map();
  const layout = (one) => {
    const ctx = one.canvas.getContext("2d"), wide = one.width = Math.max(120, one.view.clientWidth - 2);
    ctx.font = FONT;
    let x = 4, y = 0;
    for (const box of one.boxes) {
      let w = widths.get(box.text);
      if (w === undefined) widths.set(box.text, w = ctx.measureText(box.text).width + 5);
      if (box.j > box.i) w = Math.max(w, 9 * (box.j - box.i + 1));
      if (x + w > wide - 4 && x > 4) { x = 4; y++; }
      Object.assign(box, { x, y, w: Math.min(w, wide - 8) });
      x += w + 2;
      if (box.newline) { x = 4; y++; }
    }
    const high = (y + 1) * LINE + 6;
    one.view.firstChild.style.height = high + "px";
    one.high = Math.min(high, 210);
    one.view.style.height = one.high + 2 + "px";
    one.owner = one.boxes.flatMap((box, b) => Array(box.j - box.i + 1).fill(b));
  };
  const mix = (colour, part) => {
    const c = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)), back = [1, 3, 5].map((k) => parseInt(ui.theme.bg.slice(k, k + 2), 16));
    return lm.rgb(c.map((v, k) => Math.round(v * part + back[k] * (1 - part))));
  };
  const draw = (one) => {
    const theme = ui.theme, top = one.view.scrollTop, ctx = lm.fit(one.canvas, one.width, one.high), part = theme.name === "dark" ? 0.42 : 0.3;
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    const tints = lm.palette.slice(0, 6).map((c) => mix(c, part));
    const now = hover || (pinned().start != null && pinned()), same = now && now.n === one.n ? now.id : null;
    for (const box of one.boxes) {
      const y = box.y * LINE + 4 - top;
      if (y < -LINE || y > one.high) continue;
      const k = box.j - box.i + 1, w = box.w / k;
      for (let i = box.i; i <= box.j; i++) {
        const x = box.x + (i - box.i) * w;
        ctx.fillStyle = tints[i % 6];
        ctx.fillRect(x, y, w - (k > 1 ? 1 : 0), LINE - 5);
        const over = now && one.spans[2 * i] < now.end && one.spans[2 * i + 1] > now.start;
        const mine = now && now.n === one.n && now.index === i, kin = same === one.ids[i], fresh = one.fresh?.has(one.ids[i]);
        if (mine || kin || over || fresh) {
          ctx.strokeStyle = mine || over ? theme.mark : fresh ? theme.accent : theme.control;
          ctx.lineWidth = mine || fresh ? 2.5 : 1.5;
          ctx.setLineDash(kin && !mine ? [3, 2] : []);
          ctx.strokeRect(x + 1, y + 1, w - 2 - (k > 1 ? 1 : 0), LINE - 7);
          ctx.setLineDash([]);
        }
      }
      ctx.fillStyle = theme.fg;
      ctx.textAlign = box.j > box.i ? "center" : "left";
      ctx.fillText(box.text, box.j > box.i ? box.x + box.w / 2 : box.x + 2, y + LINE / 2 - 2, box.w - 4);
    }
  };
  const hit = (one, event) => {
    const r = one.canvas.getBoundingClientRect(), x = event.clientX - r.left, y = Math.floor((event.clientY - r.top + one.view.scrollTop - 2) / LINE);
    const box = one.boxes.find((b) => b.y === y && x >= b.x && x <= b.x + b.w);
    return box ? box.i + Math.min(box.j - box.i, Math.floor(((x - box.x) / box.w) * (box.j - box.i + 1))) : -1;
  };
  const told = (one, i) => ({ tokenizer: one.info.name, n: one.n, index: i, id: one.ids[i], token: label(one, i), start: one.spans[2 * i], end: one.spans[2 * i + 1] });
  const point = (one, i, keys) => {
    const next = one && i >= 0 ? told(one, i) : null;
    if (!keys && next?.n === hover?.n && next?.index === hover?.index) return;
    hover = next;
    if (keys) {
      const box = one.boxes[one.owner[i]], y = box.y * LINE;
      if (y < one.view.scrollTop) one.view.scrollTop = y;
      else if (y + LINE > one.view.scrollTop + one.high) one.view.scrollTop = y + LINE + 6 - one.high;
      ui.say(`${one.info.name}, token ${i + 1} of ${one.ids.length}: ${hover.token}, id ${hover.id}`);
    }
    ui.paint();
  };
  const pin = (one, i) => { one.at = i; ui.set({ selection: told(one, i) }); };

  // --- what is under the strips
  const card = h("div", { class: "tk-card" }), sums = h("div", { class: "tk-sums" });
  const price = h("input", { type: "number", min: 0, step: 0.1, value: 1, class: "tk-price", oninput: () => summary() });
  const show = () => {
    const now = hover || (pinned().start != null ? pinned() : null), one = now && panels[now.n];
    if (!one || now.index >= one.ids.length || one.ids[now.index] !== now.id) {
      card.replaceChildren(h("span", { class: "lm-muted" }, "Point at a token, or reach a strip with Tab and move with the arrows."));
      return;
    }
    const facts = [["token", now.token], ["id", now.id], ["bytes", bytesOf(one, now.index)], ["characters", `${now.start} to ${now.end}`],
      ["text", seen(lm.clip(slice(now.start, now.end), 40)) || "∅"], ["tokenizer", one.info.name]];
    card.replaceChildren(h("dl", {}, facts.map(([a, b]) => h("div", {}, h("dt", {}, a), h("dd", {}, h("bdi", {}, String(b)))))));
    if (!hover || (pinned().n === now.n && pinned().index === now.index)) {
      const lines = why(one, now.index);
      if (lines.length) card.append(h("div", { class: "tk-why" }, h("b", {}, "Why this split?"), h("ol", {}, lines.map((line) => h("li", { dir: "auto" }, line)))));
    }
  };
  const why = (one, index) => {
    const engine = engines[one.n];
    if (!engine?.ok) return get("why");
    const { ids, spans } = one.full || one, start = spans[2 * index], name = (id) => seen(utf8Text(engine.bytes(id)) ?? "") || `<${hex(engine.bytes(id)).toUpperCase()}>`;
    let at = 0, word = "";
    for (word of engine.words(get("text"))) { const to = at + Array.from(word).length; if (to > start) break; at = to; }
    if (engine.names.has(word)) return [`“${seen(word)}” is a special token: it is taken whole before anything else.`];
    const out = [`The pattern cuts out the word “${seen(word)}”. No merge reaches beyond it.`], log = [];
    const end = engine.merge(word, NEVER, log), M = engine.merges;
    log.slice(0, 12).forEach((r) => out.push(`Merge ${r}: “${name(M[3 * r])}” + “${name(M[3 * r + 1])}” become “${name(M[3 * r + 2])}”.`));
    if (log.length > 12) out.push(`… and ${log.length - 12} more merges.`);
    for (let i = 0; i + 1 < end.length && i < 6; i++) out.push(`“${name(end[i])}” and “${name(end[i + 1])}” stay apart: no merge joins them.`);
    return out;
  };
  const summary = () => {
    const words = get("text").split(/\s+/).filter(Boolean).length, count = chars.length, size = new TextEncoder().encode(get("text")).length;
    const rows = panels.map((p) => [p.info.name, String(p.ids.length), words ? lm.fmt(p.ids.length / words, 2) : "–", p.ids.length ? lm.fmt(count / p.ids.length, 2) : "–",
      String(p.info.vocab_size), lm.fmt((p.ids.length * price.value) / 1e6, 6)]);
    sums.replaceChildren(h("div", { class: "lm-muted" }, `${count} characters, ${size} bytes, ${words} words between spaces`),
      lm.rows(["tokenizer", "tokens", "per word", "characters per token", "vocabulary", "cost"], rows));
  };
  const languages = () => {
    const rows = get("languages");
    if (!rows.length) return null;
    const first = rows[0][1], text = (n, k) => `${n} (${lm.fmt(n / first[k], 1)}×)`;
    return h("details", {}, h("summary", {}, "Cost by language: tokens for the same sentences"),
      lm.rows(["language", ...about.map((a) => a.name)], rows.map(([name, counts]) => [name, ...counts.map(text)])));
  };

  // --- the replay: the same text with fewer merges
  let steps = [];
  const able = () => about.map((a, n) => [n, a.name]).filter(([n]) => engines[n]?.ok);
  const which = lm.select("Replay", [["-1", "off"]], "-1", (v) => { ui.set({ replay: +v, step: 0 }); });
  const slide = lm.slider("Merges", { min: 0, max: 1, step: 1, value: 0, show: (v) => `${v} of ${steps.length}` }, (v) => ui.set({ step: v }));
  const play = lm.button("Play", () => (timer ? halt() : start())), news = h("span", { class: "tk-news", dir: "auto" });
  let timer = 0;
  const halt = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const start = () => {
    if (get("step") >= steps.length) ui.set({ step: 0 });
    play.textContent = "Stop";
    timer = setInterval(() => { if (get("step") >= steps.length) halt(); else ui.set({ step: get("step") + 1 }); }, lm.calm() ? 1500 : 500);
  };
  ui.cleanup(halt);
  const replayed = () => {
    const n = get("replay"), engine = engines[n], one = panels[n];
    panels.forEach((p) => { if (p.full) { Object.assign(p, p.full, { full: null, fresh: null }); p.boxes = group(p); layout(p); } });
    for (const part of [slide.node, play, news]) part.hidden = !engine?.ok;
    which.set(n);
    if (!engine?.ok) { halt(); news.textContent = ""; return; }
    steps = engine.steps(get("text"));
    slide.input.max = steps.length;
    const at = Math.min(get("step"), steps.length), r = steps[at - 1], M = engine.merges;
    slide.set(at);
    one.full = { ids: one.ids, spans: one.spans, names: one.names };
    Object.assign(one, engine.encode(get("text"), at ? r + 1 : 0), { names: {}, fresh: at ? new Set([M[3 * r + 2]]) : null });
    one.boxes = group(one);
    layout(one);
    const name = (id) => seen(utf8Text(engine.bytes(id)) ?? "") || `<${hex(engine.bytes(id)).toUpperCase()}>`;
    news.textContent = at ? `Merge ${r} of ${M.length / 3}: “${name(M[3 * r])}” + “${name(M[3 * r + 1])}” → “${name(M[3 * r + 2])}”, ${one.ids.length} tokens` : `No merge yet: ${one.ids.length} bytes`;
    ui.say(news.textContent);
    heads();
  };
  const heads = () => panels.forEach((p) => {
    p.head.replaceChildren(h("b", {}, p.info.name), h("span", { class: "lm-muted" }, ` ${p.ids.length} tokens${p.full ? " (replay)" : ""}`));
    p.view.setAttribute("aria-label", `${p.info.name}: ${p.ids.length} tokens. Arrow keys move from token to token.`);
  });
  const relayout = () => { for (const p of panels) { p.boxes = group(p); layout(p); } ui.paint(); };

  // --- new tokens, from the kernel or from the engines of this page
  const ints = async (value) => { const raw = await lm.bytes(value); return new Uint32Array(raw.slice().buffer); };
  const graphemes = (text) => {
    edge = new Uint8Array(chars.length + 1).fill(1);
    if (/^[\0-\x7f]*$/.test(text) || !Intl.Segmenter) return;
    edge.fill(0);
    let at = 0;
    for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) { edge[at] = 1; at += Array.from(segment).length; }
    edge[at] = 1;
  };
  let turn = 0;
  const load = async () => {
    const mine = ++turn, begin = performance.now(), frames = get("frames"), text = get("text"), ready = [];
    for (const [n, frame] of frames.entries()) {
      const local = still && last !== "" && engines[n]?.ok;
      ready.push(local ? { ...engines[n].encode(text), names: {} } : { ids: [...(await ints(frame.ids))], spans: await ints(frame.spans), names: frame.names });
    }
    if (mine !== turn) return;
    chars = Array.from(text);
    graphemes(text);
    hover = null;
    panels.forEach((p, n) => {
      Object.assign(p, ready[n], { full: null, fresh: null, at: 0 });
      p.node.hidden = still && last !== "" && !engines[n]?.ok;
      p.boxes = group(p);
      layout(p);
    });
    if (area.value !== text) area.value = text;
    heads();
    replayed();
    summary();
    ui.paint();
    last = text || " ";
    ui.root.dataset.ms = (performance.now() - begin).toFixed(1);
    ui.ready();
  };
  const begin = async () => {
    for (const [n, info] of about.entries()) {
      const rules = get("rules")[n];
      engines[n] = rules ? bpe({ pattern: rules.pattern, specials: rules.specials, byteIds: await ints(rules.byte_ids), merges: await ints(rules.merges) }) : null;
      panels.push(panel(info, n));
    }
    which.fill([["-1", "off"], ...able()], String(get("replay")));
    const open = !still || engines.some((e) => e?.ok);
    area.readOnly = !open;
    area.addEventListener("input", () => { halt(); ui.set({ text: area.value }); if (still) load(); });
    const samples = get("samples"), pick = lm.select("Example", [["", "choose …"], ...samples.map(([name]) => [name, name])], "", (v) => {
      const found = samples.find(([name]) => name === v);
      if (found) { halt(); ui.set({ text: found[1] }); if (still) load(); }
    });
    ui.body.append(lm.field("Text", area),
      h("div", { class: "lm-bar" }, samples.length && open ? pick.node : null, spaces.node, able().length ? [which.node, slide.node, play] : null), news,
      h("div", { class: "tk-panels" }, panels.map((p) => p.node)), card, sums,
      h("div", { class: "lm-bar" }, lm.field("Price of a million tokens", price)), languages() || "",
      still ? h("div", { class: "lm-muted" }, open ? "No kernel behind this page: byte-level BPE runs in the browser, others show the stored text." : "The text is fixed here.") : "");
    ui.on("frames", load);
    ui.on("selection why", () => { const p = panels[pinned().n]; if (p) p.at = pinned().index; hover = null; ui.paint(); });
    ui.on("replay step", () => { replayed(); ui.paint(); });
    ui.onPaint(() => { panels.forEach((p) => p.width && draw(p)); show(); });
    const watch = new ResizeObserver(() => { if (panels.some((p) => p.width && Math.abs(p.width - p.view.clientWidth + 2) > 3)) relayout(); });
    panels.forEach((p) => watch.observe(p.view));
    ui.cleanup(() => watch.disconnect());
    await load();
  };
  begin();
  return ui.dispose;
}
