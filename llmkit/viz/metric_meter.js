// Scores of an edited sentence, with the words that match marked. All numbers come from
// Python; in a page without a kernel the examples are answered in advance.
function render({ model, el }) {
  const { h } = lm, get = (name) => model.get(name), still = get("_static");
  const NAMES = { hit: "matches", clip: "used up: it counts no more", miss: "no match", none: "too short for such a run" };
  const MOST = 160; // words drawn of one text
  const ui = lm.mount(el, model, {
    label: "Metric meter: edit the candidate, watch the scores",
    keys: [["← →", "move from word to word of the candidate"], ["Home / End", "first or last word"], ["Enter", "keep the word for Python"], ["1 – 4", "length of the runs"]],
  });
  let now = get("now"), at = -1;

  // --- controls
  const area = (label, name) => {
    const input = h("textarea", { rows: 1, spellcheck: "false", dir: "auto", readonly: still });
    input.value = get(name);
    input.addEventListener("input", () => ui.set({ [name]: input.value }));
    const node = h("div", { class: "mm-row" });
    const field = lm.field(label, input);
    node.append(...field.childNodes);
    return { node, set: (v) => { if (input.value !== v) input.value = v; input.rows = v.split("\n").length; } };
  };
  const candidate = area("Candidate", "candidate"), references = area("References, one a line", "references");
  const samples = get("samples");
  const sample = lm.select("Example", [["-1", "my own text"], ...samples.map((s, i) => [String(i), s[0]])], String(get("sample")), (v) => ui.set({ sample: +v }));
  const splitter = lm.select("A word for BLEU", get("splitters"), get("splitter"), (v) => ui.set({ splitter: v }));
  const order = lm.choice("Length of the runs", [1, 2, 3, 4].map((n) => [n, String(n)]), get("order"), (v) => ui.set({ order: v }));
  const keep = lm.button("Compare with this from now on", () => ui.set({ before: now.scores }));
  const words = h("div", { class: "mm-words", tabindex: 0, role: "application" });
  const others = h("div", {}), lesson = h("p", { class: "mm-lesson" }), scores = h("div", { class: "mm-scores" }), runs = h("p", { class: "mm-runs lm-muted" });
  const key = h("span", { class: "mm-key" }, h("span", { class: "mm-word hit" }, "matches"), h("span", { class: "mm-word clip" }, "used up"), h("span", { class: "mm-word miss" }, "no match"));
  ui.body.append(
    h("div", { class: "lm-bar" }, samples.length ? sample.node : null, still ? null : splitter.node), lesson,
    candidate.node, references.node,
    h("div", { class: "lm-bar" }, h("span", { class: "lm-muted" }, "Mark runs of"), order.node, h("span", { class: "lm-muted" }, "words"), key),
    h("div", { class: "mm-row" }, h("span", { class: "lm-muted" }, "Candidate"), words), others,
    scores, runs, still ? "" : h("div", { class: "lm-bar" }, keep),
    still ? h("div", { class: "lm-muted" }, "No kernel behind this page: choose an example. Run the cell to edit the text.") : "");

  // --- words
  const chips = (list, states, mine) => {
    const nodes = list.slice(0, MOST).map((word, i) => h("span", { class: "mm-word " + states[i] + (mine && i === at ? " on" : ""), dir: "auto",
      onclick: mine ? () => { point(i); pin(); } : null, title: NAMES[states[i]] }, word));
    if (list.length > MOST) nodes.push(h("span", { class: "lm-muted" }, `… ${list.length - MOST} more`));
    return nodes.length ? nodes : [h("span", { class: "lm-muted" }, "(no words)")];
  };
  function paint() {
    const n = get("order") - 1;
    words.replaceChildren(...chips(now.words, now.states[n], true));
    const hits = now.states[n].filter((s) => s === "hit").length;
    words.setAttribute("aria-label", `${now.words.length} words, ${hits} of them in a matching run of ${n + 1}. Arrow keys move from word to word.`);
    others.replaceChildren(...now.references.slice(0, 4).map((r, i) => h("div", { class: "mm-row" }, h("span", { class: "lm-muted" }, `Reference ${i + 1}`),
      h("div", { class: "mm-words" }, chips(r.words, r.states[n])))));
    const before = get("before");
    scores.replaceChildren(...now.scores.flatMap(([name, value, most], i) => {
      const digits = most > 1 ? 1 : 3, was = before[i] ? before[i][1] : value, moved = value - was;
      return [h("span", {}, name),
        h("span", { class: "mm-bar" }, h("span", { class: "mm-fill", style: `width:${(100 * value) / most}%` }),
          h("span", { class: "mm-was", style: `left:calc(${(100 * was) / most}% - 1px)` })),
        h("b", {}, lm.fmt(value, digits)),
        h("span", { class: "lm-muted" }, Math.abs(moved) < 1e-9 ? "as before" : (moved > 0 ? "▲ +" : "▼ ") + moved.toFixed(digits).replace("-", "−"))];
    }));
    runs.textContent = "Runs that match: " + now.runs.map(([k, a, b]) => `${a} of ${b} with ${k} ${k > 1 ? "words" : "word"}`).join(", ") + ". " + now.note;
    const chosen = samples[get("sample")];
    lesson.textContent = chosen ? chosen[3] : "Your own text. The marks on the bars show where the scores stood before.";
  }
  const point = (i) => {
    if (!now.words.length) return;
    at = lm.clamp(i, 0, Math.min(now.words.length, MOST) - 1);
    const n = get("order");
    ui.say(`${now.words[at]}: ${n > 1 ? `in a run of ${n}, ` : ""}${NAMES[now.states[n - 1][at]]}`);
    ui.paint();
  };
  const pin = () => {
    if (at >= 0 && at < now.words.length) ui.set({ selection: { word: at, text: now.words[at], state: now.states[get("order") - 1][at], order: get("order") } });
  };
  lm.keys(words, { ArrowRight: () => point(at + 1), ArrowLeft: () => point(at - 1), Home: () => point(0), End: () => point(1e9), Enter: pin,
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [n, () => ui.set({ order: n })])) });

  // --- changes from either side
  function refresh() {
    if (still && get("sample") >= 0) {
      const [, text, right] = samples[get("sample")];
      if (text !== get("candidate") || right !== get("references")) ui.set({ candidate: text, references: right });
      const answer = get("answers")[get("sample")];
      if (answer && answer !== now) { now = answer; ui.set({ before: now.scores }); }
    } else now = get("now");
    at = Math.min(at, now.words.length - 1);
    candidate.set(get("candidate"));
    references.set(get("references"));
    sample.set(String(get("sample")));
    splitter.set(get("splitter"));
    order.set(get("order"));
    ui.paint();
  }
  ui.on("now before order sample candidate references", refresh);
  ui.on("selection", () => { const { word = at } = get("selection"); if (word !== at) { at = Math.min(word, now.words.length - 1); ui.paint(); } });
  at = get("selection").word ?? -1;
  refresh();
  ui.onPaint(paint);
  ui.ready();
  return ui.dispose;
}
