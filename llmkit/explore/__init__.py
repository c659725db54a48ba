"""Live views of a model: type, click, and see it change.

Each view loads its widget when it is first asked for, so importing this room is free.
"""

import sys
from importlib import import_module
from types import ModuleType

# view -> the module that holds a function of that name
_VIEWS = {
    "positions": "positions",
    "block": "block",
    "compare": "compare",
    "cost": "cost",
    "embeddings": "embeddings",
    "fill_mask": "fill_mask",
    "fine_tuning": "fine_tuning",
    "generation_tree": "generation_tree",
    "next_token": "next_token",
    "attention": "attention",
    "learning_rate": "learning_rate",
    "lens": "lens",
    "loss": "loss",
    "metrics": "metrics",
    "sentence_pair": "sentence_pair",
    "sick_run": "sick_run",
    "steps": "qkv",
    "time_machine": "time_machine",
    "threshold": "threshold",
    "tokens": "tokens",
    "training": "training",
    "what_if": "what_if",
}

__all__ = list(_VIEWS)


def __getattr__(name: str):
    if name not in _VIEWS:
        known = ", ".join(sorted(_VIEWS))
        raise AttributeError(f"explore has no view {name!r}; it has: {known}")
    return getattr(import_module(f"llmkit.explore.{_VIEWS[name]}"), name)


def __dir__():
    return sorted(_VIEWS)


class _Room(ModuleType):
    """Keeps `explore.lens` the view when the module `explore/lens.py` is loaded."""

    def __setattr__(self, name, value):
        # Python would put a loaded submodule here, in front of the view of that name
        if not (name in _VIEWS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
