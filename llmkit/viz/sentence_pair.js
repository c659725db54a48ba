// Two passages and how surely the second follows the first; other passages to exchange
// it with, and a history to go back to.
function render({ model, el }) {
  const { h } = lm, get = (name) => model.get(name);
  const ui = lm.mount(el, model, {
    label: "Does the second follow the first?",
    keys: [["Tab", "from one passage to the next"], ["Enter or Space", "press a button"]],
  });
  const live = () => get("live") && !get("_static");
  let count = 0, shown = null;  // in a page without a kernel: the passage that was clicked
  const act = (what) => ui.set({ action: { ...what, turn: ++count + Math.random() } });
  const area = (label, name) => {
    const input = h("textarea", { rows: 2, cols: 44, spellcheck: "false", dir: "auto",
      oninput: () => ui.set({ [name]: input.value }) });
    const field = lm.field(label, input);
    field.classList.add("sp-field");
    return { node: field, input, set: (v) => { if (input.value !== v) input.value = v; } };
  };
  const first = area("First", "first"), second = area("Second", "second");
  const swap = lm.button("⇅ Swap", () => act({ do: "swap" }), { "aria-label": "Swap the two passages" });
  const score = h("div", { class: "sp-score", role: "img" });
  const tokens = h("div", { class: "sp-tokens" });
  const note = h("div", { class: "lm-muted" });
  const others = h("div", {}), past = h("div", {});
  ui.body.append(h("div", { class: "sp-pair" }, first.node, swap, second.node), note, score, tokens,
    h("div", { class: "sp-lists" }, others, past));

  const bar = (p, theme, wide = 160) => h("span", { class: "sp-bar", style: `width:${wide}px` },
    h("span", { style: `width:${Math.round(p * wide)}px;background:${p < 0.5 ? "#E69F00" : theme.accent}` }));
  const word = (p) => (p < 0.5 ? "does not follow" : "follows");

  // a list of passages with their bars; a click takes one of them
  function list(title, rows, theme, take, enabled) {
    if (!rows.length) return [];
    return [h("div", { class: "sp-head" }, title), ...rows.map(([label, p, at]) => h("div", { class: "sp-row" },
      bar(p ?? 0, theme, 90), h("span", { class: "lm-number" }, p == null ? "–" : lm.percent(p)),
      lm.button(label, () => take(at, p), { dir: "auto", class: "sp-take", disabled: !enabled,
        "aria-label": `${label}: ${p == null ? "not judged" : `${word(p)}, ${lm.percent(p)}`}` })))];
  }

  function draw(theme) {
    const { follows, swapped, tokens: labels, segments, others: scores, note: told } = get("frame");
    const at = live() ? null : shown, a = get("first"), list2 = get("others");
    const p = at == null ? follows : at === "swap" ? swapped : scores[at];
    const b = at == null || at === "swap" ? get("second") : list2[at];
    first.set(at === "swap" ? b : a);
    second.set(at === "swap" ? a : b);
    for (const x of [first.input, second.input]) x.disabled = !live();
    swap.disabled = p == null;
    note.textContent = [told, live() ? "" : "Run the cell to type passages of your own."].filter(Boolean).join(" ");
    note.hidden = !note.textContent;
    if (p == null) score.replaceChildren("Nothing to judge yet.");
    else {
      const line = `${word(p)[0].toUpperCase()}${word(p).slice(1)}: ${lm.percent(p)} that it does`;
      score.replaceChildren(bar(p, theme, 320), h("b", {}, line),
        h("span", { class: "lm-muted" }, swapped == null || at != null ? "" : `swapped: ${lm.percent(swapped)}`));
      score.setAttribute("aria-label", line);
    }
    tokens.replaceChildren(...(at == null ? labels : []).map((t, i) => h("bdi", { class: "sp-token", "data-segment": segments[i],
      title: `segment ${segments[i]}` }, t)));
    others.replaceChildren(...list("Put another passage second", list2.map((t, i) => [t, scores[i], i]), theme,
      (i, q) => {
        if (live()) act({ do: "other", at: i });
        else { shown = shown === i ? null : i; ui.paint(); }
        ui.set({ selection: { first: a, second: list2[i], follows: q } });
      }, true));
    past.replaceChildren(...list("Tried so far", get("history").map(([x, y, q], i) => [`${x} → ${y}`, q, i]).reverse(), theme,
      (i, q) => {
        const [x, y] = get("history")[i];
        act({ do: "back", at: i });
        ui.set({ selection: { first: x, second: y, follows: q } });
      }, live()));
  }
  let heard = "";
  const tell = () => {
    const p = get("frame").follows, line = p == null ? "nothing to judge" : `${word(p)}, ${lm.percent(p)}`;
    if (heard && heard !== line) ui.say(line);
    heard = line;
  };
  swap.addEventListener("click", () => { if (!live()) { shown = shown === "swap" ? null : "swap"; ui.paint(); } });
  ui.on("frame first second others history", ui.paint);
  ui.on("frame", tell);
  ui.onPaint(draw);
  tell();
  ui.ready();
  return ui.dispose;
}
