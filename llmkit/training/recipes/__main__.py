"""The command: `python -m llmkit.training.recipes stories --minutes 15`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from llmkit.runtime import project_root
from llmkit.training.recipes import pydocs, stories, stories_bert

# each has `make(folder, steps=None, minutes=None)`
RECIPES = {
    "pydocs": pydocs.make,
    "stories": stories.make,
    "stories_bert": stories_bert.make,
}


def main() -> None:
    """Run a recipe from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m llmkit.training.recipes",
        description="Train a shipped checkpoint anew.",
    )
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--steps", type=int, help="a shorter or longer run")
    parser.add_argument("--threads", type=int, default=1, help="more is faster")
    parser.add_argument(
        "--minutes", type=float, help="stop after these; the next call goes on"
    )
    parser.add_argument(
        "--folder", type=Path, help="default: the shipped one, which it replaces"
    )
    given = parser.parse_args()
    # with another number of threads sums are added in another order
    torch.set_num_threads(given.threads)
    folder = given.folder or project_root() / "data" / "checkpoints" / given.name
    log = RECIPES[given.name](folder, steps=given.steps, minutes=given.minutes)
    if log is None:
        print("time is up; the same command goes on from here")
    else:
        print(json.dumps({**log["scores"], "samples": log["samples"]}, indent=1))


if __name__ == "__main__":
    main()
