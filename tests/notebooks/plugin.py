"""Run each notebook once, and hold that one run to everything.

A pytest plugin on top of nbval, which runs the cells: `-p tests.notebooks.plugin`.
The kernel is cut off from the network. After the last cell one more item moves every
control, waits for threads, and fails on any error that was published, swallowed by a
widget or not, on any try to reach the network, and on a broken budget. Seconds, peak
memory and moves of each notebook stand at the end of the report.

`LLMKIT_NOTEBOOK_ORDER=seed` shuffles the notebooks; cells stay in order.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
from nbval import kernel as nbval_kernel
from nbval.plugin import IPyNbFile

from tests.notebooks.kernel import (
    environment,
    kernel_environment,
    network_attempts,
    peak_memory,
)
from tests.notebooks.sweep import BEFORE, TRACEBACK, Hand, Watch

# COURSE.md's promise, and how much slower a busy machine may be
SECONDS, MEGABYTES, PATIENCE = 180, 3000, 2.0


class Notebook(IPyNbFile):
    """A notebook whose cells nbval runs, and whose controls are moved after them."""

    def collect(self):
        yield from super().collect()
        yield Sweep.from_parent(self, name="every control")

    def setup(self):
        self.state = Path(tempfile.mkdtemp(prefix="notebook-"))
        self.watch = Watch()
        self.start = time.monotonic()
        self.log = self.state / "kernel.log"
        plain = nbval_kernel.start_new_kernel

        def start_new_kernel(*args, **kwargs):
            # nbval throws the kernel's own words away; errors of comms are among them
            kwargs["stderr"] = kwargs["stdout"] = self.log.open("w")
            return plain(*args, **kwargs)

        nbval_kernel.start_new_kernel = start_new_kernel
        fast = os.environ.get("LLMKIT_FAST", "") not in ("", "0")
        try:
            with environment(kernel_environment(self.state, fast)):
                super().setup()
        finally:
            nbval_kernel.start_new_kernel = plain
        self.hand = Hand(self.kernel.kc, self.watch, timeout=120)
        self.hand.execute(BEFORE, "start")

    def get_kernel_message(self, timeout=None, stream="iopub"):
        message = super().get_kernel_message(timeout, stream)
        if stream == "iopub":
            self.watch.see(message, "a cell")
        return message

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.state, ignore_errors=True)


class Sweep(pytest.Item):
    """Moves the controls of a notebook whose cells have run."""

    def runtest(self):
        book = self.parent
        if book.timed_out or not book.kernel.is_alive():
            pytest.fail("the cells did not come to their end", pytrace=False)
        cells = time.monotonic() - book.start
        moved = book.hand.sweep()
        book.hand.settle()
        total = time.monotonic() - book.start
        memory = peak_memory(book.kernel.km.provisioner.pid)
        self.user_properties.append(
            ("notebook", (book.path.name, cells, total - cells, moved, memory))
        )
        wrong = list(book.watch.errors)
        said = book.log.read_text("utf-8", "replace")
        if TRACEBACK in said:
            wrong.append("the kernel: " + said[said.index(TRACEBACK) :].strip())
        if hosts := network_attempts(book.state):
            wrong.append(f"it tried to reach the network: {', '.join(hosts)}")
        if cells > SECONDS * PATIENCE:
            wrong.append(f"its cells took {cells:.0f} s; {SECONDS} s are promised")
        if memory > MEGABYTES:
            wrong.append(f"it took {memory:.0f} MB; {MEGABYTES} MB are promised")
        if wrong:
            name = self.parent.path.name
            pytest.fail("\n".join(f"{name}: {x}" for x in wrong), pytrace=False)

    def repr_failure(self, excinfo):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: every control"


@pytest.hookimpl(hookwrapper=True)
def pytest_collect_file(file_path, parent):
    outcome = yield
    if file_path.suffix == ".ipynb" and parent.config.option.nbval_lax:
        # in place of nbval's own, which would run the cells a second time
        outcome.force_result([Notebook.from_parent(parent, path=file_path)])


def pytest_collection_modifyitems(items):
    """Shuffle the notebooks."""
    books: dict[Path, list] = {}
    rest = []
    for item in items:
        if isinstance(item.parent, Notebook):
            books.setdefault(item.path, []).append(item)
        else:
            rest.append(item)
    order = list(books)
    seed = os.environ.get("LLMKIT_NOTEBOOK_ORDER")
    if seed:
        random.Random(seed).shuffle(order)
    # the long ones go first, so that two workers end at about the same time
    items[:] = [item for path in order for item in books[path]] + rest


def pytest_report_header():
    seed = os.environ.get("LLMKIT_NOTEBOOK_ORDER")
    return f"notebooks in the order of LLMKIT_NOTEBOOK_ORDER={seed}" if seed else None


def pytest_terminal_summary(terminalreporter):
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "notebook" and report.when == "call"
    ]
    if not rows:
        return
    terminalreporter.section("notebooks")
    for name, cells, moving, moved, memory in sorted(rows):
        terminalreporter.line(
            f"{name:<36} cells {cells:6.1f} s   {moved:4d} moves {moving:6.1f} s   "
            f"peak {memory:5.0f} MB"
        )
    terminalreporter.line(f"Python {sys.version.split()[0]}")
