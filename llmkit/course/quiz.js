// A quiz: one fieldset with radio buttons for each question. All texts arrive as
// HTML that Python has escaped; nothing else is put into the page.
let views = 0;

function render({ model, el }) {
  const id = `llmkit-quiz-${Date.now().toString(36)}-${views++}`;
  const box = document.createElement("section");
  box.className = "llmkit-quiz";
  box.setAttribute("aria-label", model.get("title"));
  const heading = document.createElement("p");
  heading.className = "llmkit-quiz-title";
  const score = document.createElement("span");
  heading.append(model.get("title"), " ", score);
  box.append(heading);

  const questions = model.get("data").map((question, q) => {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.innerHTML = `${q + 1}. ${question.text}`;
    group.append(legend);
    const inputs = question.choices.map((choice, c) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      const text = document.createElement("span");
      input.type = "radio";
      input.name = `${id}-${q}`;
      input.setAttribute("data-lm-suppress-shortcuts", "true");
      text.innerHTML = choice;
      input.addEventListener("change", () => {
        const answers = [...model.get("answers")];
        answers[q] = c;
        model.set("answers", answers);
        model.save_changes();
        draw();
      });
      label.append(input, text);
      group.append(label);
      return input;
    });
    const said = document.createElement("p");
    said.className = "llmkit-quiz-said";
    said.setAttribute("role", "status"); // read aloud when it changes
    group.append(said);
    box.append(group);
    return { question, inputs, said };
  });

  function draw() {
    let right = 0;
    questions.forEach(({ question, inputs, said }, q) => {
      const answer = model.get("answers")[q];
      const chosen = Number.isInteger(answer) && answer in question.said;
      inputs.forEach((input, c) => (input.checked = chosen && c === answer));
      const text = chosen ? question.said[answer] : "";
      if (said.innerHTML !== text) said.innerHTML = text;
      said.dataset.right = chosen ? String(answer === question.key) : "";
      if (chosen && answer === question.key) right += 1;
    });
    score.textContent = `(${right} of ${questions.length} right)`;
  }

  model.on("change:answers", draw);
  // arrow keys move between the choices; JupyterLab must not take them
  box.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(box);
  draw();
  box.dataset.ready = "true";
  return () => model.off("change:answers", draw);
}

export default { render };
