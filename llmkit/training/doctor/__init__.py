"""A doctor for training runs: watches, and says in plain words what is wrong."""

from llmkit.training.doctor.notes import Note
from llmkit.training.doctor.visiting import Doctor

__all__ = ["Doctor", "Note"]
