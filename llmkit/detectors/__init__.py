"""Is the model, is the data set sound? Questions that any model can be asked."""

from llmkit.detectors.duplicates import Overlap, overlap
from llmkit.detectors.finding import Finding
from llmkit.detectors.padding import padding_invariant
from llmkit.detectors.peeking import no_peeking

__all__ = ["Finding", "Overlap", "no_peeking", "overlap", "padding_invariant"]
