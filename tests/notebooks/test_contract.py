"""Every notebook keeps the contract, and the contract's rules see what breaks it."""

import copy

import pytest

from tests.notebooks import contract
from tests.notebooks.contract import RULES, Book
from tests.notebooks.kernel import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_contract(path, rule):
    complaints = list(rule(Book.read(path)))
    assert not complaints, "\n".join([path.name, *complaints])


def text(source: str, *tags: str) -> dict:
    meta = {"tags": list(tags)} if tags else {}
    return {"cell_type": "markdown", "source": source, "metadata": meta}


def code(source: str, *tags: str, outputs=()) -> dict:
    cell = text(source, *tags)
    return {**cell, "cell_type": "code", "outputs": list(outputs)}


def good() -> Book:
    """A small notebook that breaks no rule."""
    exercise = [
        text(
            "### Exercise {} · Add (★☆☆, 5 minutes)\n"
            "<details><summary>Hint</summary>x</details>"
        ),
        code('def my_add{0}(a, b): ...\ncheck("add", my_add{0})', "exercise"),
        text("<details><summary>Solution</summary>x</details>", "solution"),
    ]
    cells = [
        text(
            "# 99 · How?\n**You will be able to** x\nRead first: nothing\n★☆☆\n"
            "Time: 5 minutes on 2 cores\nMemory: under 1 GB\n**Numbers to expect.** 4"
        ),
        code(
            contract.bootstrap() + "from llmkit import explore\n"
            "import transformers\nseed_all(0)\ndevice = pick_device()"
        ),
        text("## Idea\nPredict first. **What to notice.** It moves."),
        code(
            "view = explore.tokens('a')\n" + "assert view\n" * 5,
            outputs=[
                {
                    "output_type": "display_data",
                    "data": {"text/html": '<img alt="a bar" src="x">'},
                }
            ],
        ),
        text("## Break it"),
    ]
    for i in range(3):
        for cell in copy.deepcopy(exercise):
            cell["source"] = cell["source"].replace("{}", str(i + 1))
            cell["source"] = cell["source"].replace("{0}", str(i + 1))
            cells.append(cell)
    cells += [
        text("## Quiz"),
        code("quiz([Question(1), Question(2), Question(3)])"),
        text("## On real data"),
        code("USE_HUB = False"),
        text("## Summary"),
    ]
    count = 0
    for place, cell in enumerate(cells):
        cell["id"] = f"c{place}"
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
    return Book("99_how.ipynb", {"cells": cells, "metadata": {}}, 1000)


def put(place, find, replace=""):
    """A change to the source of one cell."""

    def change(book):
        cell = book.cells[place]
        assert find in cell["source"], find
        cell["source"] = cell["source"].replace(find, replace)

    return change


def output(**out):
    """A change that stores this output in the fourth cell."""
    return lambda book: book.cells[3]["outputs"].append(out)


def assign(place, key, value):
    return lambda book: book.cells[place].__setitem__(key, value)


def html(page):
    return output(output_type="display_data", data={"text/html": page})


BROKEN = {
    "no minutes": ("head", put(0, "5 minutes on 2 cores")),
    "no memory": ("head", put(0, "under 1 GB")),
    "no question": ("head", put(0, "How?", "How")),
    "another number": ("head", put(0, "99", "98")),
    "another bootstrap": ("setup_cell", put(1, "--depth", "--deep")),
    "no seed": ("setup_cell", put(1, "seed_all(0)")),
    "long cell": ("code_and_text", put(3, "assert view", "assert view\n" * 30)),
    "no text": ("code_and_text", lambda b: b.cells.extend([b.cells[3]] * 9)),
    "few assertions": ("assertions", put(3, "assert view\nassert", "view\nview,")),
    "empty assertion": ("assertions", put(3, "assert view", "assert True")),
    "no check": ("exercises", put(6, "check", "chek")),
    "no tag": ("exercises", assign(6, "metadata", {})),
    "no stars": ("exercises", put(5, "★☆☆")),
    "no hint": ("exercises", put(5, "Hint")),
    "open solution": ("exercises", put(7, "<details>")),
    "no quiz": ("parts", put(-4, "Question(3)")),
    "no real data": ("parts", put(-3, "On real data", "More")),
    "nothing broken": ("parts", put(4, "Break", "Make")),
    "no control": ("parts", lambda b: [put(p, "explore", "x")(b) for p in (1, 3)]),
    "switch on": ("switch", put(-2, "False", "True")),
    "no switch": ("switch", put(-2, "USE_HUB", "HUB")),
    "error": ("stored_outputs", output(output_type="error", data={})),
    "out of order": ("stored_outputs", assign(3, "execution_count", 9)),
    "never run": ("stored_outputs", assign(3, "execution_count", None)),
    "too large": ("stored_outputs", lambda b: setattr(b, "size", 600_000)),
    "widget state": (
        "stored_outputs",
        lambda b: b.json["metadata"].update(widgets={}),
    ),
    "no twin": (
        "stored_outputs",
        output(output_type="display_data", data={"text/plain": "VBox(children=(I"}),
    ),
    "home in output": ("privacy", output(output_type="stream", text="/home/ada/x")),
    "home in source": ("privacy", put(3, "'a'", "'/Users/ada'")),
    "same id": ("ids", assign(3, "id", "c2")),
    "level skipped": ("accessibility", put(2, "## ", "#### ")),
    "two titles": ("accessibility", put(2, "## ", "# ")),
    "no alt text": ("accessibility", put(2, "Predict", "![](x.png)")),
    "stored picture": ("accessibility", html('<img src="x">')),
    "here": ("accessibility", put(2, "Predict", "[here](x)")),
    "kit's function": ("own_names", put(6, "my_add1", "attention")),
    "import star": ("own_names", put(3, "view =", "from math import *\nview =")),
    "shadowed": ("own_names", put(3, "view =", "explore =")),
    "bare install": ("installs", put(2, "Predict", "pip install " + "llmkit")),
    "pip in a cell": ("installs", put(3, "view =", "%pip install x\nview =")),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_breaks_no_rule(rule):
    assert not list(rule(good()))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_notebook_is_seen(name):
    rule, change = BROKEN[name]
    book = good()
    change(book)
    assert list(getattr(contract, rule)(book)), f"{rule} did not see it"
