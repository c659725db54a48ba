// Draws one of BertViz's views without a network: its script comes from the installed
// package `bertviz`, d3 from `mpld3`, jQuery from `XStatic-jQuery`. All three arrive as
// text and run as functions, so no global name is touched and no loader is needed.

/** Runs a script that knows CommonJS, and returns what it exports. */
function load(source) {
  const module = { exports: {} };
  new Function("module", "exports", source)(module, module.exports);
  return module.exports;
}

/** Stands in for require.js: hands over libraries that are already here. */
function loader(known) {
  const require = (names, ready) => ready(...names.map((name) => known[name]));
  require.config = () => {};
  return require;
}

/** A labelled drop-down list; BertViz's script finds it by its id inside the root. */
function choice(label, id, options) {
  const list = options.map(([value, text]) => lm.h("option", { value }, text));
  return lm.h("label", {}, `${label}: `, lm.h("select", { id }, list));
}

function frame(view, params, root) {
  const bar = lm.h("div", { class: "llmkit-bertviz-bar" });
  if (view !== "model") bar.append(choice("Layer", "layer", []));
  if (view === "neuron") bar.append(choice("Head", "att_head", []));
  const parts = Object.entries(params.attention);
  if (parts.length > 1) {
    bar.append(choice("Attention", "filter", parts.map(([k, p]) => [k, p.name])));
  }
  root.append(bar, lm.h("div", { id: "vis" }));
}

function draw(model, root) {
  const scripts = model.get("scripts");
  const params = { ...model.get("params"), root_div_id: root.id };
  frame(model.get("view"), params, root);
  const require = loader({ d3: load(scripts.d3), jquery: load(scripts.jquery) });
  const run = new Function(
    "require", "requirejs", "PYTHON_PARAMS", "window", scripts.view);
  run(require, require, params, { bertviz_params: params });
  root.dataset.ready = "true";
}

function render({ model, el }) {
  const root = lm.h("div", {
    id: `bertviz-${Math.random().toString(36).slice(2)}`,
    class: "llmkit-bertviz",
    role: "group",
    "aria-label": model.get("label"),
    "data-lm-suppress-shortcuts": "true",
  });
  el.append(root);
  let stopped = false;
  // BertViz looks its elements up in the document, so they must be there first
  const start = () => {
    if (stopped) return;
    if (root.isConnected) draw(model, root);
    else requestAnimationFrame(start);
  };
  start();
  return () => { stopped = true; root.remove(); };
}
