"""What a run is made of: texts, models, and a doctor that watches it to the end."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import torch

from llmkit.data import load_pydocs
from llmkit.data.stories import stories
from llmkit.losses import cross_entropy
from llmkit.models import BERT, GPT, BERTConfig, GPTConfig, Llama, LlamaConfig
from llmkit.tokenizers import ByteBPETokenizer, CharTokenizer
from llmkit.training import adamw, random_windows, train
from llmkit.training.doctor import Doctor
from llmkit.training.loop import next_token

MASK, PAD = 1, 0


@cache
def text(name: str) -> tuple[torch.Tensor, int]:
    """The ids of a text and V. Ids 0 and 1 are kept for padding and mask."""
    if name == "stories":
        words = [w for story in _some_stories() for w in story.words]
        known = {w: i + 2 for i, w in enumerate(sorted(set(words)))}
        return torch.tensor([known[w] for w in words]), len(known) + 2
    prose = "\n".join(d.text for d in load_pydocs("topics"))[:120_000]
    if name == "letters":
        tokenizer = CharTokenizer.train([prose])
    else:
        tokenizer = ByteBPETokenizer.train(prose[:60_000], 400)
    ids = torch.tensor(tokenizer.encode(prose[:60_000])) + 2
    return ids, tokenizer.vocab_size + 2


@cache
def _some_stories():
    return list(stories(1500, seed=3))


@dataclass(frozen=True)
class Setting:
    """Sizes and seeds of a run; faults and healthy runs share them."""

    text: str = "stories"
    kind: str = "gpt"
    seed: int = 0
    width: int = 32
    layers: int = 2
    length: int = 24
    batch: int = 8
    lr: float = 3e-3
    steps: int = 60
    dropout: float = 0.0
    activation: str = "gelu_tanh"

    @property
    def ids(self):
        return text(self.text)[0]

    @property
    def vocab_size(self):
        return text(self.text)[1]

    def generator(self, more=0):
        return torch.Generator().manual_seed(1000 * self.seed + more)

    def windows(self, ids=None):
        ids = self.ids if ids is None else ids
        return random_windows(ids, self.length, self.batch, self.generator())

    def model(self, **changes):
        torch.manual_seed(self.seed)
        sizes = {
            "vocab_size": self.vocab_size,
            "context_length": 64,
            "d_model": self.width,
            "n_heads": 4,
            "n_layers": self.layers,
        }
        if self.kind == "llama":
            return Llama(LlamaConfig(**{**sizes, **changes}))
        sizes |= {"dropout": self.dropout, "activation": self.activation}
        if self.kind == "bert":
            sizes["activation"] = "gelu"
            return BERT(BERTConfig(**{**sizes, **changes}))
        return GPT(GPTConfig(**{**sizes, **changes}))


def masked_windows(setting, hide=True, share=0.15):
    """Batches for an encoder: what it reads, and what stood where it is asked."""
    g = setting.generator(1)
    for ids, _ in setting.windows():
        asked = torch.rand(ids.shape, generator=g) < share
        targets = ids.masked_fill(~asked, -100)
        fate = torch.rand(ids.shape, generator=g)
        read = ids.masked_fill(asked & (fate < 0.8), MASK) if hide else ids
        yield read, targets


def rows_of_texts(setting, mark=True, with_mask=False):
    """Texts of unequal length, filled up with padding on the right."""
    dice = random.Random(setting.seed)
    ids = setting.ids
    while True:
        rows, wanted = [], []
        longest = setting.length
        for _ in range(setting.batch):
            n = dice.randrange(longest // 3, longest)
            begin = dice.randrange(len(ids) - longest - 1)
            piece = ids[begin : begin + n + 1].tolist()
            fill = longest - n
            rows.append(piece[:-1] + [PAD] * fill)
            wanted.append(piece[1:] + [-100 if mark else PAD] * fill)
        rows, wanted = torch.tensor(rows), torch.tensor(wanted)
        yield (rows, wanted, rows != PAD) if with_mask else (rows, wanted)


def run(
    setting: Setting,
    *,
    model=None,
    optimizer=None,
    batches=None,
    loss=next_token,
    on_step=None,
    loop=train,
    doctor=None,
    **settings,
) -> Doctor:
    """Train with a doctor; an error that ends the run is no matter."""
    model = setting.model() if model is None else model
    optimizer = adamw(model, setting.lr) if optimizer is None else optimizer
    batches = setting.windows() if batches is None else batches
    doctor = Doctor(model, optimizer, loss=loss, **(doctor or {}))

    def after(step):
        doctor(step)
        return on_step(step) if on_step else None

    torch.manual_seed(setting.seed)
    try:
        loop(
            model,
            doctor.watch(batches),
            optimizer,
            loss=loss,
            on_step=after,
            **{"steps": setting.steps} | settings,
        )
    except (FloatingPointError, ValueError, IndexError):
        pass
    doctor.leave()
    return doctor


def masked_words(model, batch):
    return cross_entropy(model(batch[0]).logits, batch[1])


def with_attention_mask(model, batch):
    ids, targets, real = batch
    return cross_entropy(model(ids, attention_mask=real).logits, targets)
