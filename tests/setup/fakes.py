"""A copy of the kit in which installing is played, so that failures can be staged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ["kit.py", "pyproject.toml", "constraints.txt", "README.md"]

# Stands in for the environment's Python: notes its arguments, then does as told.
PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >> "{log}"
case "$*" in
*"-m pip install"*) {pip} ;;
*"import pip"*) {works} ;;
*"import "*) {probe} ;;
esac
"""


class Copy:
    """A folder with `kit.py` and what it reads."""

    def __init__(self, root: Path):
        self.root, self.log = root, root / "calls.log"
        for name in FILES:
            shutil.copy(ROOT / name, root / name)
        for name in ("notebooks", "tests/notebooks"):
            (root / name).mkdir(parents=True)
        shutil.copy(ROOT / "notebooks" / "bootstrap.py", root / "notebooks")

    def plant(self, pip="exit 0", works="exit 0", probe="exit 0") -> None:
        """Put a played environment in place; each argument is a line of shell."""
        if os.name == "nt":
            pytest.skip("the played environment is a shell script")
        venv = self.root / ".venv"
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "pyvenv.cfg").write_text("version = 3.11.7\n")
        python = venv / "bin" / "python"
        python.write_text(
            PYTHON.format(log=self.log, pip=pip, works=works, probe=probe)
        )
        python.chmod(0o755)

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run `kit.py` as a reader does."""
        return subprocess.run(
            [sys.executable, "kit.py", *arguments],
            cwd=self.root,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=300,
        )

    @property
    def calls(self) -> list[str]:
        """What the environment's Python was asked, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def installs(self) -> list[str]:
        """The calls of pip among them."""
        return [call for call in self.calls if "-m pip install" in call]

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / "llmkit.json"

    def has(self) -> list[str]:
        """Which extras the stamp says are whole."""
        return json.loads(self.stamp.read_text())["has"]
