"""Packed windows: the loss is that of each text alone."""

import torch

from llmkit.data import Packing
from llmkit.models import GPT, GPTConfig
from llmkit.training import packed_batches, separate_texts

DOCUMENTS = [[5, 3, 2], [4, 4, 7, 1, 6], [2], [6, 3]]


def test_loss_is_that_of_each_text_alone():
    torch.manual_seed(1)
    model = GPT(
        GPTConfig(vocab_size=8, context_length=9, d_model=8, n_heads=2, n_layers=2)
    )
    model = model.double().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    (batch,) = packed_batches(Packing(DOCUMENTS, 9, 0, whole=True), 3)
    total, n = 0.0, 0
    for ids in DOCUMENTS:
        row = torch.tensor([[0, *ids, 0]])
        logits = model(row[:, :-1]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum")
        n += len(ids) + 1
    torch.testing.assert_close(separate_texts(model, batch), total / n)


def test_batches_are_rectangles_and_the_last_is_smaller():
    windows = Packing(DOCUMENTS, 5, 0)
    batches = list(packed_batches(windows, 2))
    assert [tuple(x.shape) for x in batches[0]] == [(2, 5)] * 3
    assert batches[-1][0].shape == (1, 5)
    assert all(x.dtype == torch.int64 for x in batches[0])
