"""A real JupyterLab, a real browser, and what a test says to them.

`jupyter_lab()` serves a throw-away folder inside the repository, so that a notebook's
set-up cell finds the kit as it does for a reader. `Notebook` is one notebook open in
the browser. Neither the page nor the kernel can reach the network; what they try is
recorded and fails the test.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebooks.kernel import NOTEBOOKS, ROOT, kernel_environment, network_attempts

SHOTS = ROOT / "shots"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:", "about:")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# no news pop-up, no questions, every cell in the page
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
WIDGET = "window.jupyterapp?.shell?.currentWidget"
TRACEBACK = "Traceback (most recent call last)"


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome, or None."""
    named = os.environ.get("LLMKIT_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge"):
        if found := shutil.which(name):
            return found
    for place in (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    ):
        if Path(place).exists():
            return place
    return None


def why_no_browser() -> str | None:
    """Return why the browser tests cannot run here, or None if they can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "Playwright is not installed: pip install playwright"
    if find_chromium() is None:
        return "no Chromium was found: install it, or set LLMKIT_CHROMIUM to its path"
    return None


@dataclass
class Lab:
    """A running JupyterLab: its address, its token and the folder it serves."""

    url: str
    token: str
    root: Path

    def ask(self, path: str, method: str = "GET") -> bytes:
        """Return what the server answers to one request of its REST interface."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def end_kernels(self) -> None:
        """Shut every kernel down, so that their memory is free for the next."""
        for session in json.loads(self.ask("/api/sessions")):
            with contextlib.suppress(OSError):
                self.ask(f"/api/sessions/{session['id']}", "DELETE")


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def jupyter_lab():
    """Run a private JupyterLab for the length of a `with` block; yield a `Lab`."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="lab-", dir=ROOT / ".cache"))
    state = Path(tempfile.mkdtemp(prefix="lab-state-"))
    (state / "labconfig").mkdir()
    overrides = state / "labconfig" / "default_setting_overrides.json"
    overrides.write_text(json.dumps(SETTINGS))
    token = secrets.token_hex(16)
    env = {
        **os.environ,
        **kernel_environment(state),
        "JUPYTER_CONFIG_DIR": str(state),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "JUPYTER_TOKEN": token,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    port = free_port()
    log = state / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True"]
    command += ["--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={k: v for k, v in env.items() if v},
            start_new_session=True,
        )
    lab = Lab(f"http://127.0.0.1:{port}", token, root)
    try:
        _wait_for(lab, server, log)
        yield lab
        hosts = network_attempts(state)
        assert not hosts, f"the server or a kernel tried the network: {hosts}"
    finally:
        _end(server)
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


def _wait_for(lab: Lab, server: subprocess.Popen, log: Path) -> None:
    for _ in range(360):
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended:\n{log.read_text()[-2000:]}")
        try:
            lab.ask("/api/status")
            return
        except OSError:
            time.sleep(0.25)
    raise TimeoutError(f"JupyterLab did not answer:\n{log.read_text()[-2000:]}")


def _end(server: subprocess.Popen) -> None:
    """End the server and the kernels it started, and nothing else."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(server.pid, signal.SIGTERM)
        else:
            server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()


@dataclass
class Guard:
    """What a page did that it should not: requests that left, errors in scripts."""

    blocked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def watch(self, page) -> None:
        """Stop and record every request of a page that is not to this machine."""

        def route(asked):
            if asked.request.url.startswith(LOCAL):
                asked.continue_()
            else:
                self.blocked.append(asked.request.url)
                asked.abort()

        page.context.route("**/*", route)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.console.append(message.text) if message.type == "error" else None
            ),
        )


class Notebook:
    """One notebook, open in JupyterLab in the browser."""

    def __init__(self, page, lab: Lab, name: str):
        self.page, self.lab, self.name = page, lab, name
        page.goto(f"{lab.url}/doc/tree/{name}?reset&token={lab.token}")
        page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell")
        self.wait_kernel()

    def wait_kernel(self, timeout: float = 120) -> None:
        """Wait until the kernel is connected and has nothing to do.

        Args:
            timeout: seconds.
        """
        # the toolbar says "idle" before there is any kernel: ask the session
        self.page.wait_for_function(
            f"""() => {{ const s = {WIDGET}?.sessionContext, k = s?.session?.kernel;
            return s?.isReady && k?.connectionStatus === 'connected'
                && k?.status === 'idle'; }}""",
            timeout=timeout * 1000,
        )

    def command(self, name: str, **arguments) -> None:
        """Start a command of JupyterLab; does not wait for its end."""
        self.page.evaluate(
            "([name, args]) => { window.jupyterapp.commands.execute(name, args); }",
            [name, arguments],
        )

    def run_all(self, timeout: float = 300) -> None:
        """Run every cell and fail on any traceback, also one inside a widget.

        Args:
            timeout: seconds.
        """
        self.command("notebook:run-all-cells")
        # a cell that waits has no count yet; an error keeps the rest from running
        self.page.wait_for_function(
            f"""() => {{
            const w = {WIDGET}, code = w.content.widgets.filter(
                c => c.model.type === 'code' && c.model.sharedModel.source.trim());
            const failed = c => c.model.outputs.toJSON().some(
                o => o.output_type === 'error');
            return w.sessionContext.session.kernel.status === 'idle'
                && (code.every(c => c.model.executionCount != null)
                    || code.some(failed)); }}""",
            timeout=timeout * 1000,
        )
        self.wait_kernel(timeout)
        self.settle()
        errors = self.tracebacks()
        assert not errors, errors

    def run_in_kernel(self, code: str, timeout: float = 60) -> str:
        """Run code in the notebook's kernel and return what it printed.

        Args:
            code: Python.
            timeout: seconds.

        Returns:
            Its standard output; "ERROR name: text" at the end if it failed.
        """
        return self.page.evaluate(
            f"""async ([code, limit]) => {{
            const k = {WIDGET}.sessionContext.session.kernel; let out = '';
            const f = k.requestExecute({{code, store_history: false}});
            f.onIOPub = m => {{
                if (m.header.msg_type === 'stream') out += m.content.text;
                if (m.header.msg_type === 'error')
                    out += `ERROR ${{m.content.ename}}: ${{m.content.evalue}}`; }};
            const late = new Promise((_, no) => setTimeout(
                () => no(new Error('the kernel did not answer in time')), limit));
            await Promise.race([f.done, late]); return out; }}""",
            [code, timeout * 1000],
        )

    def until(self, claim: str, seconds: float = 20) -> None:
        """Wait until something holds in the kernel: a view's messages may queue up.

        Args:
            claim: a Python expression that becomes True.
            seconds: how long to wait.
        """
        end = time.monotonic() + seconds
        while (answer := self.run_in_kernel(f"print({claim})").strip()) != "True":
            assert time.monotonic() < end, f"{claim}: {answer}"
            time.sleep(0.1)

    @property
    def outputs(self):
        """The outputs of all cells: search here, for the page holds the source too."""
        return self.page.locator(".jp-Cell-outputArea")

    def cell(self, place: int):
        """Return one cell as a locator, counted from 0 over all cells."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(place)

    def tracebacks(self) -> list[str]:
        """Return the errors shown anywhere, also in the output of a widget."""
        shown = self.page.locator(
            '[data-mime-type="application/vnd.jupyter.stderr"], '
            '[data-mime-type="application/vnd.jupyter.error"]'
        )
        return shown.filter(has_text=TRACEBACK).all_text_contents()

    def settle(self, frames: int = 2) -> None:
        """Wait until the page has drawn what it has been told."""
        self.page.evaluate(
            """async n => { for (let i = 0; i < n; i++)
            await new Promise(done => requestAnimationFrame(done)); }""",
            frames,
        )

    def theme(self, name: str) -> None:
        """Switch JupyterLab's theme.

        Args:
            name: "light" or "dark".
        """
        self.command("apputils:change-theme", theme=THEMES[name])
        light = "true" if name == "light" else "false"
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
        # a splash covers the page while the style sheet loads
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.settle()

    def shot(self, name: str, locator=None) -> Path:
        """Store a picture of the page, or of one element, in `shots/`.

        Args:
            name: the file's name without ending.
            locator: a Playwright locator; it is scrolled into view.

        Returns:
            The picture's path.
        """
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.png"
        if locator is not None:
            locator.scroll_into_view_if_needed()
            self.settle()
            locator.screenshot(path=str(path))
        else:
            self.page.screenshot(path=str(path))
        return path


def place_notebook(lab: Lab, source) -> str:
    """Put a notebook where the server sees it.

    Args:
        lab: the server.
        source: the path of a notebook, a notebook's name in `notebooks/`, or a list of
            cells: code as text, or cells made by nbformat.

    Returns:
        Its name on the server. What the browser does never touches the original.
    """
    name = f"test-{secrets.token_hex(4)}.ipynb"
    if isinstance(source, (str, Path)):
        path = Path(source)
        path = path if path.exists() else NOTEBOOKS / path.name
        nb = nbformat.read(path, as_version=4)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    else:
        cells = [new_code_cell(c) if isinstance(c, str) else c for c in source]
        nb = new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nb, lab.root / name)
    return name
