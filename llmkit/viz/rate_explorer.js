// A path over a loss surface: the rule, the rate and the problem can be changed.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "Learning-rate explorer",
    keys: [["← →", "on the map: step along the path"], ["Home / End", "first or last step"], ["Enter", "keep where the path ends for Python"]],
  });
  const W = 330, H = 300, N = model.get("steps"), LEFT = 46;
  let path = [], at = N;
  const problem = lm.select("Problem", model.get("problems"), model.get("problem"), (v) => ui.set({ problem: v }));
  const rule = lm.select("Rule", model.get("rules"), model.get("rule"), (v) => ui.set({ rule: v }));
  const rate = lm.slider("Rate", { min: -4, max: 1, step: 0.05, value: Math.log10(model.get("rate")), show: (v) => String(+(10 ** v).toPrecision(2)) }, (v) => ui.set({ rate: 10 ** v }));
  rate.node.classList.add("ra-rate");
  const steep = lm.slider("Steepness", { min: 0, max: 2, step: 0.1, value: Math.log10(model.get("steepness")), show: (v) => String(+(10 ** v).toPrecision(2)) }, (v) => ui.set({ steepness: 10 ** v }));
  const batch = lm.select("Rows in a step", [[0, "all"], [16, "16"], [4, "4"], [1, "1"]], model.get("batch"), (v) => ui.set({ batch: +v }));
  const map = lm.h("canvas", { tabindex: 0, role: "img" }), curve = lm.h("canvas", { role: "img" });
  const note = lm.h("p", { class: "ra-note" });
  const ground = document.createElement("canvas");
  let drawn = "";
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, problem.node, rule.node, steep.node, batch.node),
    lm.h("div", { class: "lm-bar" }, rate.node),
    lm.h("div", { class: "ra-row" }, lm.h("figure", {}, lm.h("figcaption", {}, "The path, seen from above (weight 1 →, weight 2 ↑)"), map),
      lm.h("figure", {}, lm.h("figcaption", {}, "The loss after each step"), curve)), note);

  const real = () => model.get("problem") === "rows";
  const rows = model.get("rows"), soft = (z) => (z > 0 ? z + Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)));
  function height(x, y) {
    if (!real()) return 0.5 * (x * x + model.get("steepness") * y * y);
    let sum = 0;
    for (const [a, b, label] of rows) sum += soft((label ? -1 : 1) * (a * x + b * y));
    return sum / rows.length;
  }
  function slope(x, y, step) {
    if (!real()) return [x, model.get("steepness") * y];
    const size = model.get("batch") || rows.length, g = [0, 0];
    for (let k = 0; k < size; k++) {
      const [a, b, label] = rows[(step * size + k) % rows.length];
      const miss = 1 / (1 + Math.exp(-(a * x + b * y))) - label;
      g[0] += miss * a / size;
      g[1] += miss * b / size;
    }
    return g;
  }
  function walk() {
    const lr = model.get("rate"), name = model.get("rule"), w = model.get("begin")[model.get("problem")].slice();
    const m = [0, 0], s = [0, 0], out = [[...w, height(...w)]];
    for (let step = 0; step < N; step++) {
      const g = slope(w[0], w[1], step);
      for (const i of [0, 1]) {
        if (name === "adam") {
          m[i] = 0.9 * m[i] + 0.1 * g[i];
          s[i] = 0.999 * s[i] + 0.001 * g[i] * g[i];
          w[i] -= lr * (m[i] / (1 - 0.9 ** (step + 1))) / (Math.sqrt(s[i] / (1 - 0.999 ** (step + 1))) + 1e-8);
        } else {
          m[i] = (name === "momentum" ? 0.9 * m[i] : 0) + g[i];
          w[i] -= lr * m[i];
        }
      }
      out.push([...w, height(...w)]);
    }
    return out;
  }
  const least = () => (real() ? model.get("floor") : 0);
  function verdict() {
    const losses = path.map((p) => p[2]), first = losses[0] - least(), last = losses[N] - least();
    if (!Number.isFinite(last) || last > first) return "too high, it diverges";
    const ups = losses.slice(1).filter((v, i) => v - losses[i] > 1e-9).length / N;
    if (last < 0.02 * first) return ups > 0.25 ? "it gets there, but swings" : "a good rate";
    if (ups > 0.25) return "too high, it jumps to and fro";
    return last > 0.3 * first ? "too low, it has far to go" : "on its way";
  }
  function paintMap(theme) {
    const [x0, x1, y0, y1] = model.get("reach")[model.get("problem")], ctx = lm.fit(map, W, H);
    const px = (x) => (x - x0) / (x1 - x0) * W, py = (y) => (y1 - y) / (y1 - y0) * H, G = 66;
    const key = theme.name + model.get("problem") + model.get("steepness");
    if (key !== drawn) {
      drawn = key;
      ground.width = ground.height = G;
      const values = [];
      for (let r = 0; r < G; r++) for (let c = 0; c < G; c++) values.push(height(x0 + (x1 - x0) * (c + 0.5) / G, y1 - (y1 - y0) * (r + 0.5) / G));
      const low = Math.min(...values), high = Math.max(...values), image = new ImageData(G, G);
      values.forEach((v, i) => {
        // bands, as on a map of hills
        const level = Math.floor(Math.sqrt((v - low) / (high - low)) * 14) / 14;
        image.data.set([...theme.ramp[Math.round(level * 175)], 255], 4 * i);
      });
      ground.getContext("2d").putImageData(image, 0, 0);
    }
    ctx.clearRect(0, 0, W, H);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(ground, 0, 0, W, H);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, 0, W, H);
    ctx.clip();
    const seen = path.filter((p) => p.every(Number.isFinite) && Math.abs(p[0]) + Math.abs(p[1]) < 1e5);
    for (const [colour, width] of [[theme.bg, 5], [theme.mark, 2]]) {
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      seen.forEach((p, i) => (i ? ctx.lineTo(px(p[0]), py(p[1])) : ctx.moveTo(px(p[0]), py(p[1]))));
      ctx.stroke();
    }
    seen.forEach((p) => {
      ctx.beginPath();
      ctx.arc(px(p[0]), py(p[1]), 2.5, 0, 7);
      ctx.fill();
    });
    const here = path[at];
    ctx.strokeStyle = theme.fg;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(px(here[0]), py(here[1]), 7, 0, 7);
    ctx.stroke();
    ctx.restore();
    ctx.strokeStyle = theme.line;
    ctx.strokeRect(0.5, 0.5, W - 1, H - 1);
    map.setAttribute("aria-label", `Map of the loss with the path of ${N} steps, ${verdict()}. Arrow keys step along it.`);
  }
  function paintCurve(theme) {
    const ctx = lm.fit(curve, W, H), low = least(), first = path[0][2];
    // up to three times the first loss; what is above runs along the edge
    const top = Math.max(first * 1.05, Math.min(first * 3, Math.max(...path.map((p) => (Number.isFinite(p[2]) ? p[2] : 1e9)))));
    const x = (i) => LEFT + (i / N) * (W - LEFT - 8), y = (v) => 10 + (1 - lm.clamp((v - Math.min(0, low)) / top, -0.02, 1)) * (H - 46);
    ctx.clearRect(0, 0, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (const v of lm.ticks(0, top)) {
      ctx.strokeStyle = theme.line;
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(LEFT, y(v));
      ctx.lineTo(W - 8, y(v));
      ctx.stroke();
      ctx.fillStyle = theme.muted;
      ctx.fillText(+v.toPrecision(3), LEFT - 5, y(v));
    }
    ctx.textAlign = "center";
    for (let i = 0; i <= N; i += 20) ctx.fillText(i, x(i), H - 26);
    ctx.fillText("step", (LEFT + W) / 2, H - 9);
    ctx.setLineDash([5, 4]);
    ctx.strokeStyle = theme.muted;
    ctx.beginPath();
    ctx.moveTo(LEFT, y(low));
    ctx.lineTo(W - 8, y(low));
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.strokeStyle = theme.accent;
    ctx.lineWidth = 2;
    ctx.beginPath();
    path.forEach((p, i) => {
      const v = Number.isFinite(p[2]) ? p[2] : 1e9;
      if (i) ctx.lineTo(x(i), y(v));
      else ctx.moveTo(x(i), y(v));
    });
    ctx.stroke();
    ctx.fillStyle = theme.mark;
    ctx.beginPath();
    ctx.arc(x(at), y(Number.isFinite(path[at][2]) ? path[at][2] : 1e9), 4.5, 0, 7);
    ctx.fill();
    curve.setAttribute("aria-label", `The loss goes from ${lm.fmt(first, 3)} to ${lm.fmt(path[N][2], 3)}; the least is ${lm.fmt(low, 3)}.`);
  }
  function tell() {
    const limit = 2 / Math.max(1, model.get("steepness"));
    const theory = !real() && model.get("rule") === "sgd" ? ` SGD is stable here up to a rate of 2 / steepness = ${lm.fmt(limit, 3)}.` : "";
    note.textContent = `Rate ${+model.get("rate").toPrecision(2)}: ${verdict()}. Loss ${lm.fmt(path[0][2], 3)} → ${lm.fmt(path[N][2], 3)}; the least possible is ${lm.fmt(least(), 3)}.${theory}`;
    ui.say(`step ${at}: weights ${lm.fmt(path[at][0], 2)} and ${lm.fmt(path[at][1], 2)}, loss ${lm.fmt(path[at][2], 3)}`);
  }
  function refresh() {
    problem.set(model.get("problem"));
    rule.set(model.get("rule"));
    batch.set(String(model.get("batch")));
    rate.set(Math.log10(model.get("rate")));
    steep.set(Math.log10(model.get("steepness")));
    steep.node.hidden = real();
    batch.node.hidden = !real();
    path = walk();
    at = N;
    tell();
    ui.paint();
  }
  const move = (to) => { at = lm.clamp(to, 0, N); tell(); ui.paint(); };
  const keep = () => ui.set({ selection: { rate: model.get("rate"), loss: path[N][2], weights: path[N].slice(0, 2) } });
  lm.keys(map, { ArrowLeft: () => move(at - 1), ArrowRight: () => move(at + 1), Home: () => move(0), End: () => move(N), Enter: keep });
  ui.on("problem rule rate steepness batch", refresh);
  refresh();
  ui.onPaint((theme) => { paintMap(theme); paintCurve(theme); });
  ui.ready();
  return ui.dispose;
}
