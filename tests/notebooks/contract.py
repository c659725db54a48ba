"""What every notebook of the course must have, read from its file alone.

Each rule is a function from a `Book` to complaints; `RULES` lists them all.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tests.notebooks.kernel import NOTEBOOKS, ROOT

LINES, BYTES, ASSERTS, EXERCISES, QUESTIONS = 25, 500_000, 5, 3, 3
END = "# --- what this notebook uses"
POSTERS = {"text/html", "image/png", "image/svg+xml", "text/markdown"}
PATHS = re.compile(r"(?:/(?:home|Users|root|work|tmp)/|[A-Z]:\\\\?Users)[\w.-]*")
CONTROLS = re.compile(
    r"\bexplore\.|from llmkit\.(?:explore|viz)|\binteract|ipywidgets|\bwhat_if\("
)


@dataclass
class Book:
    """A notebook: its file name and its JSON."""

    name: str
    json: dict
    size: int = 0

    @classmethod
    def read(cls, path: Path) -> "Book":
        return cls(path.name, json.loads(path.read_text("utf-8")), path.stat().st_size)

    @property
    def cells(self) -> list[dict]:
        return self.json["cells"]

    def texts(self, kind: str) -> list[str]:
        """The sources of all cells of a kind: "code" or "markdown"."""
        return [source(c) for c in self.cells if c["cell_type"] == kind]

    @cached_property
    def trees(self) -> list[tuple[int, ast.Module]]:
        """The parsed code cells, each with its place."""
        return [
            (place, ast.parse(python(source(cell))))
            for place, cell in enumerate(self.cells)
            if cell["cell_type"] == "code"
        ]

    def nodes(self) -> Iterator[ast.AST]:
        for _, tree in self.trees:
            yield from ast.walk(tree)

    def tagged(self, tag: str) -> list[dict]:
        return [c for c in self.cells if tag in c["metadata"].get("tags", ())]

    def outputs(self) -> Iterator[tuple[int, dict]]:
        for place, cell in enumerate(self.cells):
            for out in cell.get("outputs", ()):
                yield place, out


def source(cell: dict) -> str:
    return "".join(cell["source"])


def python(code: str) -> str:
    """Code without the lines that only IPython understands."""
    return re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", code)


def bootstrap() -> str:
    """The stored beginning of every set-up cell, address left out."""
    return plain((NOTEBOOKS / "bootstrap.py").read_text("utf-8"))


def plain(code: str) -> str:
    return re.sub(r'(?m)^REPO = ".*?"', 'REPO = ""', code)


# --- the rules -----------------------------------------------------------------------


def head(book: Book) -> Iterator[str]:
    first = book.cells[0]
    text = source(first)
    if first["cell_type"] != "markdown" or not text.startswith("# "):
        yield "the first cell must be Markdown and begin with the title"
        return
    number = book.name[:2]
    if not re.match(rf"# {number} · .+\?", text):
        yield f'the title must be "# {number} · a question?"'
    for what, pattern in {
        "what the reader will be able to do": r"(?i)you will be able to",
        "what to read first": r"(?i)read first",
        "the difficulty, in stars": r"[★☆]{3}",
        "the minutes on a 2-core CPU": r"(?i)minutes?\b.*\b2\b",
        "the peak memory": r"(?i)memory.*\d\s*(MB|GB)",
        "the numbers to expect": r"(?i)numbers to expect",
    }.items():
        if not re.search(pattern, text):
            yield f"the head does not say {what}"


def setup_cell(book: Book) -> Iterator[str]:
    second = book.cells[1]
    text = source(second)
    if second["cell_type"] != "code" or END not in text:
        yield "the second cell must be the set-up cell"
        return
    stored = bootstrap().rstrip("\n")
    if not plain(text).startswith(stored):
        yield "it differs from notebooks/bootstrap.py: kit.py publish mends it"
    for needed in ("seed_all(0)", "pick_device("):
        if needed not in text:
            yield f"the set-up cell does not call {needed}"


def code_and_text(book: Book) -> Iterator[str]:
    code, text = len(book.texts("code")), len(book.texts("markdown"))
    if text < code:
        yield f"{text} text cells for {code} code cells: one each, at least"
    for place, cell in enumerate(book.cells):
        if cell["cell_type"] != "code":
            continue
        lines = source(cell).split(END)[-1].strip().splitlines()
        if len(lines) > LINES and place != 1:
            yield f"cell {place} has {len(lines)} lines; {LINES} at most"


def assertions(book: Book) -> Iterator[str]:
    count = sum(isinstance(node, ast.Assert) for node in book.nodes())
    count += sum(
        isinstance(node, ast.Call) and "assert_" in ast.unparse(node.func)
        for node in book.nodes()
    )
    if count < ASSERTS:
        yield f"{count} assertions; {ASSERTS} with meaning are needed"
    for node in book.nodes():
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
            yield f"line {node.lineno}: an assertion that cannot fail"


def exercises(book: Book) -> Iterator[str]:
    tasks, solutions = book.tagged("exercise"), book.tagged("solution")
    if len(tasks) < EXERCISES:
        yield f'{len(tasks)} cells tagged "exercise"; {EXERCISES} are needed'
    if len(solutions) < len(tasks):
        yield f'{len(tasks)} exercises, {len(solutions)} cells tagged "solution"'
    for cell in tasks:
        if "check(" not in source(cell):
            yield f"an exercise without check(): {source(cell)[:40]!r}"
    for cell in solutions:
        if cell["cell_type"] != "markdown" or "<details" not in source(cell):
            yield "a solution must be folded: Markdown with <details>"
    text = "\n".join(book.texts("markdown"))
    titles = re.findall(r"(?m)^#+ Exercise \d.*$", text)
    for title in titles:
        if not re.search(r"[★☆]{3}.*\d+ min", title):
            yield f"{title!r} must state difficulty (stars) and minutes"
    if len(titles) < EXERCISES:
        yield f'{len(titles)} headings "Exercise …"; {EXERCISES} are needed'
    if text.count("Hint</summary>") < len(titles):
        yield "not every exercise has a folded hint"


def parts(book: Book) -> Iterator[str]:
    text, code = "\n".join(book.texts("markdown")), "\n".join(book.texts("code"))
    headings = "\n".join(re.findall(r"(?m)^#+ .*$", text))
    for part in ("Break it", "Quiz", "On real data", "Summary"):
        if part.lower() not in headings.lower():
            yield f'no heading "{part}"'
    questions = len(re.findall(r"\bQuestion\(", code))
    if questions < QUESTIONS:
        yield f"{questions} quiz questions; {QUESTIONS} are needed"
    if "what to notice" not in text.lower():
        yield 'no "What to notice"'
    if "predict" not in text.lower():
        yield "nothing is predicted before it is run"
    if not CONTROLS.search(code):
        yield "no live control"
    judge = r"\b(transformers|tokenizers|torch\.nn|sklearn|F\.)"
    if not re.search(judge, code.split("from llmkit")[0] + code):
        yield "no comparison with an independent reference"


def switch(book: Book) -> Iterator[str]:
    code = "\n".join(book.texts("code"))
    found = re.search(r"(?m)^USE_HUB\s*=\s*(\w+)", code)
    if not found:
        yield "no visible switch USE_HUB = False for real data"
    elif found[1] != "False":
        yield "USE_HUB must be False as shipped"


def stored_outputs(book: Book) -> Iterator[str]:
    if book.size > BYTES:
        yield f"{book.size / 1000:.0f} kB; {BYTES // 1000} kB at most"
    if "widgets" in book.json["metadata"]:
        yield "metadata.widgets is stored: web viewers refuse such a notebook"
    counts = [c["execution_count"] for c in book.cells if c["cell_type"] == "code"]
    if counts != list(range(1, len(counts) + 1)):
        yield "it was not run in order, from its first cell to its last"
    for place, out in book.outputs():
        if out["output_type"] == "error":
            yield f"cell {place}: an error is stored"
        if out.get("name") == "stderr":
            yield f"cell {place}: standard error is stored"
        data = out.get("data", {})
        if set(data) == {"text/plain"}:
            shown = "".join(data["text/plain"])
            if re.match(r"(interactive|VBox|HBox|Box|Tab)\(children=", shown):
                yield f"cell {place}: a widget without its static twin"
    if not any(set(o.get("data", ())) & POSTERS for _, o in book.outputs()):
        yield "no picture or table is stored"


def privacy(book: Book) -> Iterator[str]:
    seen = [*book.texts("code"), *book.texts("markdown")]
    seen += [
        text
        for _, out in book.outputs()
        for kind, value in [*out.get("data", {}).items(), ("text", out.get("text", ""))]
        if kind.startswith("text")
        for text in ["".join(value)]
    ]
    for text in seen:
        # the pictures inside HTML are base64, which may spell anything
        text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        if found := PATHS.search(text):
            yield f"a path of one machine: {found[0]}"


def ids(book: Book) -> Iterator[str]:
    names = [cell.get("id") for cell in book.cells]
    if None in names or len(set(names)) != len(names):
        yield "every cell needs an id of its own"


def accessibility(book: Book) -> Iterator[str]:
    level, titles = 0, 0
    for text in book.texts("markdown"):
        # headings and pictures inside code do not count
        text = re.sub(r"(?s)```.*?```|`[^`\n]*`", "", text)
        for marks, _ in re.findall(r"(?m)^(#+) (.+)$", text):
            titles += len(marks) == 1
            if len(marks) > level + 1:
                yield f"a heading of level {len(marks)} follows one of level {level}"
            level = len(marks)
        if re.search(r"!\[\s*\]\(", text):
            yield "a picture without alternative text"
        for link in re.findall(r"(?<!!)\[([^\]]*)\]\(", text):
            if link.strip().lower() in {"here", "link", "this", "click here"}:
                yield f"a link that says only {link!r}"
    if titles != 1:
        yield f"{titles} titles of level 1; one is right"
    for place, out in book.outputs():
        page = "".join(out.get("data", {}).get("text/html", ""))
        for tag in re.findall(r"<img\b[^>]*>", page):
            if not re.search(r"\balt=[\"'][^\"']", tag):
                yield f"cell {place}: a stored picture without alternative text"


def own_names(book: Book) -> Iterator[str]:
    brought: set[str] = set()
    for place, tree in book.trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                if node.module.split(".")[0] == "llmkit":
                    brought |= {alias.asname or alias.name for alias in node.names}
                if any(alias.name == "*" for alias in node.names):
                    yield f"cell {place}: import *"
    exported = brought | kit_names()
    for place, tree in book.trees:
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                if node.name in exported:
                    yield f"cell {place}: llmkit exports {node.name}: use my_…"
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                if node.id in brought:
                    yield f"cell {place}: {node.id} was imported; choose another name"


def installs(book: Book) -> Iterator[str]:
    text = "\n".join([*book.texts("code"), *book.texts("markdown")])
    if re.search(r"pip3?\s+install\s+(?:-\S+\s+)*llm-?kit(?![-\w])", text):
        yield "it installs a package that is not ours"
    if re.search(r"(?m)^\s*[%!]\s*pip", text):
        yield "it installs packages in a cell: the set-up cell does what is needed"


@cache
def kit_names() -> frozenset[str]:
    """The functions and classes that the rooms of the kit export."""
    names: set[str] = set()
    for path in (ROOT / "llmkit").rglob("*.py"):
        if path.parent.parent.name == "course" or path.parent.name == "exercises":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
    return frozenset(name for name in names if not name.startswith("_"))


RULES = [
    head,
    setup_cell,
    code_and_text,
    assertions,
    exercises,
    parts,
    switch,
    stored_outputs,
    privacy,
    ids,
    accessibility,
    own_names,
    installs,
]
