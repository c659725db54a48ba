"""Real virtual environments and the real pip, where an imitation would prove little."""

import os
import subprocess
import sys
import time

import pytest

from tests.setup.fakes import ROOT, Copy

# an index that nobody serves, and no other place to look
NOWHERE = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_RETRIES": "0",
    "PIP_NO_CACHE_DIR": "1",
}


@pytest.fixture
def copy(tmp_path):
    copy = Copy(tmp_path)
    (tmp_path / "llmkit").mkdir()
    (tmp_path / "llmkit" / "__init__.py").write_text('__version__ = "0"\n')
    return copy


@pytest.mark.slow
def test_without_a_network_the_sentence_says_so(copy):
    done = copy.run("setup", **NOWHERE)
    assert done.returncode == 1
    assert "The network is missing" in done.stderr.strip().splitlines()[-1]
    assert not copy.stamp.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a kill is another thing on Windows")
def test_killed_in_the_middle_and_started_again(copy):
    for wait in (0.3, 1.5):
        process = subprocess.Popen(
            [sys.executable, "kit.py", "setup"],
            cwd=copy.root,
            env={**os.environ, **NOWHERE},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(wait)
        os.killpg(process.pid, 9)
        process.wait()
        assert not copy.stamp.exists()
    # half an environment is there now; the next start makes a whole one of it
    done = copy.run("setup", **NOWHERE)
    assert "The network is missing" in done.stderr, done.stderr
    python = copy.root / ".venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "--version"], check=True)


@pytest.mark.slow
@pytest.mark.network
def test_a_whole_installation_from_a_clone(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    for _ in range(2):
        begin = time.monotonic()
        command = [sys.executable, "kit.py", "setup"]
        subprocess.run(command, cwd=clone, check=True)
        seconds = time.monotonic() - begin
    assert seconds < 3, "the second start installs nothing"
    python = clone / ".venv" / "bin" / "python"
    code = "import llmkit.hub; print(llmkit.hub.load_encoder('minilm')[0].config)"
    subprocess.run([python, "-c", code], cwd=clone, check=True)
