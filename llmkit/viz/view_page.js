// In a page without a kernel this stands in for the widget's model.
function stub(state) {
  const heard = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      (heard["change:" + name] || []).forEach((f) => f());
    },
    save_changes() {},
    send() {},
    on: (event, f) => (heard[event] ||= []).push(f),
    off: (event, f) => { heard[event] = (heard[event] || []).filter((g) => g !== f); },
  };
}
