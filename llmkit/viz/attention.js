// AttentionExplorer: a grid of heads, linked with arcs, a heat map and a product.
function render({ model, el }) {
  const ui = lm.mount(el, model, { label: "Attention explorer", keys: [
    ["← → ↑ ↓", "another head; in the picture another query (↑ ↓) or key (← →)"],
    ["Enter", "pin this head; in the picture add this query to the sum"],
    ["Shift + Enter", "pin it beside the others (or Shift + click)"],
    ["Esc", "this head only; in the picture forget the queries"]] });
  const get = (name) => model.get(name), state = new Proxy({}, { get: (_, name) => get(name) }), put = ui.set, { clamp, h, clip, fmt } = lm, { floor, max, min, round } = Math;
  let tabs = [], turn = 0, hover = null, preview = null, exact = new Map(), vectors = new Map();
  let grid = null, heat = null, layout = null, cells = null, asked = 0;

  // --- data: bytes to weights ------------------------------------------------------
  async function load() {
    const mine = ++turn, data = await lm.bytes(state.data);
    const given = state.vectors && (await lm.floats(state.vectors));
    if (mine !== turn) return;
    let at = 0;
    const cut = (n) => data.subarray(at, (at += n));
    tabs = state.maps.map((m) => {
      const [L, H, T, S] = m.shape, full = m.causal ? (T * (T + 1)) / 2 : T * S;
      const tab = { ...m, L, H, T, S, full, cols: m.columns || m.rows, seen: new Map(), layers: new Map() };
      tab.bytes = cut(L * H * (m.large ? m.thumb[0] * m.thumb[1] : full));
      if (m.large && state._static) {
        const k = min(16, S), n = L * H * T * k;
        tab.top = { k, places: new Uint16Array(cut(2 * n).slice().buffer), weights: cut(n) };
      }
      return tab;
    });
    vectors = new Map();
    if (given) vectors.set(state.vectors_of.join(), given);
    exact = new Map();
    grid = heat = hover = preview = null;
    options();
    ui.paint();
    ui.root.dataset.turn = mine;
    ui.ready();
  }
  const tab = () => tabs.find((t) => t.name === state.selection.view) || tabs[0];
  const now = () => {
    const s = state.selection, t = tab();
    return { ...s, view: t.name, layer: clamp(s.layer || 0, 0, t.L - 1), head: clamp(s.head || 0, 0, t.H - 1) };
  };
  // the weights of one head, (T, S), or null while its layer is on the way
  function weights(t, layer, head) {
    const key = layer * t.H + head;
    if (t.seen.has(key)) return t.seen.get(key);
    let from = t.bytes, at = key * t.full;
    const out = new Float32Array(t.T * t.S);
    if (t.top) {
      const { k, places, weights: w } = t.top;
      for (let i = 0, p = key * t.T * k; i < t.T; i++)
        for (let n = 0; n < k; n++, p++) out[i * t.S + places[p]] = lm.weight[w[p]];
    } else {
      if (t.large) {
        if (!t.layers.has(layer)) {
          t.layers.set(layer, null);
          ui.ask({ kind: "layer", view: t.name, layer });
        }
        from = t.layers.get(layer);
        at = head * t.full;
        if (!from) return null;
      }
      for (let i = 0; i < t.T; i++)
        for (let j = 0, n = t.causal ? i + 1 : t.S; j < n; j++) out[i * t.S + j] = lm.weight[from[at++]];
    }
    if (t.seen.size > 40) t.seen.delete(t.seen.keys().next().value);
    t.seen.set(key, out);
    return out;
  }

  // --- which tokens are on show, as groups of places ---------------------------------
  function groups(side, segment, containing) {
    const wanted = containing.split(",").map((w) => w.trim().toLowerCase()).filter(Boolean), out = [];
    side.labels.forEach((_, i) => {
      if (state.hide_special && side.special?.[i]) return;
      if (segment != null && side.segments && side.segments[i] !== segment) return;
      const last = out.at(-1)?.at(-1), words = side.words;
      if (state.group_words && words && last != null && words[i] != null && words[i] === words[last]) out.at(-1).push(i);
      else out.push([i]);
    });
    const listen = (node, event, f) => node.addEventListener(event, f);
  const name = (g) => side.labels[g[0]] + g.slice(1).map((i) => side.labels[i].replace(/^##/, "")).join("");
    const keep = out.filter((g) => !wanted.length || wanted.some((w) => name(g).toLowerCase().includes(w)));
    return { groups: keep, names: keep.map(name) };
  }
  function shown(t) {
    const pair = t.rows.segments && state.pair !== "all" ? state.pair.split(" to ").map((x) => "AB".indexOf(x)) : [];
    return { rows: groups(t.rows, pair[0], state.containing), cols: groups(t.cols, pair[1], "") };
  }
  const norm = () => state.renormalise && (state.hide_special || state.pair !== "all");
  // weights between groups: keys add up, queries are averaged
  function merged(t, layer, head, { rows, cols }) {
    const w = weights(t, layer, head);
    if (!w) return null;
    const R = rows.groups.length, C = cols.groups.length, out = new Float32Array(R * C);
    rows.groups.forEach((g, r) => {
      let sum = 0;
      cols.groups.forEach((k, c) => {
        let v = 0;
        for (const i of g) for (const j of k) v += w[i * t.S + j];
        sum += out[r * C + c] = v / g.length;
      });
      if (norm() && sum > 0) for (let c = 0; c < C; c++) out[r * C + c] /= sum;
    });
    return out;
  }
  const level = (w, most = 1) => ({
    linear: w, logarithm: w > 0 ? clamp(1 + Math.log10(w) / 4, 0, 1) : 0, "row maximum": most > 0 ? w / most : 0,
  })[state.scale] ?? Math.sqrt(w);
  const shade = (theme, w, most) => theme.ramp[round(clamp(level(min(w, 1), most), 0, 1) * 255)];
  const pins = () => {
    const s = now(), list = state.heads.filter(([a, b]) => a < tab().L && b < tab().H);
    return list.some(([a, b]) => a === s.layer && b === s.head) ? list : [[s.layer, s.head]];
  };
  const heads = () => (preview ? [preview] : pins());

  // --- controls ------------------------------------------------------------------
  const bar = h("div", { class: "lm-bar" }), bar2 = h("div", { class: "lm-bar" }), controls = {};
  const add = (place, name, make) => place.append((controls[name] = make((v) => put({ [name]: v }))).node);
  const note = h("div", { class: "lm-att-note", role: "alert" });
  for (const [name, label] of [["text", "Text"], ["second", "Second text"]])
    if (state.editable.includes(name)) {
      add(bar, name, (f) => lm.text(label, get(name), f, { size: 64 }));
    }
  const tabsAt = h("span");
  bar2.append(tabsAt);
  add(bar2, "mode", (f) => lm.choice("Picture", [["arcs", "Arcs"], ["heat", "Heat map"], ["detail", "Query · key"]], state.mode, f));
  add(bar2, "grid", (f) => lm.choice("Grid", [["heat", "Grid of maps"], ["arcs", "of arcs"]], state.grid, f));
  add(bar2, "sort", (f) => lm.select("Sort heads by", [["", "layer"]], "", f));
  add(bar2, "scale", (f) => lm.select("Scale", ["square root", "linear", "logarithm", "row maximum"].map((x) => [x, x]), state.scale, f));
  add(bar2, "containing", (f) => lm.text("Queries with", state.containing, f, { size: 10, placeholder: "a, b" }));
  add(bar2, "pair", (f) => lm.select("Sentences", ["all", "A to A", "A to B", "B to A", "B to B"].map((x) => [x, x]), state.pair, f));
  for (const [name, label] of [["hide_special", "Hide special tokens"], ["renormalise", "Rows sum to 1"],
    ["group_words", "Whole words"], ["horizontal", "Across"]])
    add(bar2, name, (f) => lm.toggle(label, get(name), f));
  function options() {
    const t = tab(), names = Object.keys(t.scores);
    const choose = lm.choice("Kind of attention", tabs.map((x) => [x.name, x.name]), t.name, (v) => put({ heads: [], queries: [], selection: { ...state.selection, view: v } }));
    tabsAt.hidden = tabs.length < 2;
    tabsAt.replaceChildren(...(tabs.length > 1 ? [choose.node] : []));
    controls.sort.fill([["", "layer"], ...names.map((n) => [n, n])], names.includes(state.sort) ? state.sort : "");
    const show = (name, on) => { controls[name].node.hidden = !on; };
    show("sort", names.length);
    show("pair", t.rows.segments?.includes(1));
    show("hide_special", t.rows.special?.includes(1) || t.cols.special?.includes(1));
    show("group_words", t.rows.words);
    show("renormalise", state.hide_special || state.pair !== "all");
    show("horizontal", state.mode === "arcs");
    note.textContent = state.note;
  }

  // --- the grid of heads -----------------------------------------------------------
  const board = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "grid of heads" });
  const picture = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "picture of the chosen heads" });
  const scaleBar = h("canvas", { role: "img", "aria-label": "Colour scale from weight 0 to weight 1" });
  const caption = h("div", { class: "lm-att-caption" }), facts = h("div", { class: "lm-att-facts" });
  const scroll = h("div", { class: "lm-att-scroll" }, picture);
  const left = h("div", { class: "lm-att-left" }, board, scaleBar, facts), right = h("div", { class: "lm-att-right" }, caption, scroll);
  ui.body.append(...(state.editable.length ? [bar] : []), note, bar2, h("div", { class: "lm-att" }, left, right));

  // what a drawing depends on: while it is the same, the drawing is kept
  const choices = ["scale", "hide_special", "renormalise", "pair", "containing", "group_words"];
  const look = (theme, ...more) => [turn, tab().name, theme.name, ...choices.map(get), ...more].join("|");
  function order(t) {
    const all = Array.from({ length: t.L * t.H }, (_, i) => i), s = t.scores[state.sort];
    return s ? all.sort((a, b) => (s[b] ?? -1) - (s[a] ?? -1)) : all;
  }
  // every head shrunk by maxima to at most n by n bytes
  function thumbs(t, n) {
    const keep = shown(t), large = t.large, [th, tw] = t.thumb;
    const R = keep.rows.groups.length, C = keep.cols.groups.length;
    const rows = large ? th : min(n, R), cols = large ? tw : min(n, C);
    if (large) return { rows, cols, bytes: t.bytes };
    const toRow = new Int16Array(t.T).fill(-1), toCol = new Int16Array(t.S).fill(-1);
    keep.rows.groups.forEach((g, r) => g.forEach((i) => { toRow[i] = floor((r * rows) / R); }));
    keep.cols.groups.forEach((g, c) => g.forEach((j) => { toCol[j] = floor((c * cols) / C); }));
    const bytes = new Uint8Array(t.L * t.H * rows * cols);
    for (let k = 0, p = 0; k < t.L * t.H; k++)
      for (let i = 0; i < t.T; i++) {
        const end = t.causal ? i + 1 : t.S, base = (k * rows + toRow[i]) * cols;
        if (toRow[i] < 0) { p += end; continue; }
        for (let j = 0; j < end; j++, p++) {
          const c = toCol[j];
          if (c >= 0 && t.bytes[p] > bytes[base + c]) bytes[base + c] = t.bytes[p];
        }
      }
    return { rows, cols, bytes };
  }
  // a canvas with one pixel for each number, from a function that gives its colour
  function pixels(width, height, colour) {
    const sheet = new OffscreenCanvas(width, height), pen = sheet.getContext("2d"), image = pen.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const c = colour(i);
      for (let k = 0; k < 4; k++) image.data[4 * i + k] = c[k] ?? 255;
    }
    pen.putImageData(image, 0, 0);
    return sheet;
  }
  function drawThumbs(ctx, theme, t, cell, place) {
    const arcs = state.grid === "arcs", { rows, cols, bytes } = thumbs(t, arcs ? 24 : min(cell * 2, 64));
    const levels = Array.from({ length: 256 }, (_, q) => level(lm.weight[q])), one = rows * cols;
    ctx.fillStyle = theme.bg;
    if (arcs) {
      ctx.strokeStyle = theme.accent;
      ctx.lineWidth = 0.8;
      place.forEach(([k, x, y]) => {
        ctx.fillRect(x, y, cell - 2, cell - 2);
        for (let bin = 2; bin < 8; bin += 2) {
          ctx.globalAlpha = (bin / 8) ** 1.5;
          ctx.beginPath();
          for (let i = 0; i < one; i++) {
            const v = levels[bytes[k * one + i]] * 8;
            if (v < bin || (v >= bin + 2 && bin < 6)) continue;
            ctx.moveTo(x + 2, y + 1 + ((floor(i / cols) + 0.5) * (cell - 4)) / rows);
            ctx.lineTo(x + cell - 4, y + 1 + (((i % cols) + 0.5) * (cell - 4)) / cols);
          }
          ctx.stroke();
        }
        ctx.globalAlpha = 1;
      });
      return;
    }
    if (!one) return;
    const sheet = pixels(cols, rows * t.L * t.H, (i) => theme.ramp[round(levels[bytes[i]] * 255)]);
    ctx.imageSmoothingEnabled = false;
    place.forEach(([k, x, y]) => ctx.drawImage(sheet, 0, k * rows, cols, rows, x, y, cell - 2, cell - 2));
  }
  function paintGrid(theme) {
    const t = tab(), W = ui.root.clientWidth - 26, side = W >= 700, list = order(t), sort = t.scores[state.sort];
    const cell = clamp(floor(((side ? min(W * 0.46, 520) : W) - 30) / t.H), 14, 56), tall = cell + (sort ? 24 : 0);
    const key = look(theme, cell, state.grid, state.sort);
    const x0 = 26, y0 = 16, width = x0 + t.H * cell + 2, height = y0 + t.L * tall + 2;
    cells = { list, cell, tall, x0, y0, H: t.H };
    if (grid?.key !== key) {
      const canvas = h("canvas"), ctx = lm.fit(canvas, width, height);
      ctx.fillStyle = theme.line;
      ctx.fillRect(x0 - 1, y0 - 1, t.H * cell, t.L * tall);
      const place = list.map((k, n) => [k, x0 + (n % t.H) * cell, y0 + floor(n / t.H) * tall]);
      drawThumbs(ctx, theme, t, cell, place);
      const mid = { colour: theme.fg, align: "center", px: 10.5 };
      if (sort) {
        for (const [k, x, y] of place) {
          ctx.fillStyle = theme.panel;
          ctx.fillRect(x, y + cell - 2, cell - 2, 24);
          ink(ctx, split(k).join("."), x + cell / 2 - 1, y + cell + 4, mid);
          ink(ctx, sort[k] == null ? "–" : sort[k].toFixed(2), x + cell / 2 - 1, y + cell + 15, mid);
        }
      } else {
        for (let n = 0; n < t.H; n++) ink(ctx, n, x0 + (n + 0.5) * cell - 1, 8, mid);
        for (let n = 0; n < t.L; n++) ink(ctx, n, x0 - 6, y0 + (n + 0.5) * tall, { ...mid, align: "right" });
      }
      grid = { key, canvas };
    }
    const ctx = lm.fit(board, width, height);
    ctx.drawImage(grid.canvas, 0, 0, width, height);
    const frame = ([a, b], colour, thick) => {
      const n = list.indexOf(a * t.H + b);
      rule(ctx, colour, thick, x0 + (n % t.H) * cell - 1, y0 + floor(n / t.H) * tall - 1, cell, tall);
    };
    const s = now();
    pins().forEach((p) => frame(p, theme.accent, 2.5));
    frame([s.layer, s.head], theme.mark, 3);
    if (preview) frame(preview, theme.fg, 1.5);
    board.setAttribute("aria-label", `${t.L} layers by ${t.H} heads; layer ${s.layer} head ${s.head} is chosen`);
  }
  const split = (k, H = tab().H) => [floor(k / H), k % H];
  const headAt = (event) => {
    const c = cells, x = floor((event.offsetX - c.x0) / c.cell), y = floor((event.offsetY - c.y0) / c.tall);
    const k = x >= 0 && x < c.H && y >= 0 ? c.list[y * c.H + x] : null;
    return k == null ? null : split(k);
  };
  const listen = (node, event, f) => node.addEventListener(event, f);
  const name = ([a, b]) => `layer ${a} head ${b}`;
  // point at a head; with `rest`, pin it together with those
  function choose(at, rest) {
    const t = tab(), s = now(), [layer, head] = at || [s.layer, s.head], same = ([a, b]) => a === layer && b === head;
    preview = null;
    if (rest) put({ heads: [...rest.filter((p) => !same(p)), [layer, head]].slice(-8) });
    put({ selection: { ...s, layer, head } });
    const score = t.scores[state.sort]?.[layer * t.H + head];
    ui.say(heads().map(name).join(" with ") + (score == null ? "" : `, ${state.sort} ${fmt(score, 2)}`) + speak());
  }
  listen(board, "pointermove", (e) => {
    const at = headAt(e);
    if (String(at) !== String(preview)) { preview = at; hover = null; ui.paint(); }
  });
  listen(board, "pointerleave", () => { preview = null; ui.paint(); });
  listen(board, "click", (e) => { const at = headAt(e); if (at) choose(at, e.shiftKey ? pins() : []); });
  const move = (by) => () => {
    const s = now(), { list, H } = cells, k = list[list.indexOf(s.layer * H + s.head) + by];
    if (k != null) choose(split(k));
  };
  const down = () => cells.H;
  lm.keys(board, {
    ArrowLeft: move(-1), ArrowRight: move(1), ArrowUp: () => move(-down())(), ArrowDown: () => move(down())(),
    Enter: (e) => choose(null, e.shiftKey ? state.heads : []),
    Escape: () => choose(null, []),
  });

  // --- the picture -----------------------------------------------------------------
  const find = (side, at) => side.groups.findIndex((g) => g.includes(at));
  const ink = (ctx, text, x, y, { colour, align = "left", px = 12, bold, room }) => {
    ctx.font = (bold ? "bold " : "") + font(px);
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour;
    ctx.fillText(text, x, y, room);
  };
  const blank = (text, theme) => ink(lm.fit(picture, 420, 40), text, 4, 20, { colour: theme.muted, px: 13 });
  const rule = (ctx, colour, thick, ...box) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = thick;
    ctx.strokeRect(...box);
  };
  const font = (px) => `${px}px system-ui, "DejaVu Sans", sans-serif`;
  function paintPicture(theme) {
    const t = tab(), keep = shown(t), list = heads(), maps = list.map(([a, b]) => merged(t, a, b, keep));
    const W = ui.root.clientWidth - 26, wide = W >= 700 ? W - (cells.x0 + t.H * cells.cell + 26) : W;
    layout = { keep, maps, R: keep.rows.groups.length, C: keep.cols.groups.length };
    const s = now();
    layout.query = hover?.row ?? find(keep.rows, s.query);
    layout.key = hover ? hover.col ?? -1 : find(keep.cols, s.key);
    const mode = state.mode, empty = !layout.R || !layout.C ? "No token is left to show." : maps.includes(null) ? "This layer is on its way." : "";
    if (empty) blank(empty, theme);
    else ({ arcs: paintArcs, heat: paintHeat, detail: paintDetail })[mode](theme, t, max(260, wide - 10));
    caption.replaceChildren(...list.map((p, i) => h("span", {},
      mode === "arcs" ? h("i", { style: `background:${arcColour(theme, i, list.length)}` }) : null, name(p))),
    h("span", { class: "lm-muted" }, t.large && t.top ? "16 strongest keys of each query; thumbnails are pooled" : ""));
    paintFacts(t);
  }
  const arcColour = (theme, i, n) => (n > 1 ? lm.palette[i % 8] : theme.accent);
  const chosen = () => layout.keep.rows.groups.map((g, r) => (state.queries.includes(g[0]) ? r : -1)).filter((r) => r >= 0);
  const focus = () => {
    const c = chosen();
    return hover?.row != null ? [hover.row] : c.length ? c : [];
  };
  function paintArcs(theme, t, wide) {
    const { keep, maps, R, C } = layout, across = state.horizontal, n = max(R, C);
    const step = across ? clamp(wide / n, 13, 60) : clamp(430 / n, 13, 22), pad = 10, far = across ? 230 : min(wide, 520);
    const measure = picture.getContext("2d");
    measure.font = font(12);
    const label = (x) => clip(x, 18);
    const room = min(130, max(...[...keep.rows.names, ...keep.cols.names].map((x) => measure.measureText(label(x)).width))) + 8;
    const size = [far, n * step + 2 * pad], ctx = lm.fit(picture, ...(across ? [size[1], far + room] : size));
    const depth = across ? far + room : far, at = (i) => pad + (i + 0.5) * step;
    const point = (side, i) => { const d = side ? depth - room : room; return across ? [at(i), d] : [d, at(i)]; };
    const only = focus(), allowed = (r) => !only.length || only.includes(r);
    maps.forEach((m, k) => {
      ctx.strokeStyle = arcColour(theme, k, maps.length);
      const lines = Array.from({ length: 8 }, () => new Path2D());
      for (let r = 0; r < R; r++) {
        if (!allowed(r)) continue;
        const row = m.subarray(r * C, r * C + C), most = max(...row);
        row.forEach((w, c) => {
          if (hover?.row == null && hover?.col != null && hover.col !== c) return;
          const v = level(w, most);
          if (v < (only.length ? 0.02 : 0.12)) return;
          const path = lines[min(7, floor(v * 8))];
          path.moveTo(...point(0, r));
          path.lineTo(...point(1, c));
        });
      }
          lines.forEach((path, b) => { ctx.globalAlpha = ((b + 0.6) / 8) ** 1.6; ctx.lineWidth = 1 + b / 5; ctx.stroke(path); });
    });
    ctx.globalAlpha = 1;
    const sums = rowSum(only.length ? only : layout.query >= 0 ? [layout.query] : []);
    const write = (names, side) => names.forEach((text, i) => {
      const [x, y] = point(side, i), on = side ? i === layout.key : only.includes(i) || i === layout.query;
      ctx.save();
      ctx.translate(x, y);
      if (across) ctx.rotate(Math.PI / 2);
      const value = side ? sums?.[i] : 0, c = value > 0.004 ? shade(theme, value, max(...sums)) : null;
      const x1 = side ? 2 : -room + 2;
      if (c) { ctx.fillStyle = lm.rgb(c); ctx.fillRect(x1, -step / 2 + 1, room - 4, min(step, 20) - 2); }
      ink(ctx, label(text), side ? 5 : -5, 0, { colour: c ? lm.ink(c) : on ? theme.mark : theme.fg, bold: on, align: side ? "left" : "right", room: room - 6 });
      ctx.restore();
    });
    write(keep.rows.names, 0);
    write(keep.cols.names, 1);
    layout.hit = (x, y) => {
      const [a, d] = across ? [x, y] : [y, x], i = floor((a - pad) / step), first = d < depth / 2;
      return i < 0 || i >= (first ? R : C) ? null : first ? { row: i } : { col: i };
    };
  }
  const mean = () => {
    const { maps, R, C } = layout, out = new Float32Array(R * C);
    for (const m of maps) for (let i = 0; i < out.length; i++) out[i] += m[i] / maps.length;
    return out;
  };
  // what some queries give to each key, all heads on show averaged
  function rowSum(rows) {
    if (!rows.length || layout.maps.includes(null)) return null;
    const { C } = layout, out = new Float32Array(C), list = heads();
    for (const r of rows)
      list.forEach(([a, b], k) => {
        const known = exact.get([tab().name, a, b, r].join());
        for (let c = 0; c < C; c++) out[c] += (known ? known[c] : layout.maps[k][r * C + c]) / list.length;
      });
    return out;
  }
  function paintHeat(theme, t, wide) {
    const { keep, R, C } = layout, cell = clamp(min((wide - 100) / C, 440 / R), C > 256 ? 1 : 2.5, 28), room = 92, top = 84;
    const ctx = lm.fit(picture, room + C * cell + 8, top + R * cell + 6);
    const key = look(theme, heads());
    if (heat?.key !== key) {
      const m = mean(), most = keep.rows.groups.map((_, r) => max(...m.subarray(r * C, r * C + C)));
      heat = { key, m, most, sheet: pixels(C, R, (i) => shade(theme, m[i], most[floor(i / C)])) };
    }
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(heat.sheet, room, top, C * cell, R * cell);
    rule(ctx, theme.line, 1, room - 0.5, top - 0.5, C * cell + 1, R * cell + 1);
    const every = max(1, Math.ceil(11 / cell)), only = focus(), rows = layout.query >= 0 ? [...only, layout.query] : only;
    const write = (names, side, focused) => names.forEach((text, i) => {
      const on = focused.includes(i);
      // a label under the finger wins over its neighbours
      if (!on && (i % every || focused.some((f) => Math.abs(f - i) * cell < 12))) return;
      ctx.save();
      if (side) { ctx.translate(room + (i + 0.5) * cell, top - 5); ctx.rotate(-Math.PI / 2.6); } else ctx.translate(room - 5, top + (i + 0.5) * cell);
      ink(ctx, clip(text, 14), 0, 0, { colour: on ? theme.mark : theme.fg, bold: on, px: 11, align: side ? "left" : "right", room: 84 });
      ctx.restore();
    });
    write(keep.rows.names, 0, rows);
    write(keep.cols.names, 1, layout.key >= 0 ? [layout.key] : []);
    if (cell >= 26) {
      heat.m.forEach((w, i) => {
        const r = floor(i / C);
        ink(ctx, w >= 0.995 ? "1" : w.toFixed(2).slice(1), room + ((i % C) + 0.5) * cell, top + (r + 0.5) * cell, { colour: lm.ink(shade(theme, w, heat.most[r])), align: "center", px: 9.5 });
      });
    }
    for (const r of rows) rule(ctx, theme.mark, 2, room, top + r * cell, C * cell, cell);
    if (layout.key >= 0 && layout.query >= 0) rule(ctx, theme.mark, 3, room + layout.key * cell, top + layout.query * cell, cell, cell);
    layout.hit = (x, y) => {
      const r = floor((y - top) / cell), c = floor((x - room) / cell);
      return r >= 0 && r < R && c < C ? (c >= 0 ? { row: r, col: c } : { row: r }) : null;
    };
  }
  // one query and one key, number by number, then the softmax over all keys
  function paintDetail(theme, t, wide) {
    const [layer, head] = heads().at(-1), s = now(), { keep } = layout, D = t.width;
    const r = max(0, layout.query), c = max(0, layout.key), i = keep.rows.groups[r][0], j = keep.cols.groups[c][0];
    const which = [t.name, layer, head].join(), known = vectors.get(which);
    layout.hit = () => null;
    if (!known) {
      blank(D ? (state._static ? "This page has the vectors of one head only." : "Vectors are on their way.") : "Queries and keys were not recorded.", theme);
      if (D && !vectors.has(which)) {
        vectors.set(which, null);
        ui.ask({ kind: "vectors", view: t.name, layer, head });
      }
      return;
    }
    const q = known.subarray(i * D, i * D + D), keys = known.subarray(t.T * D), k = (n) => keys.subarray(n * D, n * D + D);
    const score = (n) => { let x = 0; const kn = k(n); for (let d = 0; d < D; d++) x += q[d] * kn[d]; return x; };
    const seen = weights(t, layer, head).subarray(i * t.S, i * t.S + t.S), raw = Array.from(seen, (_, n) => score(n) * t.scale);
    const may = (n) => !t.causal || n <= i, top = max(...raw.filter((_, n) => may(n)));
    const soft = raw.map((x, n) => (may(n) ? Math.exp(x - top) : 0)), total = soft.reduce((a, b) => a + b);
    // a bias or a window may come on top of the product: then the model's own weights stand
    const plain = soft.every((x, n) => Math.abs(x / total - seen[n]) < 0.01);
    const best = raw.map((x, n) => ({ n, x, w: plain ? soft[n] / total : seen[n] })).filter((a) => may(a.n)).sort((a, b) => b.w - a.w).slice(0, 12);
    const cut = clamp(wide, 340, 560), x0 = 76, cell = (cut - x0 - 70) / D, ctx = lm.fit(picture, cut, 150 + best.length * 19 + 12);
    const fg = { colour: theme.fg }, right_ = { ...fg, align: "right" };
    const strip = (y, text, values, end) => {
      const most = max(...values.map(Math.abs)) || 1;
      values.forEach((v, d) => { ctx.fillStyle = lm.rgb(theme.signed[round((v / most / 2 + 0.5) * 255)]); ctx.fillRect(x0 + d * cell, y, max(cell - 0.5, 0.8), 22); });
      rule(ctx, theme.line, 1, x0 - 0.5, y - 0.5, D * cell + 1, 23);
      ink(ctx, text, x0 - 6, y + 11, { ...right_, room: x0 - 8 });
      ink(ctx, end || "±" + fmt(most, 2), x0 + D * cell + 6, y + 11, fg);
    };
    const kj = k(j), sum = score(j), from = clip(t.rows.labels[i], 16);
    strip(4, "q " + clip(t.rows.labels[i], 8), Array.from(q));
    strip(32, "k " + clip(t.cols.labels[j], 8), Array.from(kj));
    strip(60, "q × k", Array.from(q, (v, d) => v * kj[d]), "Σ " + fmt(sum, 2));
    ink(ctx, `q · k = ${fmt(sum, 2)},  scaled by ${fmt(t.scale, 3)}: ${fmt(sum * t.scale, 2)}`, 4, 98, fg);
    ink(ctx, `score and weight (softmax over all keys), from ${from}:`, 4, 120, { colour: theme.muted });
    best.forEach((a, n) => {
      const y = 142 + n * 19, on = a.n === j, look = { colour: on ? theme.mark : theme.fg, bold: on, align: "right", room: 92 }, long = a.w * (cut - 230);
      ink(ctx, clip(t.cols.labels[a.n], 12), 96, y, look);
      ink(ctx, fmt(a.x, 2), 146, y, look);
      ctx.fillStyle = theme.accent;
      ctx.fillRect(156, y - 7, long, 14);
      ink(ctx, a.w.toFixed(4), 162 + long, y, fg);
    });
    layout.hit = (x, y) => {
      const a = best[floor((y - 133) / 19)], col = a && keep.cols.groups.findIndex((g) => g.includes(a.n));
      return a && y > 133 && col >= 0 ? { row: r, col } : null;
    };
  }

  // --- the numbers in words ----------------------------------------------------------
  function paintFacts(t) {
    const rows = focus().length ? focus() : layout.query >= 0 ? [layout.query] : [], sums = rowSum(rows);
    if (!sums) { facts.replaceChildren(h("span", { class: "lm-muted" }, "Point at a token to read its weights. Click keeps it, Shift + click adds up several.")); return; }
    const list = heads(), sure = rows.every((r) => list.every(([a, b]) => exact.has([t.name, a, b, r].join())));
    if (!sure && !state._static) wonder(t, rows, list);
    const best = Array.from(sums, (w, c) => [w, c]).sort((a, b) => b[0] - a[0]).slice(0, 6);
    const from = rows.map((r) => clip(layout.keep.rows.names[r], 20)).join(" + ");
    if (layout.key >= 0 && !best.some(([, c]) => c === layout.key)) best.push([sums[layout.key], layout.key]);
    facts.replaceChildren(h("div", {}, "From ", h("b", { dir: "auto" }, from), ` to${sure ? "" : " (8-bit values)"}:`),
      lm.rows(["key", "weight"], best.map(([w, c]) => [clip(layout.keep.cols.names[c], 24), w.toFixed(sure ? 4 : 2)])));
  }
  // exact numbers come from the kernel a moment after the pointer rests
  function wonder(t, rows, list) {
    clearTimeout(asked);
    asked = setTimeout(() => rows.slice(0, 8).forEach((row) => list.forEach(([layer, head]) => {
      if (!exact.has([t.name, layer, head, row].join())) ui.ask({ kind: "row", view: t.name, layer, head, row, turn });
    })), 40);
  }
  ui.message((content, buffers) => {
    const t = tabs.find((x) => x.name === content.view), view = buffers?.[0];
    if (!t || !view) return;
    const raw = new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
    const numbers = () => new Float32Array(raw.slice().buffer);
    if (content.kind === "layer") t.layers.set(content.layer, raw);
    if (content.kind === "vectors") vectors.set([t.name, content.layer, content.head].join(), numbers());
    if (content.kind === "row" && content.turn === turn) exact.set([t.name, content.layer, content.head, content.row].join(), numbers());
    ui.paint();
  });
  function speak() {
    const s = now(), t = tab();
    if (s.query == null) return "";
    const key = s.key == null ? "" : ` to ${t.cols.labels[s.key]}`;
    const w = s.key == null ? null : weights(t, s.layer, s.head)?.[s.query * t.S + s.key];
    return `, ${t.rows.labels[s.query]}${key}${w == null ? "" : " " + fmt(w, 2)}`;
  }
  function point(row, col) {
    const s = now(), { rows, cols } = layout.keep;
    if (row != null && rows.groups[row]) s.query = rows.groups[row][0];
    if (col != null && cols.groups[col]) s.key = cols.groups[col][0];
    put({ selection: s });
    ui.say(name([s.layer, s.head]) + speak());
  }
  function toggle(row, more) {
    const at = layout.keep.rows.groups[row]?.[0], list = state.queries;
    if (at == null) return;
    const has = list.includes(at), rest = list.filter((x) => x !== at);
    put({ queries: more ? (has ? rest : [...list, at]) : has && list.length === 1 ? [] : [at] });
    ui.say(state.queries.length ? "sum over " + state.queries.map((x) => tab().rows.labels[x]).join(" + ") : "no query kept");
  }
  const under = (e) => layout?.hit?.(e.offsetX, e.offsetY) ?? null;
  listen(picture, "pointermove", (e) => {
    const at = state.mode === "detail" ? null : under(e);
    if (JSON.stringify(at) !== JSON.stringify(hover)) { hover = at; ui.paint(); }
  });
  listen(picture, "pointerleave", () => { hover = null; ui.paint(); });
  listen(picture, "click", (e) => {
    const at = under(e);
    if (!at) return;
    hover = null;
    point(at.row, at.col);
    if (at.row != null && state.mode !== "detail") toggle(at.row, e.shiftKey);
  });
  const step = (dr, dc) => () => {
    hover = null;
    const s = now(), { rows, cols } = layout.keep;
    const go = (side, at, by) => { const i = find(side, at); return i < 0 ? 0 : clamp(i + by, 0, side.groups.length - 1); };
    point(go(rows, s.query, dr), go(cols, s.key, dc));
  };
  lm.keys(picture, {
    ArrowUp: step(-1, 0), ArrowDown: step(1, 0), ArrowLeft: step(0, -1), ArrowRight: step(0, 1),
    Enter: () => toggle(max(0, find(layout.keep.rows, now().query)), true),
    Escape: () => { hover = null; put({ queries: [] }); ui.say("no query kept"); },
  });
  function paintScale(theme) {
    const ctx = lm.fit(scaleBar, 250, 30), x = (v) => 8 + v * 226;
    for (let i = 0; i < 226; i++) { ctx.fillStyle = lm.rgb(theme.ramp[round((i / 225) * 255)]); ctx.fillRect(8 + i, 2, 1.2, 10); }
    rule(ctx, theme.line, 1, 7.5, 1.5, 227, 11);
    const marks = { logarithm: [0.0001, 0.001, 0.01, 0.1, 1], "square root": [0, 0.01, 0.05, 0.25, 0.5, 1] }[state.scale] || [0, 0.25, 0.5, 0.75, 1];
    for (const m of marks) ink(ctx, m, x(level(m)), 22, { colour: theme.fg, align: "center", px: 10 });
    scaleBar.setAttribute("aria-label", `Colour scale, ${state.scale}: from weight ${marks[0]} to ${marks.at(-1)}`);
  }
  ui.onPaint((theme) => {
    if (!tabs.length || !ui.root.isConnected) return;
    paintGrid(theme);
    paintPicture(theme);
    paintScale(theme);
    const s = now();
    picture.setAttribute("aria-label", `${state.mode} of ${heads().map(name).join(", ")}${speak()}`);
  });
  ui.on("data maps", load);
  ui.on("selection heads queries", ui.paint);
  ui.on("mode grid sort horizontal note text second " + choices.join(" "), () => {
    for (const [name_, control] of Object.entries(controls)) if (name_ !== "sort") control.set(get(name_));
    exact = new Map();
    hover = null;
    if (tabs.length) options();
    ui.paint();
  });
  const size = new ResizeObserver(() => ui.paint());
  size.observe(ui.root);
  ui.cleanup(() => { size.disconnect(); clearTimeout(asked); });
  load();
  return ui.dispose;
}
