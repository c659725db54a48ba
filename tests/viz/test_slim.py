"""Scripts lose their blanks and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from llmkit.viz.slim import slim_script

VIZ = Path(__file__).parents[2] / "llmkit" / "viz"


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("const a = 1; // one\n  /* two\n */ let b;", "const a=1;let b;\n"),
        ("return 'a  b' + \"c // d\"", "return'a  b'+\"c // d\"\n"),
        (
            "x = `a ${ `b  ${c}` + '}' } /* d */`  + e",
            "x=`a ${ `b  ${c}` + '}' } /* d */`+e\n",
        ),
        ("s.replace(/[/ \"]  \\/ /g, ' ')", "s.replace(/[/ \"]  \\/ /g,' ')\n"),
        ("a = b / c / d; e = (f) / 2", "a=b/c/d;e=(f)/2\n"),
        ("a + +b - --c; d++ + e", "a+ +b- --c;d++ +e\n"),
        (
            "if (x) return /re /.test(y)\nelse z()",
            "if(x)return/re /.test(y)\nelse z()\n",
        ),
        ("f()\n  .g()\nh()\n[1]", "f().g()\nh()\n[1]\n"),
        ("const größe = 1, b\nlet c", "const größe=1,b\nlet c\n"),
        ("x--\ny", "x--\ny\n"),
        ("a < !--b", "a< !--b\n"),
    ],
)
def test_by_hand(code, short):
    assert slim_script(code) == short
    assert slim_script(short) == short


@pytest.mark.parametrize("name", sorted(p.name for p in VIZ.glob("*.js")))
def test_every_script_stays_valid_and_gets_shorter(name, tmp_path):
    code = (VIZ / name).read_text("utf-8")
    short = slim_script(code)
    assert len(short) < 0.95 * len(code)
    letters = "".join(code.split()), "".join(short.split())
    assert len(letters[1]) <= len(letters[0])
    assert slim_script(short) == short
    if shutil.which("node"):
        (tmp_path / "a.mjs").write_text(short, "utf-8")
        subprocess.run(["node", "--check", str(tmp_path / "a.mjs")], check=True)
