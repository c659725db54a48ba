"""Rooms import only from lower floors, and importing one does nothing."""

import ast
import os
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "llmkit"
# A new room joins here with its floor.
FLOORS = [
    {"checks", "runtime", "show"},
    {"tokenizers", "nn", "losses", "metrics", "data", "viz"},
    {"models", "detectors"},
    {"decoding", "training", "hub", "trace"},
    {"explore", "tasks", "serving"},
    {"course", "training.recipes"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# rooms that a reader can open without PyTorch
LIGHT = {"checks", "runtime", "show", "tokenizers", "data"}
FILE_LINES = 300


def modules() -> list[str]:
    """The dotted names of all modules of the package."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def room_of(module: str) -> str | None:
    parts = module.split(".")
    inner = ".".join(parts[1:3])
    # a room inside a room stands on a floor of its own
    return inner if inner in FLOOR else parts[1] if len(parts) > 1 else None


def imports(module: str, source: str) -> set[str]:
    """The modules of the package that a module imports, anywhere in its text."""
    found = set()
    package = (
        module
        if file_of(module).name == "__init__.py"
        else module[: -len(module.split(".")[-1]) - 1]
    )
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, *([base] if base else [])])
            if base == "llmkit":
                found |= {f"llmkit.{alias.name}" for alias in node.names}
            else:
                names = {f"{base}.{alias.name}" for alias in node.names}
                found |= {base} | {n for n in names if room_of(n) != room_of(base)}
    return {name for name in found if name.split(".")[0] == "llmkit"}


def wrong_imports(module: str, source: str) -> list[str]:
    """What a module imports from a floor that is not below its own."""
    room = room_of(module)
    wrong = []
    for name in sorted(imports(module, source)):
        other = room_of(name)
        if other is None or other == room or other.startswith("__"):
            continue
        if other not in FLOOR:
            wrong.append(f"{name}, which is no room")
        elif room is None:
            wrong.append(f"{name}: the package itself imports no room")
        elif FLOOR[other] >= FLOOR[room]:
            wrong.append(f"{name}, floor {FLOOR[other]}, from floor {FLOOR[room]}")
    return wrong


def test_every_room_has_a_floor():
    rooms = {room_of(m) for m in modules()} - {None}
    assert rooms <= set(FLOOR), f"without a floor: {rooms - set(FLOOR)}"


@pytest.mark.parametrize("module", modules())
def test_imports_only_from_lower_floors(module):
    assert not wrong_imports(module, file_of(module).read_text("utf-8"))


@pytest.mark.parametrize(
    ("module", "source", "count"),
    [
        ("llmkit.nn.attention", "from llmkit.checks import check_shape", 0),
        ("llmkit.nn.attention", "from llmkit.models import GPT", 1),
        ("llmkit.nn.attention", "from llmkit.metrics import bleu", 1),
        ("llmkit.nn.attention", "from llmkit import hub", 1),
        ("llmkit.nn.attention", "def f():\n    import llmkit.trace", 1),
        ("llmkit.nn.attention", "from .norms import LayerNorm", 0),
        ("llmkit.nn.attention", "from ..models import gpt", 1),
        ("llmkit.nn.attention", "from llmkit.cellar import wine", 1),
        ("llmkit.course.checks", "from llmkit import hub, trace", 0),
        ("llmkit.training.recipes.bert", "from llmkit.training import train", 0),
        ("llmkit.training.loop", "from llmkit.training.recipes import bert", 1),
        ("llmkit.training.loop", "from llmkit.training import recipes", 1),
    ],
)
def test_the_rule_sees_what_it_forbids(module, source, count):
    assert len(wrong_imports(module, source)) == count


# --- importing does nothing ----------------------------------------------------------

PROBE = """
import importlib, io, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("importing reached for the network")
socket.socket.connect = socket.getaddrinfo = refuse
out, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
import logging
handlers, level = list(logging.root.handlers), logging.root.level
for name in sys.argv[1:]:
    importlib.import_module(name)
    said = sys.stdout.getvalue() + sys.stderr.getvalue()
    assert not said, f"importing {name} printed {said!r}"
assert logging.root.handlers == handlers and logging.root.level == level
heavy = {"torch", "transformers", "matplotlib", "datasets", "pandas"} & set(sys.modules)
out.write(" ".join(sorted(heavy)))
"""


def import_fresh(*names: str) -> set[str]:
    """Import modules in a new process; return the heavy libraries that came along."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *names],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{names}: {done.stderr or done.stdout}"
    return set(done.stdout.split())


def rooms() -> dict[str, list[str]]:
    by_room: dict[str, list[str]] = {}
    for module in modules():
        by_room.setdefault(room_of(module) or "llmkit", []).append(module)
    return by_room


@pytest.mark.parametrize("room", rooms())
def test_importing_does_nothing(room):
    # one process for each room, whose modules are imported one after another
    heavy = import_fresh(*rooms()[room])
    if room in LIGHT or room == "llmkit":
        assert not heavy, f"{room} is to be read without {heavy}"
    # what a picture or a real model needs loads when it is asked for
    assert not heavy & {"transformers", "matplotlib", "datasets"}


def test_every_module_can_be_the_first():
    # one process keeps the libraries; of the package each import starts from nothing
    code = """
import importlib, sys
for name in sys.argv[1:]:
    for old in [m for m in sys.modules if m.split(".")[0] == "llmkit"]:
        del sys.modules[old]
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *modules()],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout + done.stderr


@pytest.mark.parametrize("room", sorted(LIGHT))
def test_light_rooms_open_at_once(room):
    names = "; ".join(f"import {m}" for m in rooms()[room])
    # bare starts and rooms take turns, so that a busy machine slows both
    bare, full = [], []
    for _ in range(7):
        bare.append(seconds("pass"))
        full.append(seconds(names))
    extra = statistics.median(full) - statistics.median(bare)
    slowness = max(1.0, statistics.median(bare) / 0.02)
    assert extra < 0.3 * slowness, f"{room} takes {extra:.2f} s to import"


def seconds(code: str) -> float:
    """CPU time of a new interpreter that runs this code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


# --- sizes: a report, not a bar ------------------------------------------------------


def test_long_files_are_reported():
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in sorted(PACKAGE.rglob("*.py"))
        if (count := len(path.read_text("utf-8").splitlines())) > FILE_LINES
    ]
    if long:
        warnings.warn(
            f"longer than {FILE_LINES} lines, split by idea: " + ", ".join(long),
            stacklevel=1,
        )
    vague = [p.name for p in PACKAGE.rglob("*.py") if p.stem in {"utils", "misc"}]
    assert not vague, "name a file by its idea"
