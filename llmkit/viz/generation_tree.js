// The generation tree: columns are places in the text, boxes are tokens. Python grows it
// and says which row a token stands in; the slider, the numbers and the paths live here.

// a sign for every fate, the same as in generation_tree.py
const SIGNS = { chosen: "●", passed: "○", kept: "●", pruned: "✂", finished: "■", accepted: "✓",
  rejected: "✗", unread: "?", own: "+" };
const MEANING = { chosen: "taken", passed: "not taken", kept: "kept", pruned: "pruned", finished: "finished",
  accepted: "guess accepted", rejected: "guess rejected", unread: "guess not looked at", own: "the model's own token" };
const DROPPED = ["passed", "pruned", "rejected", "unread"];
const W = 92, GAP = 26, H = 32, STEP = 38, LEFT = 92, TOP = 8;

// unpack [time, depth, row, parent, label, log-prob, total, fate]
function unpackNodes(list, penalty) {
  return list.map(([time, depth, row, parent, token, log_prob, total, fate]) => ({ time, depth, row, parent, token,
    log_prob, total, fate, score: total == null ? null : total / (depth + 1) ** penalty }));
}
function pathTo(nodes, i) {
  const found = [];
  for (; i !== -1; i = nodes[i].parent) found.unshift(i);
  return found;
}
// everything that a branch still alive at some time goes through
function aliveAt(nodes, time) {
  const alive = new Set();
  nodes.forEach((n, i) => {
    const here = n.time === time && !DROPPED.includes(n.fate);
    if (here || (n.fate === "finished" && n.time <= time)) pathTo(nodes, i).forEach((j) => alive.add(j));
  });
  return alive;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const ui = lm.mount(el, model, { label: "What a decoding method looked at",
    keys: [["← →", "token before, token after"], ["↑ ↓", "other tokens at the same place"], ["Home / End", "first, last turn"],
      ["Enter", "continue from the token"], ["Backspace", "back to the prompt before"]] });
  const live = get("live") && !get("_static");
  let nodes = [], alive = new Set(), best = new Set(), last = 0, at = 0;

  // --- controls ------------------------------------------------------------------
  const names = { greedy: "greedy", sampling: "sampling", beam: "beam", speculative: "speculative" };
  const mode = lm.choice("Method", get("modes").map((m) => [m, names[m]]), get("mode"), (m) => ui.set({ mode: m }));
  const knob = (name, label, options) => {
    const control = lm.slider(label, { ...options, value: get("knobs")[name] }, () => {});
    // a new tree is grown when the slider is let go or stepped, not on every pixel
    control.input.addEventListener("change", () => ui.set({ knobs: { ...get("knobs"), [name]: +control.input.value } }));
    return { name, ...control };
  };
  const whole = (min, max) => ({ min, max, step: 1, show: String });
  const knobs = [knob("tokens", "Tokens", whole(1, 20)), knob("beams", "Beams", whole(1, 6)),
    knob("length_penalty", "Length penalty", { min: -1, max: 2, step: 0.25 }),
    knob("temperature", "Temperature", { min: 0.1, max: 2, step: 0.1, show: (v) => lm.fmt(v, 1) }),
    knob("top_k", "Top-k", { min: 0, max: 20, step: 1, show: (v) => (v ? String(v) : "off") }),
    knob("top_p", "Top-p", { min: 0.05, max: 1, step: 0.05 }), knob("guesses", "Guesses", whole(1, 8))];
  const uses = { greedy: [], sampling: ["temperature", "top_k", "top_p"], beam: ["beams", "length_penalty"], speculative: ["guesses"] };
  const dice = lm.button("New dice", () => ui.set({ knobs: { ...get("knobs"), seed: get("knobs").seed + 1 } }));
  // a field of one line would drop the ends of lines
  const shown = (prompt) => prompt.replaceAll("\n", "⏎");
  const text = lm.text("Prompt", shown(get("text")), () => {}, { size: 44 });
  text.input.addEventListener("change", () => ui.set({ text: text.input.value.replaceAll("⏎", "\n") }));
  const time = lm.slider("Turn", { min: 0, max: 1, step: 1, value: 0, show: (v) => `${+v + 1} of ${last + 1}` },
    (v) => ui.set({ time: v >= last ? -1 : v }));
  const measure = lm.select("Number", [["log_prob", "log-probability"], ["total", "sum so far"], ["score", "sum ÷ lengthᵖ"]],
    get("measure"), (v) => ui.set({ measure: v }));
  const go = lm.button("Continue from this token", () => ui.ask({ do: "continue", node: at }));
  const back = lm.button("Back", () => ui.ask({ do: "back" }));
  const note = lm.h("p", { class: "gt-note" });
  const canvas = lm.h("canvas", { role: "application", tabindex: 0 });
  const scroll = lm.h("div", { class: "gt-scroll" }, canvas);
  const legend = lm.h("p", { class: "gt-note lm-muted" }), out = lm.h("ol", { class: "gt-texts" });
  const facts = lm.h("div", { class: "gt-facts" });
  ui.body.append(lm.h("div", { class: "lm-bar" }, live ? [mode.node, text.node] : null),
    lm.h("div", { class: "lm-bar" }, live ? [knobs.map((k) => k.node), dice] : null),
    lm.h("div", { class: "lm-bar" }, time.node, measure.node, live ? [go, back] : null),
    scroll, legend, facts, note, lm.h("div", { class: "gt-head" }, "The text, and its score"), out);

  // --- state ---------------------------------------------------------------------
  const now = () => (get("time") < 0 ? last : Math.min(get("time"), last));
  const seen = (n) => n.time <= now();
  function receive() {
    nodes = unpackNodes(get("nodes"), get("knobs").length_penalty);
    last = nodes.reduce((m, n) => Math.max(m, n.time), 0);
    const end = get("texts").length ? get("texts")[0][2] : -1;
    best = new Set(nodes.length && end >= 0 ? pathTo(nodes, end) : []);
    at = lm.clamp(end, 0, Math.max(0, nodes.length - 1));
    tell(false);
    refresh();
  }
  function refresh() {
    const using = uses[get("mode")];
    mode.set(get("mode"));
    for (const k of knobs) {
      k.set(get("knobs")[k.name]);
      k.node.hidden = k.name !== "tokens" && !using.includes(k.name);
    }
    dice.hidden = get("mode") !== "sampling";
    text.set(shown(get("text")));
    time.input.max = Math.max(1, last);
    time.input.disabled = last === 0;
    time.set(now());
    measure.set(get("measure"));
    back.disabled = !get("can_back");
    go.disabled = !nodes.length;
    note.textContent = get("note");
    alive = aliveAt(nodes, now());
    out.replaceChildren(...get("texts").map(([t, score]) => lm.h("li", {}, lm.h("bdi", {}, t.replace(/\n/g, "⏎") || "∅"), lm.h("span", { class: "lm-muted" }, "  " + lm.fmt(score)))));
    const fates = [...new Set(nodes.map((n) => n.fate))];
    legend.textContent = fates.map((f) => `${SIGNS[f]} ${MEANING[f]}${DROPPED.includes(f) ? " (dashed)" : ""}`).join("  ·  ") +
      "  ·  thick frame: the branches alive at this turn";
    ui.paint();
  }
  const value = (n) => n[get("measure")];
  function tell(speak = true) {
    const n = nodes[at];
    if (!n) { facts.replaceChildren(); return; }
    const power = lm.fmt(get("knobs").length_penalty, 2);
    facts.replaceChildren(lm.rows(["token", "place", "fate", "log-prob", "probability", "sum", `sum ÷ ${n.depth + 1}^${power}`],
      [[n.token, String(n.depth + 1), `${SIGNS[n.fate]} ${MEANING[n.fate]}`, n.log_prob ?? "–",
        n.log_prob == null ? "–" : lm.percent(Math.exp(n.log_prob)), n.total ?? "–", n.score ?? "–"]]));
    if (speak) ui.say(`${n.token}, place ${n.depth + 1}, ${MEANING[n.fate]}, log-probability ${lm.fmt(n.log_prob)}, sum ${lm.fmt(n.total)}`);
  }
  function choose(i) {
    if (!nodes[i]) return;
    at = i;
    const { token, depth, log_prob, total, score, fate } = nodes[i];
    ui.set({ selection: { node: i, token, depth, log_prob, total, score, fate } });
    tell();
    const x = LEFT + nodes[i].depth * (W + GAP);
    if (x < scroll.scrollLeft) scroll.scrollLeft = x - GAP;
    else if (x + W > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = x + W + GAP - scroll.clientWidth;
    ui.paint();
  }

  // --- drawing -------------------------------------------------------------------
  const place = (n) => [LEFT + n.depth * (W + GAP), TOP + n.row * STEP];
  function draw(theme) {
    const wide = nodes.reduce((m, n) => Math.max(m, n.depth + 1), 1), tall = nodes.reduce((m, n) => Math.max(m, n.row + 1), 1);
    const width = LEFT + wide * (W + GAP), height = TOP * 2 + tall * STEP;
    const ctx = lm.fit(canvas, width, height);
    ctx.clearRect(0, 0, width, height);
    ctx.textBaseline = "middle";
    const prompt = get("prompt");
    ctx.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    ctx.fillStyle = theme.muted;
    ctx.fillText("… " + lm.clip(prompt[prompt.length - 1] || "", 9), 4, TOP + H / 2);
    const drawn = nodes.map((n, i) => [n, i]).filter(([n]) => seen(n));
    // what was dropped first, so that what lives lies on top
    const order = ([n, i]) => (DROPPED.includes(n.fate) ? 0 : alive.has(i) ? 2 : 1);
    drawn.sort((a, b) => order(a) - order(b));
    for (const [n, i] of drawn) {
      const [x, y] = place(n), from = n.parent < 0 ? [LEFT - 14 - W, TOP] : place(nodes[n.parent]);
      const x0 = n.parent < 0 ? LEFT - 14 : from[0] + W, y0 = from[1] + H / 2;
      const dropped = DROPPED.includes(n.fate), strong = alive.has(i);
      ctx.setLineDash(dropped ? [4, 3] : []);
      ctx.strokeStyle = strong ? theme.accent : theme.control;
      ctx.lineWidth = strong ? 2.5 : 1;
      ctx.beginPath();
      ctx.moveTo(x0, y0);
      ctx.bezierCurveTo(x0 + GAP / 2, y0, x - GAP / 2, y + H / 2, x, y + H / 2);
      ctx.stroke();
    }
    for (const [n, i] of drawn) {
      const [x, y] = place(n), dropped = DROPPED.includes(n.fate), strong = alive.has(i);
      ctx.setLineDash(dropped ? [4, 3] : []);
      ctx.lineWidth = strong ? 2 : 1;
      ctx.fillStyle = strong ? theme.panel : theme.bg;
      ctx.strokeStyle = strong ? theme.accent : theme.control;
      ctx.fillRect(x, y, W, H);
      ctx.strokeRect(x + 0.5, y + 0.5, W - 1, H - 1);
      if (i === at) {
        ctx.setLineDash([]);
        ctx.lineWidth = 3;
        ctx.strokeStyle = theme.mark;
        ctx.strokeRect(x - 1.5, y - 1.5, W + 3, H + 3);
      }
      ctx.fillStyle = dropped || !strong ? theme.muted : theme.fg;
      ctx.font = `${best.has(i) && now() === last ? "600 " : ""}12px system-ui, 'DejaVu Sans', sans-serif`;
      ctx.fillText(`${SIGNS[n.fate]} ${lm.clip(n.token, 10)}`, x + 5, y + 10);
      ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
      const number = value(n) == null ? "–" : lm.fmt(value(n), 2);
      ctx.fillText(number, x + 5, y + 24);
      if (n.log_prob != null) {
        // a bar as long as the token was likely
        ctx.fillRect(x + 44, y + 22, Math.max(1, (W - 50) * Math.exp(n.log_prob)), 4);
      }
    }
    ctx.setLineDash([]);
    canvas.setAttribute("aria-label", `Tree of ${nodes.length} tokens, ${get("mode")}. Arrow keys move from token to token.`);
    canvas.dataset.nodes = drawn.length;
  }

  // --- pointing ------------------------------------------------------------------
  canvas.addEventListener("click", (event) => {
    const hit = nodes.findIndex((n) => {
      const [x, y] = place(n);
      return seen(n) && event.offsetX >= x && event.offsetX <= x + W && event.offsetY >= y && event.offsetY <= y + H;
    });
    if (hit >= 0) choose(hit);
  });
  canvas.addEventListener("dblclick", () => { if (live) go.click(); });
  const beside = (by) => () => {
    const n = nodes[at];
    if (!n) return;
    const column = nodes.map((m, i) => [m, i]).filter(([m]) => m.depth === n.depth && seen(m)).sort((a, b) => a[0].row - b[0].row);
    const next = column[column.findIndex(([, i]) => i === at) + by];
    if (next) choose(next[1]);
  };
  const child = () => {
    const children = nodes.map((m, i) => [m, i]).filter(([m]) => m.parent === at && seen(m)).sort((a, b) => a[0].row - b[0].row);
    if (children.length) choose(children[0][1]);
  };
  lm.keys(canvas, { ArrowLeft: () => nodes[at] && choose(nodes[at].parent), ArrowRight: child, ArrowUp: beside(-1),
    ArrowDown: beside(1), Home: () => ui.set({ time: 0 }), End: () => ui.set({ time: -1 }),
    Enter: () => live && go.click(), Backspace: () => live && back.click() });

  ui.on("nodes texts", receive);
  ui.on("mode knobs text note can_back measure prompt", refresh);
  ui.on("time", refresh);
  ui.on("selection", () => {
    const { node } = get("selection");
    if (node != null && node !== at && nodes[node]) { at = node; tell(false); ui.paint(); }
  });
  ui.onPaint(draw);
  receive();
  ui.ready();
  return ui.dispose;
}
