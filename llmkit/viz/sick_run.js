// A sick run's loss beside a healthy one's, and the doctor's notes.
function render({ model, el }) {
  const ui = lm.mount(el, model, {
    label: "A doctor for sick runs",
    keys: [["← →", "step"], ["Home / End", "first or last step"], ["Enter", "keep the step for Python"]],
  });
  const W = 430, H = 270, LEFT = 40, RIGHT = 74, FOOT = 34, TOP = 10, still = model.get("_static");
  const known = () => model.get("cases").filter(([key]) => !still || model.get("answers")[key]);
  const pick = lm.select("What goes wrong", known(), model.get("case"), (v) => ui.set({ case: v }));
  const told = lm.toggle("Ask the doctor", model.get("told"), (v) => ui.set({ told: v }));
  const canvas = lm.h("canvas", { tabindex: 0, role: "img" }), notes = lm.h("div", { class: "sr-notes" });
  ui.body.append(
    lm.h("div", { class: "lm-bar" }, pick.node, told.node),
    lm.h("div", { class: "sr-row" }, lm.h("div", {}, canvas,
      lm.h("p", { class: "lm-muted" }, "Loss in nats: ", lm.h("span", { class: "sr-key" }), "this run", lm.h("span", { class: "sr-key sr-well" }), "healthy run")), notes));

  const now = () => (still && model.get("answers")[model.get("case")]) || model.get("now");
  const busy = () => now().case !== model.get("case");
  const label = () => (model.get("cases").find(([key]) => key === model.get("case")) || ["", ""])[1];
  const x = (i) => LEFT + (i / Math.max(1, model.get("healthy").length - 1)) * (W - LEFT - RIGHT);
  function range() {
    const mine = now().losses.filter((v) => v != null), well = model.get("healthy");
    return [Math.min(0, ...mine), Math.min(Math.max(...mine, ...well), 2 * well[0]) * 1.05];
  }
  function paint(theme) {
    const ctx = lm.fit(canvas, W, H), [low, high] = range(), mine = now().losses, well = model.get("healthy");
    const y = (v) => lm.clamp(TOP + (1 - (v - low) / (high - low)) * (H - TOP - FOOT), TOP - 4, H - FOOT);
    ctx.clearRect(0, 0, W, H);
    ctx.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    ctx.textBaseline = "middle";
    ctx.lineWidth = 1;
    const gap = high - low > 8 ? 4 : high - low > 4 ? 2 : 1;
    for (let v = Math.ceil(low / gap) * gap; v <= high; v += gap) {
      ctx.strokeStyle = theme.line;
      ctx.beginPath();
      ctx.moveTo(LEFT, y(v));
      ctx.lineTo(W - RIGHT, y(v));
      ctx.stroke();
      ctx.fillStyle = theme.muted;
      ctx.textAlign = "right";
      ctx.fillText(lm.fmt(v, 0), LEFT - 5, y(v));
    }
    ctx.textAlign = "center";
    for (let i = 0; i < well.length; i += 20) ctx.fillText(i, x(i), H - FOOT + 12);
    ctx.fillText("step", (LEFT + W - RIGHT) / 2, H - 8);
    ctx.textAlign = "left";
    let last = 1e9;
    for (const [name, v] of Object.entries(model.get("lines")).sort((a, b) => a[1] - b[1])) {
      ctx.setLineDash([2, 3]);
      ctx.strokeStyle = theme.accent;
      ctx.beginPath();
      ctx.moveTo(LEFT, y(v));
      ctx.lineTo(W - RIGHT, y(v));
      ctx.stroke();
      ctx.setLineDash([]);
      last = Math.min(y(v), last - 13);
      ctx.fillStyle = theme.fg;
      ctx.fillText(name, W - RIGHT + 4, last);
    }
    for (const [data, colour, dash, width] of [[well, theme.muted, [5, 4], 1.5], [mine, theme.mark, [], 2]]) {
      ctx.setLineDash(dash);
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      data.forEach((v, i) => { if (v != null) { if (i) ctx.lineTo(x(i), y(v)); else ctx.moveTo(x(i), y(v)); } });
      ctx.stroke();
      if (data === mine && mine.length < well.length) {
        // where the run ended early
        const end = mine.length - 1, at = y(mine[end] == null ? high : mine[end]);
        ctx.fillText("✕", x(end) - 4, at);
      }
    }
    ctx.setLineDash([]);
    const step = model.get("step");
    ctx.strokeStyle = theme.fg;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x(step), TOP);
    ctx.lineTo(x(step), H - FOOT);
    ctx.stroke();
    canvas.setAttribute("aria-label", `${label()}: loss of this run and of a healthy one over ${well.length} steps. Arrow keys move the step.`);
  }
  function tell() {
    const step = model.get("step"), mine = now().losses[step];
    ui.say(`step ${step}: loss ${mine === undefined ? "– (the run had ended)" : lm.fmt(mine, 2)}, healthy ${lm.fmt(model.get("healthy")[step], 2)}`);
  }
  function refresh() {
    pick.set(model.get("case"));
    told.set(model.get("told"));
    canvas.style.opacity = busy() ? 0.4 : 1;
    const found = now().notes;
    const say = busy() ? [lm.h("p", {}, "training …")]
      : !model.get("told") ? [lm.h("p", { class: "lm-muted" }, "Look at the curve first: what do you think is wrong?")]
        : !found.length ? [lm.h("p", {}, "The doctor found nothing wrong.")]
          : [lm.h("ol", {}, found.map(([name, what, advice]) => lm.h("li", {}, lm.h("span", { class: "sr-name" }, name), ` · ${what} `, lm.h("em", {}, advice))))];
    notes.replaceChildren(lm.h("h4", {}, "The doctor"), ...say);
    tell();
    ui.paint();
  }
  const move = (to) => ui.set({ step: lm.clamp(to, 0, model.get("healthy").length - 1) });
  const keep = () => {
    const step = model.get("step");
    ui.set({ selection: { case: model.get("case"), step, loss: now().losses[step] ?? null, healthy: model.get("healthy")[step] } });
  };
  canvas.onclick = (e) => {
    const box = canvas.getBoundingClientRect();
    move(Math.round((((e.clientX - box.left) * W / box.width - LEFT) / (W - LEFT - RIGHT)) * (model.get("healthy").length - 1)));
  };
  lm.keys(canvas, { ArrowLeft: () => move(model.get("step") - 1), ArrowRight: () => move(model.get("step") + 1),
    Home: () => move(0), End: () => move(1e9), Enter: keep });
  ui.on("case told step now healthy", refresh);
  refresh();
  ui.onPaint(paint);
  ui.ready();
  return ui.dispose;
}
