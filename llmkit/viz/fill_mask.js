// Fill in the blank: a strip of words that can be hidden, and bars of what might stand
// there, read from both sides, from the left alone and from the right alone.
function render({ model, el }) {
  const { h } = lm, get = (name) => model.get(name);
  const ui = lm.mount(el, model, {
    label: "Fill in the blank",
    keys: [["← →", "move from word to word"], ["Enter or Space", "hide or show the word"],
      ["↑ ↓", "move among the candidates"], ["Enter on a candidate", "put it into the text"]],
  });
  const live = () => get("live") && !get("_static");
  // a page without a kernel keeps one answer for each word that can be hidden
  let chosen = null;
  const frame = () => (get("_static") && chosen !== null && get("prepared")[chosen]) || get("frame");
  let focus = 0, count = 0;

  // --- controls ------------------------------------------------------------------
  const text = lm.text("Text", get("text"), (x) => ui.set({ text: x }), { size: 60 });
  const strip = h("div", { class: "fm-strip", role: "toolbar", "aria-label": "Words: press to hide or show" });
  const blanks = h("div", { class: "lm-bar" });
  const pin = lm.toggle("Keep these bars to compare", get("pinned"), (x) => ui.set({ pinned: x }));
  const helps = lm.toggle("Show what each neighbour contributes", get("neighbours"), (x) => ui.set({ neighbours: x }));
  const note = h("div", { class: "lm-muted" });
  const bars = h("div", { class: "fm-bars" });
  const kept = h("div", { class: "lm-muted" });
  const scale = h("div", { class: "lm-muted fm-scale" });
  ui.body.append(h("div", { class: "lm-bar" }, text.node), strip, scale, blanks,
    h("div", { class: "lm-bar" }, pin.node, helps.node), note, bars, kept);

  // --- the words -----------------------------------------------------------------
  function flip(at) {
    const { free, masked, tokens } = frame();
    if (!free[at]) return;
    const on = !masked.includes(at);
    if (live()) ui.set({ masked: on ? [...masked, at].sort((a, b) => a - b) : masked.filter((x) => x !== at) });
    else if (get("prepared")[at]) {
      chosen = at;
      draw();
    }
    ui.say(`${tokens[at]} ${on ? "hidden" : "shown"}`);
  }
  const step = (by) => () => {
    const { free } = frame();
    for (let at = focus + by; at >= 0 && at < free.length; at += by) {
      if (!free[at]) continue;
      focus = at;
      [...strip.children].forEach((b, i) => { b.tabIndex = i === at ? 0 : -1; });
      strip.children[at].focus();
      return;
    }
  };
  lm.keys(strip, { ArrowRight: step(1), ArrowLeft: step(-1) });

  function drawStrip(theme) {
    const { tokens, free, masked, slot, influence } = frame();
    const held = strip.contains(document.activeElement);
    if (!free[focus]) focus = Math.max(0, free.indexOf(true));
    const most = influence ? Math.max(1e-6, ...influence.map((x, i) => (i === slot ? 0 : Math.abs(x)))) : 0;
    strip.replaceChildren(...tokens.map((token, i) => {
      const hidden = masked.includes(i), help = influence && free[i] && i !== slot ? influence[i] : null;
      const bar = help != null && h("span", { class: "fm-help " + (help < 0 ? "down" : "up"),
        style: `height:${Math.round(14 * Math.abs(help) / most)}px;background:${help < 0 ? theme.mark : theme.accent}` });
      return h("button", { type: "button", class: "fm-word", dir: "auto", disabled: !free[i], tabindex: i === focus ? 0 : -1,
        "aria-pressed": String(hidden), "data-slot": i === slot, "data-lm-suppress-shortcuts": "true",
        title: help == null ? null : `hidden too, the answer would lose ${lm.fmt(help * 100, 1)} points`,
        onclick: () => { focus = i; flip(i); } },
        h("span", {}, hidden ? "[MASK]" : token), h("span", { class: "fm-under" }, bar || null));
    }));
    if (held) strip.children[focus]?.focus();
    scale.textContent = influence && slot >= 0 ? `Bars under the words: how many points of probability the answer loses when this word is `
      + `hidden too (highest bar ${lm.fmt(most * 100, 1)}; orange: it would gain).` : "";
    scale.hidden = !scale.textContent;
  }

  function drawBlanks() {
    const { tokens, masked, slot, others } = frame();
    blanks.hidden = masked.length < 2;
    if (blanks.hidden) return;
    const pick = lm.choice("Which blank", masked.map((at, k) => [at, `${k + 1}: ${others[k][0]} ${lm.percent(others[k][1])}`]), slot,
      (at) => ui.set({ slot: at }));
    blanks.replaceChildren(h("span", { class: "lm-muted" }, "Blanks, each with its likeliest word:"), pick.node);
  }

  // --- the candidates ------------------------------------------------------------
  const COLUMNS = ["both sides", "left only", "right only", "kept"];
  function drawBars(theme) {
    const { rows, answer, slot, rank, pin: pinned, tokens } = frame();
    bars.hidden = !rows.length;
    if (!rows.length) return bars.replaceChildren();
    const held = bars.contains(document.activeElement) ? [...bars.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    const most = Math.max(1e-9, ...rows.flatMap((r) => r.slice(2)));
    const columns = COLUMNS.slice(0, rows[0].length - 2);
    const colours = [theme.accent, "#E69F00", "#009E73", theme.muted];
    const body = rows.map(([id, word, ...p], k) => h("tr", {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "fm-put", dir: "auto", tabindex: k ? -1 : 0, disabled: !live(),
        "aria-label": `${word}, ${lm.percent(p[0])}; put it into the text`,
        onfocus: () => ui.set({ selection: { id, token: word, ...Object.fromEntries(columns.map((c, i) => [c, p[i]])) } }),
        onclick: () => ui.set({ action: { do: "fill", id, turn: ++count + Math.random() } }) }, word),
        id === answer ? h("span", { class: "fm-was" }, " ← the text") : null),
      p.map((x, i) => h("td", {}, h("span", { class: "fm-bar", style: `width:${Math.round(90 * x / most)}px;background:${colours[i]}` }),
        h("span", { class: "lm-number" }, lm.percent(x))))));
    bars.replaceChildren(h("table", { class: "lm-table" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "candidate"), columns.map((c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, body)));
    const buttons = [...bars.querySelectorAll("button")];
    if (held >= 0) buttons[Math.min(held, buttons.length - 1)].focus();
    const best = `${rows[0][1]} ${lm.percent(rows[0][2])}`;
    kept.textContent = (answer >= 0 ? `The word of the text is number ${rank} of its list. ` : "") + (pinned ? `Kept: “${pinned}”.` : "");
    if (slot >= 0 && !strip.contains(document.activeElement)) ui.say(`Likeliest: ${best}`);
  }
  const climb = (by) => () => {
    const all = [...bars.querySelectorAll("button")], at = all.indexOf(document.activeElement);
    const next = all[lm.clamp(at + by, 0, all.length - 1)];
    all.forEach((b) => { b.tabIndex = b === next ? 0 : -1; });
    next.focus();
  };
  lm.keys(bars, { ArrowDown: climb(1), ArrowUp: climb(-1) });

  function draw() {
    const one = frame();
    text.set(get("text"));
    text.input.disabled = !live();
    pin.set(get("pinned"));
    pin.input.disabled = !live() || one.slot < 0;
    helps.set(get("neighbours"));
    helps.input.disabled = !live();
    note.textContent = [one.note, live() ? "" : "Click a word to hide it alone. Run the cell to change the text."].filter(Boolean).join(" ");
    note.hidden = !note.textContent;
    if (!one.rows.length) kept.textContent = "";
    drawStrip(ui.theme);
    drawBlanks();
    drawBars(ui.theme);
  }
  ui.on("frame pinned neighbours text", ui.paint);
  ui.onPaint(draw);
  ui.ready();
  return ui.dispose;
}
