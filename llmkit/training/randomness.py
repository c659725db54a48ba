"""Note where every source of chance stands, and bring it back there.

Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

Generator = torch.Generator | random.Random


def take_random_state(
    generator: Generator | None = None,
) -> tuple[dict[str, Tensor], dict]:
    """Note the state of PyTorch, Python and NumPy, and of one more generator.

    Args:
        generator: one that is not global, such as that which draws the batches.

    Returns:
        Tensors by name, and notes for JSON.
    """
    python, python_notes = _write_python(random.getstate())
    kind, keys, *rest = np.random.get_state(legacy=True)
    tensors = {
        "global": torch.get_rng_state(),
        "python": python,
        "numpy": torch.tensor(keys.astype(np.int64)),
    }
    notes = {"python": python_notes, "numpy": [kind, *rest]}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"cuda.{number}"] = state
    if isinstance(generator, random.Random):
        tensors["generator"], notes["generator"] = _write_python(generator.getstate())
    elif generator is not None:
        tensors["generator"] = generator.get_state()
    return tensors, notes


def set_random_state(
    tensors: dict[str, Tensor], notes: dict, generator: Generator | None = None
) -> None:
    """Bring back what `take_random_state` noted.

    Args:
        tensors: its tensors.
        notes: its notes.
        generator: of the same kind as the noted one.

    Raises:
        ValueError: none was noted, or one of another kind.
    """
    if generator is not None and "generator" not in tensors:
        raise ValueError(
            "it holds no generator: it was saved without one. Leave generator out"
        )
    if generator is not None:
        there = "random.Random" if "generator" in notes else "torch.Generator"
        of_python = isinstance(generator, random.Random)
        if of_python != ("generator" in notes):
            here = type(generator).__name__
            raise ValueError(f"it holds the state of a {there}; got a {here}")
        if of_python:
            generator.setstate(_read_python(tensors["generator"], notes["generator"]))
        else:
            generator.set_state(tensors["generator"])
    torch.set_rng_state(tensors["global"])
    random.setstate(_read_python(tensors["python"], notes["python"]))
    kind, *rest = notes["numpy"]
    np.random.set_state((kind, tensors["numpy"].numpy().astype(np.uint32), *rest))
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            if f"cuda.{number}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda.{number}"], number)


def _write_python(state: tuple) -> tuple[Tensor, list]:
    version, numbers, gauss = state
    return torch.tensor(numbers), [version, gauss]


def _read_python(numbers: Tensor, notes: list) -> tuple:
    version, gauss = notes
    return version, tuple(numbers.tolist()), gauss
