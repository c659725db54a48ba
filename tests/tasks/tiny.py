"""A tiny classifier and tiny examples, every axis of its own size."""

import torch

from llmkit.models import BERT, BERTConfig
from llmkit.tasks import Classifier, Example

V, T, D, H, L, C = 40, 13, 12, 3, 4, 5


def config(**changes):
    sizes = {
        "vocab_size": V,
        "context_length": T,
        "d_model": D,
        "n_heads": H,
        "n_layers": L,
        "d_ff": 20,
    }
    return BERTConfig(**{**sizes, **changes})


def classifier(pooling="mean", dropout=0.1, seed=0, classes=C, **changes):
    torch.manual_seed(seed)
    return Classifier(
        BERT(config(dropout=dropout, **changes)), classes, pooling, dropout
    )


def examples(n=23, seed=1, classes=C):
    """Texts of 3 to 12 tokens whose label is told by their first token."""
    g = torch.Generator().manual_seed(seed)
    out = []
    for _ in range(n):
        length = int(torch.randint(3, T, (1,), generator=g))
        ids = torch.randint(classes, V, (length,), generator=g).tolist()
        label = int(torch.randint(classes, (1,), generator=g))
        out.append(Example([label, *ids[1:]], label))
    return out
