"""Plant faults in a copy of the package, and see that tests and a notebook notice.

    python -m tests.mutants                 all of them
    python -m tests.mutants no-sqrt-d …     some
    python -m tests.mutants --list          their names
    python -m tests.mutants --only tests    without the notebooks

For each fault the package is copied, one line is changed, and the tests and the
notebook that own the line are run. Both must turn red: a fault that survives is a hole
in the tests or in the notebook's assertions. First everything is run without a fault
and must be green.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["llmkit", "tests", "notebooks", "data"]
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
QUIET = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "--tb=line"]
NOTEBOOK = ["-p", "tests.notebooks.plugin", "--nbval-lax", "--nbval-current-env"]


def copy_kit(folder: Path) -> None:
    """Copy what tests and notebooks need into an empty folder."""
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for path in [*ROOT.glob("*.toml"), *ROOT.glob("*.txt"), ROOT / "kit.py"]:
        shutil.copy(path, folder)


def plant(fault: Fault, folder: Path) -> str:
    """Put a fault into a copy; return the file's right text.

    Raises:
        SystemExit: the text to replace is not there exactly once.
    """
    path = folder / "llmkit" / fault.file
    text = path.read_text("utf-8")
    if text.count(fault.old) != 1:
        raise SystemExit(
            f"{fault.name}: {fault.file} holds the text {fault.old!r} "
            f"{text.count(fault.old)} times; it must be there once. "
            "Bring tests/mutants/faults.py up to date."
        )
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    return text


def notebook_of(fault: Fault) -> str:
    """Return the path of the notebook that must notice a fault."""
    (path,) = (ROOT / "notebooks").glob(f"{fault.notebook}_*.ipynb")
    return f"notebooks/{path.name}"


def is_green(folder: Path, targets: list[str], timeout: float) -> bool:
    """Run tests or notebooks in a copy; a run that never ends counts as red."""
    command = [sys.executable, "-m", "pytest", *QUIET]
    if any(target.endswith(".ipynb") for target in targets):
        command += [*NOTEBOOK, f"--nbval-cell-timeout={timeout:.0f}"]
    env = {**os.environ, "LLMKIT_FAST": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *targets],
            cwd=folder,
            env={**env, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=3 * timeout,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run {targets}:\n{done.stdout[-2000:]}")
    return done.returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; the status is 1 if a fault survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--only", choices=["tests", "notebooks"])
    given = parser.parse_args(arguments)
    if given.list:
        for fault in FAULTS:
            print(f"{fault.name:<32} {fault.file:<26} notebook {fault.notebook}")
        return 0
    known = {fault.name: fault for fault in FAULTS}
    if unknown := set(given.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; see --list")
    faults = [known[name] for name in given.names] or FAULTS
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        return hunt(faults, Path(name), given.only)


def jobs_of(fault: Fault, only: str | None) -> dict[str, list[str]]:
    """Return what is run for a fault, each part under its name."""
    jobs = {}
    if only != "notebooks":
        jobs["tests"] = [f"tests/{test}" for test in fault.tests]
    if only != "tests":
        jobs["notebooks"] = [notebook_of(fault)]
    return jobs


def hunt(faults: list[Fault], folder: Path, only: str | None) -> int:
    """Run all faults in one copy; return the exit status."""
    copy_kit(folder)
    for fault in faults:
        text = plant(fault, folder)
        (folder / "llmkit" / fault.file).write_text(text, encoding="utf-8")
    healthy = sorted(
        {t for f in faults for run in jobs_of(f, only).values() for t in run}
    )
    for target in healthy:
        if not is_green(folder, [target], 300):
            print(f"{target} is red without any fault: mend that first")
            return 1
    print(f"{len(healthy)} files are green without a fault", flush=True)
    survived = 0
    for fault in faults:
        start = time.monotonic()
        text = plant(fault, folder)
        verdicts = {}
        for part, targets in jobs_of(fault, only).items():
            green = is_green(folder, targets, 300)
            survived += green
            verdicts[part] = "SURVIVED" if green else "red"
        (folder / "llmkit" / fault.file).write_text(text, encoding="utf-8")
        shown = "   ".join(f"{part}: {said}" for part, said in verdicts.items())
        seconds = time.monotonic() - start
        print(f"{fault.name:<32} {shown}   ({seconds:.0f} s)", flush=True)
    print(f"{len(faults)} faults, {survived} not noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
