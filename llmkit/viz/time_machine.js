// Travel through a run: its snapshots on a slider, and all that changed on the way.
function render({ model, el }) {
  const get = (name) => model.get(name);
  const ui = lm.mount(el, model, { label: get("title"),
    keys: [["← →", "the snapshot before or after; on the heads: another head"], ["↑ ↓", "another layer"], ["Home / End", "first or last snapshot"], ["Space", "play or stop"]] });
  const steps = get("steps"), [N, L, H, T] = get("sizes"), live = () => get("can_load") && !get("_static");
  let codes = null, curve = [], numbers = new Float32Array(0), timer = 0;
  const cache = new Map();

  // --- the parts ---------------------------------------------------------------------
  const title = (i) => `step ${steps[i]} (${i + 1} of ${N})`;
  const slider = lm.slider("Snapshot", { min: 0, max: N - 1, step: 1, value: get("index"), show: title }, (i) => go(i));
  slider.input.classList.add("tm-slide");
  const play = lm.button("Play", () => (timer ? halt() : begin()));
  const show = lm.choice("Heads show", [["attention", "attention"], ["change", "change since the one before"]], get("shown"), (v) => ui.set({ shown: v }));
  const score = lm.select("Score of the heads", get("head_names").map((n) => [n, n]), get("score"), (v) => ui.set({ score: v }));
  const early = lm.toggle("Stretch the beginning", get("early"), (v) => ui.set({ early: v }));
  const load = lm.button("Load into a model", () => ui.ask({ do: "load", index: get("index") }));
  const told = lm.h("span", { class: "lm-muted" });
  const loss = lm.h("canvas", { role: "img", tabindex: 0 }), trend = lm.h("canvas", { role: "img" }), heat = lm.h("canvas", { role: "img" });
  const grid = lm.headGrid((layer, head) => {
    ui.set({ selection: { ...get("selection"), layer, head } });
    ui.say(`layer ${layer}, head ${head}: ${get("score")} ${lm.fmt(value(get("index"), layer, head), 2)}`);
  });
  const lossName = lm.h("figcaption", {}, "Loss, in nats per token"), trendName = lm.h("figcaption", {}), looks = lm.h("figcaption", {});
  const scale = lm.h("p", { class: "tm-note" }), text = lm.h("p", { class: "tm-text", dir: "auto" }), odds = lm.h("div", { class: "tm-next" }), facts = lm.h("div", {});
  const writes = lm.h("figure", { class: "tm-writes" }, lm.h("figcaption", {}, "What it writes"), text, odds);
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, slider.node, play, early.node, load, told),
    lm.h("div", { class: "tm-row" },
      lm.h("div", {}, lm.h("figure", {}, lossName, loss), lm.h("figure", {}, trendName, trend)),
      lm.h("div", { class: "tm-side" }, writes, lm.h("figure", {}, lm.h("figcaption", {}, "This snapshot and the one before"), facts))),
    lm.h("div", { class: "lm-bar" }, show.node, score.node),
    lm.h("div", { class: "tm-row" }, lm.h("figure", {}, looks, lm.h("div", { class: "tm-row" }, grid.canvas, heat), scale)));

  // --- numbers -----------------------------------------------------------------------
  const chosen = () => {
    const { layer = 0, head = 0 } = get("selection");
    return [lm.clamp(layer, 0, L - 1), lm.clamp(head, 0, H - 1)];
  };
  const nameAt = () => Math.max(0, get("head_names").indexOf(get("score")));
  const value = (i, l, h) => numbers[((nameAt() * N + i) * L + l) * H + h];
  const best = (i) => {
    let top = -Infinity;
    for (let l = 0; l < L; l++) for (let h = 0; h < H; h++) if (value(i, l, h) > top) top = value(i, l, h);
    return top;
  };
  // codes of one snapshot: weights, or 128 plus the signed root of their change beside the greatest
  function bytes(i, kind) {
    const key = kind + i;
    if (cache.has(key)) return cache.get(key);
    const size = codes.length / N, raw = (k) => lm.dense(codes.subarray(k * size, (k + 1) * size), L * H, T, get("causal"));
    const out = { codes: raw(i), most: 0 };
    if (kind === "change") {
      const b = raw(Math.max(0, i - 1)), d = Float32Array.from(out.codes, (v, k) => lm.weight[v] - lm.weight[b[k]]);
      for (const v of d) out.most = Math.max(out.most, Math.abs(v));
      out.codes = Uint8Array.from(d, (v) => 128 + Math.sign(v) * Math.round(127 * Math.sqrt(Math.abs(v) / (out.most || 1))));
    }
    cache.set(key, out);
    return out;
  }

  // --- drawing -----------------------------------------------------------------------
  const ends = (list, zero) => {
    const all = list.filter((v) => v != null && Number.isFinite(v));
    if (!all.length) return [0, 1];
    const low = Math.min(...all), high = Math.max(...all), room = (high - low || 1) * 0.05;
    return [zero && low >= 0 ? 0 : low - room, high + room];
  };
  function paintCharts(theme) {
    const i = get("index"), losses = get("scores").loss || [], lines = get("lines");
    const x = [0, Math.max(steps[N - 1], curve.length ? curve[curve.length - 1][0] : 0)], root = get("early");
    const y = ends([...losses, ...curve.map((p) => p[1]), ...lines.map((l) => l[1])]);
    const c = lm.chart(loss, theme, { width: 520, height: 210, x, y, root, right: 108, names: lines, xName: "step" });
    const ctx = c.ctx;
    c.levels(lines);
    c.line(curve, theme.line, 1);
    c.line(steps.map((s, k) => [s, losses[k]]), theme.accent, 1.5);
    steps.forEach((s, k) => {
      if (losses[k] == null) return;
      ctx.fillStyle = k === i ? theme.mark : theme.accent;
      ctx.beginPath();
      ctx.arc(c.px(s), c.py(losses[k]), k === i ? 6 : 3, 0, 7);
      ctx.fill();
    });
    c.line([[steps[i], y[0]], [steps[i], y[1]]], theme.mark, 1, [3, 3]);
    loss.px = c.px;
    const [l, h] = chosen(), all = steps.map((_, k) => best(k)), mine = steps.map((_, k) => value(k, l, h));
    const s = lm.chart(trend, theme, { width: 520, height: 130, x, y: ends([...all, ...mine], true), root, right: c.right, bottom: 20 });
    s.line(steps.map((v, k) => [v, all[k]]), theme.fg, 1.5);
    s.line(steps.map((v, k) => [v, mine[k]]), theme.accent, 1.5, [6, 3]);
    s.line([[steps[i], 0], [steps[i], 1e9]], theme.mark, 1, [3, 3]);
    s.ctx.textAlign = "left";
    const high = s.py(all[N - 1]), low = Math.max(s.py(mine[N - 1]), high + 13);
    s.ctx.fillStyle = theme.fg;
    s.ctx.fillText("highest head", s.left + s.w + 5, high);
    s.ctx.fillStyle = theme.accent;
    s.ctx.fillText(`layer ${l}, head ${h}`, s.left + s.w + 5, low);
  }
  function paintHeads(theme) {
    if (!codes) return;
    const i = get("index"), kind = get("shown"), [l, h] = chosen(), now = bytes(i, kind).codes;
    const table = kind === "change" ? theme.signed : theme.ramp;
    grid.paint(theme, now, [L, H, T], table, [l, h]);
    lm.heat(heat, theme, now, (l * H + h) * T * T, get("tokens"), table, kind === "change");
  }
  function words() {
    const i = get("index"), before = i ? i - 1 : null, [l, h] = chosen(), change = get("shown") === "change";
    slider.set(i);
    show.set(get("shown"));
    score.set(get("score"));
    early.set(get("early"));
    load.hidden = !live();
    told.textContent = get("loaded") >= 0 && live() ? `view.model holds the weights of step ${steps[get("loaded")]}` : "";
    trendName.textContent = `Score of the heads: ${get("score")}`;
    looks.textContent = `${change ? "Change of the attention" : "Attention"} at step ${steps[i]}; large: layer ${l}, head ${h}`;
    scale.textContent = change ? (i && codes ? `Blue, +: more than at step ${steps[before]}; orange, −: less. The greatest change is ${lm.fmt(bytes(i, "change").most, 2)}.` : "There is no snapshot before the first.")
      : "Darker (in a dark theme: lighter): more attention, on the scale of the square root.";
    writes.hidden = !get("samples").length && !get("odds").length;
    text.textContent = get("samples")[i] ?? "";
    const next = get("odds")[i] || [], full = 120 / Math.max(0.01, ...next.map((n) => n[1]));
    odds.replaceChildren(...next.flatMap(([label, p]) => [lm.h("span", { dir: "auto" }, lm.clip(label, 12)),
      lm.h("span", { class: "tm-bar", style: `width:${Math.round(p * full)}px` }), lm.h("span", {}, lm.percent(p))]));
    const rows = Object.entries(get("scores")).map(([name, list]) => [name, list[i], before == null ? null : list[before]]);
    rows.push([`${get("score")}, highest head`, best(i), before == null ? null : best(before)], [`${get("score")}, layer ${l}, head ${h}`, value(i, l, h), before == null ? null : value(before, l, h)]);
    facts.replaceChildren(lm.rows(["", "now", "before", "change"], rows.map(([name, a, b]) => [name, lm.fmt(a), lm.fmt(b), a == null || b == null ? "–" : (a - b > 0 ? "+" : "") + lm.fmt(a - b)])));
    const at = get("scores").loss?.[i];
    loss.setAttribute("aria-label", `Loss over the steps, with ${N} snapshots. Chosen: ${title(i)}${at == null ? "" : `, loss ${lm.fmt(at, 2)}`}. Arrow keys choose another.`);
    trend.setAttribute("aria-label", `${get("score")} score over the steps: highest head ${lm.fmt(best(i), 2)}, layer ${l} head ${h} ${lm.fmt(value(i, l, h), 2)} at step ${steps[i]}`);
    grid.canvas.setAttribute("aria-label", `${L} layers of ${H} heads, each a small map of its attention. Chosen: layer ${l}, head ${h}. Arrow keys choose another.`);
    heat.setAttribute("aria-label", `${looks.textContent}: each row is a token that looks, each column one that is looked at`);
  }

  // --- moving ------------------------------------------------------------------------
  function go(i) {
    const to = lm.clamp(i, 0, N - 1);
    if (to === get("index")) return;
    ui.set({ index: to });
    const at = get("scores").loss?.[to];
    ui.say(`${title(to)}${at == null ? "" : `: loss ${lm.fmt(at, 2)}`}, ${get("score")} ${lm.fmt(best(to), 2)}`);
  }
  function halt() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }
  function begin() {
    play.textContent = "Stop";
    if (get("index") === N - 1) go(0);
    timer = setInterval(() => (get("index") < N - 1 ? go(get("index") + 1) : halt()), lm.calm() ? 1200 : 450);
  }
  ui.cleanup(halt);
  const by = (d) => () => go(get("index") + d);
  lm.keys(loss, { ArrowLeft: by(-1), ArrowRight: by(1), Home: by(-N), End: by(N), " ": () => play.click() });
  loss.addEventListener("click", (event) => {
    const box = loss.getBoundingClientRect(), x = ((event.clientX - box.left) * loss.clientWidth) / box.width;
    let near = 0;
    steps.forEach((s, k) => { if (Math.abs(loss.px(s) - x) < Math.abs(loss.px(steps[near]) - x)) near = k; });
    go(near);
  });

  ui.on("index shown score early selection loaded can_load", () => { words(); ui.paint(); });
  (async () => {
    const flat = await lm.floats(get("curve"));
    for (let i = 0; i < flat.length; i += 2) curve.push([flat[i], flat[i + 1]]);
    numbers = await lm.floats(get("head_numbers"));
    codes = (await lm.bytes(get("attention"))).slice();
    words();
    ui.onPaint((theme) => { paintCharts(theme); paintHeads(theme); });
    ui.ready();
  })();
  return ui.dispose;
}
