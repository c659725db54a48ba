"""The map of a model's own table."""

import numpy as np
import pytest
import torch

from llmkit import explore
from llmkit.explore.embeddings import token_table, whole_words


class Model:
    """Has a table and nothing else."""

    def __init__(self, size, width):
        torch.manual_seed(0)
        self.token_embedding = torch.nn.Embedding(size, width)


class WordPiece:
    """Seven tokens of a WordPiece vocabulary."""

    vocab = {  # noqa: RUF012
        token: i
        for i, token in enumerate(
            ["[PAD]", "the", "##ing", "of", "king", "1984", "été"]
        )
    }


class ByteLevel:
    """The same with marks for a word's start."""

    def get_vocab(self):
        """Map tokens to ids."""
        return {"Ġthe": 0, "ing": 1, "Ġking": 2, "king": 3}


def test_whole_words_only():
    assert whole_words(WordPiece(), 10) == ["the", "king"]
    assert whole_words(ByteLevel(), 10) == ["the", "king"]
    assert whole_words(WordPiece(), 1) == ["the"]


def test_rows_belong_to_their_words():
    model = Model(7, 5)
    view = explore.embeddings(model, WordPiece(), groups={"small": ["of"]})
    assert view.words == ["the", "king", "of"]
    rows = token_table(model)[[1, 4, 3]]
    assert view.unit == pytest.approx(
        rows / np.linalg.norm(rows, axis=1, keepdims=True), abs=1e-6
    )


def test_a_word_in_pieces_is_refused():
    with pytest.raises(ValueError, match="'kings' is not"):
        explore.embeddings(Model(7, 5), WordPiece(), words=["the", "kings"])
