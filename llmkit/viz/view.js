// Shared by every view of the kit: it is put in front of the view's own file.
// A view's file defines `function render({ model, el })` and uses `lm`.
const lm = {
  // the same in palette.py; a test holds them equal
  palette: ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#5A4A78", "#F0E442"],
  themes: {
    light: { bg: "#ffffff", panel: "#f3f4f7", fg: "#1a1c20", muted: "#50555e", line: "#c4c8d0",
      control: "#767b85", accent: "#0b5cad", mark: "#a63c00" },
    dark: { bg: "#14161a", panel: "#21242b", fg: "#e9eaee", muted: "#aab0bb", line: "#434955",
      control: "#8b919c", accent: "#7cc0ff", mark: "#ffb070" },
  },
  // from "nothing" to "all": one hue, lightness monotone, so it survives colour blindness
  ramps: {
    light: [[255, 255, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]],
    dark: [[20, 22, 26], [20, 58, 102], [36, 108, 178], [107, 174, 226], [236, 246, 255]],
  },
  // negative, zero, positive: orange and blue differ in lightness for every eye
  signed: {
    light: [[179, 88, 6], [253, 184, 99], [255, 255, 255], [128, 177, 211], [8, 69, 148]],
    dark: [[255, 190, 110], [150, 84, 20], [20, 22, 26], [36, 98, 160], [140, 200, 255]],
  },

  // h("button", { class: "x", onclick: f, "aria-label": "…" }, "text", node, …)
  h(tag, attrs = {}, ...kids) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attrs)) {
      if (value == null || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    // what can hold the focus keeps its keys: JupyterLab would delete cells with them
    if (/^(button|input|select|textarea)$/.test(tag) || attrs.tabindex != null) node.setAttribute("data-lm-suppress-shortcuts", "true");
    node.append(...kids.flat(9).filter((kid) => kid != null));
    return node;
  },

  // raw bytes: a DataView from a kernel, or { z: base64 of zlib } in a page
  async bytes(value) {
    if (!value) return new Uint8Array(0);
    if (value.buffer) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const text = atob(value.z);
    const raw = new Uint8Array(text.length);
    for (let i = 0; i < raw.length; i++) raw[i] = text.charCodeAt(i);
    const flow = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(flow).arrayBuffer());
  },
  async floats(value) {
    const raw = await lm.bytes(value);
    return new Float32Array(raw.slice().buffer);
  },
  // codec.py stores round(255 * sqrt(w)); this table undoes it
  weight: Float32Array.from({ length: 256 }, (_, q) => (q / 255) ** 2),

  // at most `digits` decimals, tiny numbers as powers of ten
  fmt(x, digits = 3) {
    if (x == null) return "–";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : x < 0 ? "−∞" : "not a number";
    const text = x !== 0 && Math.abs(x) < 0.5 * 10 ** -digits ? x.toExponential(1) : x.toFixed(digits);
    return text.replace("-", "−");
  },
  percent: (x) => (x * 100).toFixed(x < 0.1 ? 1 : 0) + " %",
  // a label cut in the middle, counted in whole characters
  clip(text, length = 14) {
    const parts = Array.from(text);
    if (parts.length <= length) return text;
    const tail = Math.floor((length - 1) / 3);
    return parts.slice(0, length - 1 - tail).join("") + "…" + (tail ? parts.slice(-tail).join("") : "");
  },
  clamp: (x, low, high) => Math.min(high, Math.max(low, x)),
  calm: () => matchMedia("(prefers-reduced-motion: reduce)").matches,

  // 256 colours between a few stops
  table(stops) {
    const out = [];
    for (let i = 0; i < 256; i++) {
      const at = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
      out.push(stops[low].map((c, k) => Math.round(c + (stops[low + 1][k] - c) * (at - low))));
    }
    return out;
  },
  rgb: (c) => `rgb(${c[0]},${c[1]},${c[2]})`,
  // black or white, whichever reads better on a colour
  ink(c) {
    const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000000" : "#ffffff";
  },

  // size a canvas in CSS pixels; returns a context that draws in them
  fit(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    return ctx;
  },

  // keys for a focusable node; JupyterLab's own shortcuts stay asleep meanwhile
  keys(node, map) {
    node.setAttribute("data-lm-suppress-shortcuts", "true");
    node.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = map[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act(event);
    });
    return node;
  },

  count: 0,
  // --- labelled controls; each returns { node, input, set }
  field(label, input, extra) {
    const id = "lm" + Math.random().toString(36).slice(2) + lm.count++;
    input.id = id;
    input.setAttribute("data-lm-suppress-shortcuts", "true");
    return lm.h("span", { class: "lm-field" }, lm.h("label", { for: id }, label), input, extra);
  },
  select(label, options, value, change) {
    const input = lm.h("select", { onchange: () => change(input.value) });
    const fill = (list, now) => {
      input.replaceChildren(...list.map(([v, text]) => lm.h("option", { value: v }, text)));
      input.value = now;
    };
    fill(options, value);
    return { node: lm.field(label, input), input, fill, set: (v) => { input.value = v; } };
  },
  slider(label, { min, max, step, value, show = (v) => lm.fmt(v, 2) }, change) {
    const input = lm.h("input", { type: "range", min, max, step });
    const out = lm.h("output", { class: "lm-number" });
    const set = (v) => {
      input.value = v;
      out.textContent = show(+v);
      input.setAttribute("aria-valuetext", show(+v));
    };
    input.addEventListener("input", () => { set(input.value); change(+input.value); });
    set(value);
    return { node: lm.field(label, input, out), input, set };
  },
  toggle(label, value, change) {
    const input = lm.h("input", { type: "checkbox", onchange: () => change(input.checked) });
    input.checked = value;
    return { node: lm.field(label, input), input, set: (v) => { input.checked = v; } };
  },
  text(label, value, change, attrs = {}) {
    const input = lm.h("input", { type: "text", spellcheck: "false", dir: "auto", ...attrs });
    input.value = value;
    input.addEventListener("input", () => change(input.value));
    return { node: lm.field(label, input), input, set: (v) => { if (input.value !== v) input.value = v; } };
  },
  button(label, act, attrs = {}) {
    return lm.h("button", { type: "button", onclick: act, ...attrs }, label);
  },
  // one choice of a few, as buttons; arrows move between them
  choice(label, options, value, change) {
    const node = lm.h("span", { class: "lm-choice", role: "radiogroup", "aria-label": label });
    const set = (now) => buttons.forEach((b, i) => {
      const on = options[i][0] === now;
      b.setAttribute("aria-checked", on);
      b.tabIndex = on ? 0 : -1;
    });
    const buttons = options.map(([v, text]) => lm.button(text, () => { set(v); change(v); }, { role: "radio" }));
    const step = (by) => () => {
      const at = buttons.findIndex((b) => b.tabIndex === 0);
      const next = buttons[(at + by + buttons.length) % buttons.length];
      next.click();
      next.focus();
    };
    lm.keys(node, { ArrowRight: step(1), ArrowDown: step(1), ArrowLeft: step(-1), ArrowUp: step(-1) });
    node.append(...buttons);
    set(value);
    return { node, buttons, set };
  },
  rows(head, rows) {
    const cell = (tag, x, scope) => lm.h(tag, { scope, dir: "auto" }, typeof x === "number" ? lm.fmt(x) : String(x));
    return lm.h("table", { class: "lm-table" },
      lm.h("thead", {}, lm.h("tr", {}, head.map((x) => cell("th", x, "col")))),
      lm.h("tbody", {}, rows.map((r) => lm.h("tr", {}, r.map((x, i) => (i ? cell("td", x) : cell("th", x, "row")))))));
  },

  // --- charts ------------------------------------------------------------------------
  // round numbers between two ends; on a logarithmic scale 1, 2, 5, 10 …
  ticks(low, high, log = false, most = 5) {
    if (log) {
      const all = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
        for (const k of high / low > 300 ? [1] : high / low > 20 ? [1, 3] : [1, 2, 5]) all.push(k * 10 ** e);
      }
      return all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    }
    const raw = (high - low) / most || 1, unit = 10 ** Math.floor(Math.log10(raw)), out = [];
    const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= raw * 0.999);
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i++) out.push(i * step);
    return out;
  },
  // axes and a grid; returns functions from numbers to pixels, and what draws there
  chart(canvas, theme, { width, height, x, y, log = false, root = false, right = 12, bottom = 32, top = 10, names = [], xName, digits = 1 }) {
    // no wider than the view: a phone gets a narrow chart, not a squeezed one
    const room = canvas.closest(".lm-view")?.clientWidth;
    if (room) width = Math.min(width, Math.max(240, room - 26));
    const ctx = lm.fit(canvas, width, height), left = 44, h = height - top - bottom;
    const f = log ? Math.log10 : (v) => v, low = f(y[0]), high = f(y[1]);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    // the names of the levels stand on the right
    for (const [name, v] of names) right = Math.max(right, ctx.measureText(`${name} ${lm.fmt(v, 2)}`).width + 8);
    const w = width - left - right;
    const g = root ? Math.sqrt : (v) => v, px = (v) => left + ((g(v) - g(x[0])) / (g(x[1]) - g(x[0]) || 1)) * w;
    const py = (v) => top + (1 - (f(v) - low) / (high - low || 1)) * h;
    ctx.textBaseline = "middle";
    ctx.lineWidth = 1;
    const say = (v) => (Math.abs(v) > 0 && Math.abs(v) < 0.001 ? v.toExponential(0) : String(+v.toPrecision(digits + 2))).replace("-", "−");
    ctx.textAlign = "right";
    for (const v of y[1] > y[0] ? lm.ticks(y[0], y[1], log) : []) {
      ctx.fillStyle = theme.line;
      ctx.fillRect(left, Math.round(py(v)), w, 1);
      ctx.fillStyle = theme.muted;
      ctx.fillText(say(v), left - 5, py(v));
    }
    ctx.textAlign = "center";
    let free = -99;
    for (const v of lm.ticks(x[0], x[1], false, Math.max(2, Math.round(w / 60)))) {
      if (px(v) - free < 34) continue;
      ctx.fillText(say(v), Math.min(px(v), width - ctx.measureText(say(v)).width / 2 - 1), top + h + 10);
      free = px(v);
    }
    if (xName) ctx.fillText(xName, left + w / 2, height - 7);
    const line = (points, colour, wide = 1, dash = []) => {
      ctx.beginPath();
      let on = false;
      for (const [a, b] of points) {
        if (!Number.isFinite(b)) { on = false; continue; }
        const v = lm.clamp(py(b), top, top + h);
        if (on) ctx.lineTo(px(a), v);
        else ctx.moveTo(px(a), v);
        on = true;
      }
      ctx.strokeStyle = colour;
      ctx.lineWidth = wide;
      ctx.setLineDash(dash);
      ctx.stroke();
      ctx.setLineDash([]);
    };
    // dashed lines across, each with its name beside it; names are pushed apart
    const levels = (list) => {
      let last = -99;
      ctx.textAlign = "left";
      for (const [name, v] of [...list].sort((a, b) => b[1] - a[1])) {
        if (v < y[0] || v > y[1]) continue;
        const floor = name.includes("floor");
        line([[x[0], v], [x[1], v]], floor ? theme.fg : theme.muted, floor ? 1.5 : 1, floor ? [] : [5, 4]);
        last = Math.max(py(v), last + 13);
        ctx.fillStyle = floor ? theme.fg : theme.muted;
        ctx.fillText(`${name} ${lm.fmt(v, 2)}`, left + w + 5, last);
      }
    };
    return { ctx, px, py, line, levels, left, right, top, w, h, at: (p) => x[0] + ((p - left) / w) * (x[1] - x[0]) };
  },

  // --- heads -------------------------------------------------------------------------
  // undo codec.py's triangle: codes of L * H heads, each T * T
  dense(raw, heads, t, causal) {
    if (!causal) return raw;
    const out = new Uint8Array(heads * t * t);
    let at = 0;
    for (let n = 0; n < heads; n++) for (let i = 0; i < t; i++) for (let j = 0; j <= i; j++) out[(n * t + i) * t + j] = raw[at++];
    return out;
  },
  // a canvas with one small picture for each head; arrows and clicks choose one
  headGrid(pick) {
    const canvas = lm.h("canvas", { role: "img", tabindex: 0, class: "lm-heads" }), left = 30, top = 20;
    let L = 1, H = 1, pitch = 40, at = [0, 0];
    const go = (l, h) => pick(lm.clamp(l, 0, L - 1), lm.clamp(h, 0, H - 1));
    const by = (dl, dh) => () => go(at[0] + dl, at[1] + dh);
    lm.keys(canvas, { ArrowUp: by(-1, 0), ArrowDown: by(1, 0), ArrowLeft: by(0, -1), ArrowRight: by(0, 1) });
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect(), k = canvas.clientWidth / box.width;
      go(Math.floor(((event.clientY - box.top) * k - top) / pitch), Math.floor(((event.clientX - box.left) * k - left) / pitch));
    });
    const small = document.createElement("canvas");
    const paint = (theme, codes, [l, h, t], table, chosen) => {
      [L, H, at] = [l, h, chosen];
      pitch = lm.clamp(Math.floor(330 / H), 22, 84);
      const ctx = lm.fit(canvas, left + H * pitch, top + L * pitch), wide = pitch - 6;
      const image = new ImageData(H * t, L * t), data = new Uint32Array(image.data.buffer);
      const words = table.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
      for (let a = 0; a < L; a++) for (let b = 0; b < H; b++) {
        for (let i = 0; i < t; i++) {
          const from = ((a * H + b) * t + i) * t, to = (a * t + i) * H * t + b * t;
          for (let j = 0; j < t; j++) data[to + j] = words[codes[from + j]];
        }
      }
      small.width = H * t;
      small.height = L * t;
      small.getContext("2d").putImageData(image, 0, 0);
      ctx.imageSmoothingEnabled = wide < t;
      ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
      ctx.textBaseline = "middle";
      ctx.textAlign = "center";
      ctx.fillStyle = theme.muted;
      ctx.fillText("head", 13, 10);
      for (let b = 0; b < H; b++) ctx.fillText(b, left + b * pitch + wide / 2, 10);
      for (let a = 0; a < L; a++) {
        ctx.fillStyle = theme.muted;
        ctx.fillText(a, left - 10, top + a * pitch + wide / 2);
        for (let b = 0; b < H; b++) {
          const x = left + b * pitch, y = top + a * pitch, mine = a === at[0] && b === at[1];
          ctx.drawImage(small, b * t, a * t, t, t, x, y, wide, wide);
          ctx.strokeStyle = mine ? theme.mark : theme.line;
          ctx.lineWidth = mine ? 3 : 1;
          ctx.strokeRect(x - 0.5, y - 0.5, wide + 1, wide + 1);
        }
      }
      ctx.save();
      ctx.fillStyle = theme.muted;
      ctx.translate(7, top + (L * pitch) / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText("layer", 0, 0);
      ctx.restore();
    };
    return { canvas, paint };
  },
  // one head, with the names of its tokens; signed: 128 is nothing, and signs are written
  heat(canvas, theme, codes, from, labels, table, signed = false) {
    const t = labels.length, cell = lm.clamp(Math.floor(260 / Math.max(1, t)), 8, 24), every = Math.ceil(11 / cell);
    const ctx = lm.fit(canvas, 78 + t * cell + 30, 62 + t * cell);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    for (let i = 0; i < t; i++) {
      for (let j = 0; j < t; j++) {
        ctx.fillStyle = lm.rgb(table[codes[from + i * t + j]]);
        ctx.fillRect(78 + j * cell, 58 + i * cell, cell, cell);
        const much = codes[from + i * t + j] - 128;
        if (!signed || Math.abs(much) < 40 || cell < 9) continue;
        ctx.fillStyle = lm.ink(table[much + 128]);
        ctx.textAlign = "center";
        ctx.fillText(much > 0 ? "+" : "−", 78 + (j + 0.5) * cell, 58 + (i + 0.5) * cell);
      }
      if (i % every) continue;
      ctx.fillStyle = theme.fg;
      ctx.textAlign = "right";
      ctx.fillText(lm.clip(labels[i], 10), 73, 58 + (i + 0.5) * cell, 70);
      ctx.save();
      ctx.translate(78 + (i + 0.5) * cell, 53);
      ctx.rotate(-Math.PI / 4);
      ctx.textAlign = "left";
      ctx.fillText(lm.clip(labels[i], 9), 0, 0, 66);
      ctx.restore();
    }
    ctx.strokeStyle = theme.line;
    ctx.lineWidth = 1;
    ctx.strokeRect(77.5, 57.5, t * cell + 1, t * cell + 1);
  },

  // the frame of a view: theme, live region, keyboard help, marker, clean-up
  mount(el, model, { label, keys = [] }) {
    const off = [], painters = [];
    const root = lm.h("div", { class: "lm-view", role: "group", "aria-label": label, "data-lm-suppress-shortcuts": "true" });
    const body = lm.h("div", { class: "lm-body" });
    const live = lm.h("div", { class: "lm-say", role: "status", "aria-live": "polite" });
    const list = [...keys, ["?", "show or hide this list"], ["Tab", "next control"]];
    const help = lm.h("dl", { class: "lm-help", hidden: true },
      list.map(([key, what]) => [lm.h("dt", {}, key), lm.h("dd", {}, what)]));
    const ask = lm.button("?", () => flip(), { class: "lm-ask", "aria-label": "Keyboard help", "aria-expanded": "false" });
    const flip = (open = help.hidden) => {
      help.hidden = !open;
      ask.setAttribute("aria-expanded", open);
    };
    root.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input[type=text], textarea");
      if (event.key === "?" && !typing) flip();
      else if (event.key === "Escape") flip(false);
    });
    root.append(lm.h("div", { class: "lm-title" }, lm.h("span", {}, label), ask), help, body, live);
    el.append(root);

    const ui = { root, body, model, theme: null };
    const dark = () => {
      const b = document.body, h = document.documentElement;
      if (b.dataset.jpThemeLight) return b.dataset.jpThemeLight === "false";
      if (h.getAttribute("theme")) return h.getAttribute("theme") === "dark";
      if (b.dataset.vscodeThemeKind) return /dark|high-contrast$/.test(b.dataset.vscodeThemeKind);
      return matchMedia("(prefers-color-scheme: dark)").matches;
    };
    const paint = () => painters.forEach((f) => f(ui.theme));
    const retheme = () => {
      const name = dark() ? "dark" : "light";
      if (ui.theme?.name === name) return;
      ui.theme = { name, ...lm.themes[name], ramp: lm.table(lm.ramps[name]), signed: lm.table(lm.signed[name]) };
      root.dataset.theme = name;
      for (const [key, colour] of Object.entries(lm.themes[name])) root.style.setProperty("--lm-" + key, colour);
      paint();
    };
    const watch = new MutationObserver(retheme);
    for (const node of [document.body, document.documentElement]) watch.observe(node, { attributes: true });
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", retheme);
    off.push(() => watch.disconnect(), () => media.removeEventListener("change", retheme));

    // f(theme) runs now, on every theme change, and whenever ui.paint() is called
    ui.onPaint = (f) => { painters.push(f); f(ui.theme); };
    let waiting = false;
    ui.paint = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; paint(); });
    };
    let wide = 0;
    const size = new ResizeObserver(() => {
      if (root.clientWidth !== wide) ui.paint();
      wide = root.clientWidth;
    });
    size.observe(root);
    off.push(() => size.disconnect());
    ui.on = (names, f) => names.split(" ").forEach((name) => {
      model.on("change:" + name, f);
      off.push(() => model.off("change:" + name, f));
    });
    ui.message = (f) => {
      model.on("msg:custom", f);
      off.push(() => model.off("msg:custom", f));
    };
    ui.set = (changes) => {
      for (const [name, value] of Object.entries(changes)) model.set(name, value);
      model.save_changes();
    };
    ui.ask = (content) => { try { model.send(content); } catch { /* no kernel behind this page */ } };
    let later = 0;
    ui.say = (text) => {
      clearTimeout(later);
      later = setTimeout(() => { live.textContent = text; }, 120);
    };
    ui.cleanup = (f) => off.push(f);
    // tests wait for this mark: set after the first paint and two frames
    ui.ready = () => requestAnimationFrame(() => requestAnimationFrame(() => { root.dataset.ready = "true"; }));
    ui.dispose = () => { clearTimeout(later); off.forEach((f) => f()); root.remove(); };
    retheme();
    return ui;
  },
};
