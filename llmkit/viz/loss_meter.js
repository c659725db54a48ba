// Scores by slider, shares as bars, the loss on its curve, the gradient as arrows.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "The loss of one guess",
    keys: [["← →", "move a score"], ["↑ ↓", "on the picture: choose a token"], ["Enter", "on the picture: make it the right one"]],
  });
  const tokens = model.get("tokens"), n = tokens.length, even = Math.log(model.get("among")), TOP = Math.max(7, even + 1.5), W = 360, ROW = 30, H = n * ROW + 26, C = 250;
  let at = model.get("target");
  const change = (i, v) => ui.set({ logits: model.get("logits").map((x, k) => (k === i ? v : x)) });
  const sliders = tokens.map((t, i) => lm.slider(t, { min: -8, max: 8, step: 0.1, value: model.get("logits")[i], show: (v) => lm.fmt(v, 1) }, (v) => { at = i; change(i, v); }));
  const right = lm.select("Right token", tokens.map((t, i) => [i, t]), model.get("target"), (v) => ui.set({ target: +v }));
  const smooth = lm.slider("Label smoothing", { min: 0, max: 0.9, step: 0.05, value: model.get("smoothing") }, (v) => ui.set({ smoothing: v }));
  const down = lm.button("One step downhill", () => {
    const { gradient } = compute();
    // a rate of 1 on the scores themselves
    ui.set({ logits: model.get("logits").map((x, i) => lm.clamp(x - gradient[i], -8, 8)) });
  });
  const back = lm.button("Back", () => ui.set({ logits: model.get("first").slice() }));
  const bars = lm.h("canvas", { role: "img", tabindex: 0 }), curve = lm.h("canvas", { role: "img" });
  const sum = lm.h("p", { class: "ls-sum" });
  const rows = sliders.map((s) => {
    s.node.querySelector("label").classList.add("ls-token");
    return lm.h("div", { class: "ls-row" }, s.node);
  });
  const prompt = model.get("prompt");
  ui.body.append(
    prompt ? lm.h("p", { class: "ls-prompt", dir: "auto" }, prompt + " …") : "",
    lm.h("div", { class: "lm-bar" }, right.node, smooth.node, down, back),
    lm.h("div", { class: "ls-both" }, lm.h("div", { class: "ls-grid" }, rows), bars, curve), sum);

  function compute() {
    const x = model.get("logits"), t = model.get("target"), s = model.get("smoothing"), top = Math.max(...x);
    const sizes = x.map((v) => Math.exp(v - top)), all = sizes.reduce((a, b) => a + b, 0);
    const shares = sizes.map((v) => v / all), wanted = x.map((_, i) => s / n + (i === t ? 1 - s : 0));
    const loss = wanted.reduce((sumSoFar, w, i) => sumSoFar + w * (top + Math.log(all) - x[i]), 0);
    return { shares, wanted, loss, gradient: shares.map((p, i) => p - wanted[i]) };
  }
  function paintBars(theme) {
    const { shares, wanted, gradient } = compute(), ctx = lm.fit(bars, W, H), half = W / 2, g0 = half + 88;
    ctx.clearRect(0, 0, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.muted;
    ctx.textAlign = "left";
    ctx.fillText("share (frame: target)", 4, 10);
    ctx.textAlign = "center";
    ctx.fillText("gradient: share − target", g0, 10);
    tokens.forEach((_, i) => {
      const y = 22 + i * ROW, wide = half - 56;
      if (i === at) {
        ctx.fillStyle = theme.panel;
        ctx.fillRect(0, y - 1, W, ROW - 2);
      }
      ctx.fillStyle = theme.accent;
      ctx.fillRect(4, y + 4, shares[i] * wide, ROW - 12);
      ctx.strokeStyle = theme.mark;
      ctx.lineWidth = 2;
      if (wanted[i] > 0) ctx.strokeRect(4, y + 4, Math.max(2, wanted[i] * wide), ROW - 12);
      ctx.fillStyle = theme.fg;
      ctx.textAlign = "left";
      ctx.fillText(lm.percent(shares[i]), half - 46, y + ROW / 2 - 2);
      // the arrow shows where a step goes: against the gradient
      const long = -gradient[i] * 70, mid = y + ROW / 2 - 2;
      ctx.strokeStyle = ctx.fillStyle = long < 0 ? theme.mark : theme.accent;
      ctx.beginPath();
      ctx.moveTo(g0, mid);
      ctx.lineTo(g0 + long, mid);
      ctx.stroke();
      if (Math.abs(long) > 3) {
        const tip = Math.sign(long) * 6;
        ctx.beginPath();
        ctx.moveTo(g0 + long + tip, mid);
        ctx.lineTo(g0 + long, mid - 4);
        ctx.lineTo(g0 + long, mid + 4);
        ctx.fill();
      }
      ctx.fillStyle = theme.fg;
      ctx.textAlign = long < 0 ? "left" : "right";
      ctx.fillText((gradient[i] > 0 ? "+" : "") + lm.fmt(gradient[i], 2), g0 + (long < 0 ? 8 : -8), mid);
    });
    bars.setAttribute("aria-label", tokens.map((t, i) => `${t}: ${lm.percent(shares[i])}, gradient ${lm.fmt(gradient[i], 2)}`).join("; "));
  }
  function paintCurve(theme) {
    const { shares, loss } = compute(), p = shares[model.get("target")], h = Math.max(150, Math.min(H, 210)), ctx = lm.fit(curve, C, h);
    const x = (v) => 34 + v * (C - 44), y = (v) => 8 + (v / TOP) * (h - 42);
    const flip = (v) => h - 34 - (y(Math.min(v, TOP)) - 8);
    ctx.clearRect(0, 0, C, h);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    for (let v = 0; v < TOP; v += 2) {
      ctx.strokeStyle = theme.line;
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(34, flip(v));
      ctx.lineTo(C - 10, flip(v));
      ctx.stroke();
      ctx.fillStyle = theme.muted;
      ctx.textAlign = "right";
      ctx.fillText(v, 28, flip(v));
    }
    ctx.textAlign = "center";
    for (const v of [0, 0.5, 1]) ctx.fillText(v, x(v), h - 24);
    ctx.fillText("loss (nats)", (34 + C - 10) / 2, 8);
    ctx.fillText("share of the right token", (34 + C - 10) / 2, h - 8);
    ctx.setLineDash([5, 4]);
    ctx.strokeStyle = theme.muted;
    ctx.beginPath();
    ctx.moveTo(34, flip(even));
    ctx.lineTo(C - 10, flip(even));
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.textAlign = "right";
    ctx.fillText(`even guess ${lm.fmt(even, 2)}`, C - 12, flip(even) - 8);
    ctx.strokeStyle = theme.accent;
    ctx.lineWidth = 2;
    ctx.beginPath();
    const begin = Math.exp(-TOP);
    for (let v = begin; v <= 1; v += v < 0.02 ? v / 4 : 0.004) {
      const place = [x(v), flip(-Math.log(v))];
      if (v === begin) ctx.moveTo(...place);
      else ctx.lineTo(...place);
    }
    ctx.stroke();
    ctx.fillStyle = theme.mark;
    ctx.beginPath();
    ctx.arc(x(p), flip(-Math.log(Math.max(p, 1e-9))), 5, 0, 7);
    ctx.fill();
    curve.setAttribute("aria-label", `Minus the log of a share, from large at 0 to 0 at 1; the right token has ${lm.percent(p)}, which is ${lm.fmt(-Math.log(p), 2)} nats.`);
    sum.textContent = `loss ${lm.fmt(loss, 3)} nats = ${lm.fmt(loss / Math.LN2, 3)} bits · perplexity ${lm.fmt(Math.exp(loss), 2)} · even guess ${lm.fmt(even, 3)} nats`;
  }
  function tell() {
    const { shares, gradient } = compute();
    ui.say(`${tokens[at]}: score ${lm.fmt(model.get("logits")[at], 1)}, share ${lm.percent(shares[at])}, gradient ${lm.fmt(gradient[at], 2)}`);
  }
  function refresh() {
    sliders.forEach((s, i) => { if (+s.input.value !== model.get("logits")[i]) s.set(model.get("logits")[i]); });
    right.set(model.get("target"));
    smooth.set(model.get("smoothing"));
    rows.forEach((row, i) => row.classList.toggle("ls-right", i === model.get("target")));
    tell();
    ui.paint();
  }
  const keep = () => {
    const { shares, gradient } = compute();
    ui.set({ selection: { token: tokens[at], logit: model.get("logits")[at], share: shares[at], gradient: gradient[at] } });
  };
  const move = (by) => { at = lm.clamp(at + by, 0, n - 1); tell(); keep(); ui.paint(); };
  lm.keys(bars, { ArrowUp: () => move(-1), ArrowDown: () => move(1), Enter: () => ui.set({ target: at }) });
  bars.onclick = (e) => {
    const box = bars.getBoundingClientRect();
    at = lm.clamp(Math.floor(((e.clientY - box.top) * H / box.height - 22) / ROW), 0, n - 1);
    move(0);
  };
  ui.on("logits target smoothing", refresh);
  refresh();
  ui.onPaint((theme) => { paintBars(theme); paintCurve(theme); });
  ui.ready();
  return ui.dispose;
}
