"""Live views of a model: type, click, and see it change.

Each view loads its widget when it is first asked for, so importing this room is free.
"""

from importlib import import_module

# view -> the module that holds a function of that name
_VIEWS = {
    "steps": "qkv",
}

__all__ = list(_VIEWS)


def __getattr__(name: str):
    if name not in _VIEWS:
        known = ", ".join(sorted(_VIEWS))
        raise AttributeError(f"explore has no view {name!r}; it has: {known}")
    return getattr(import_module(f"llmkit.explore.{_VIEWS[name]}"), name)


def __dir__():
    return sorted(_VIEWS)
