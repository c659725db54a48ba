"""Runs in which nothing is wrong: many sizes, seeds, texts, optimisers, lengths."""

from __future__ import annotations

from dataclasses import replace

import torch

from llmkit.losses import cross_entropy, next_token_loss
from llmkit.training import (
    SGD,
    Adam,
    AdamW,
    evaluate,
    muon,
    ordered_windows,
    random_windows,
    warmup_cosine,
)
from tests.doctor.ward import (
    PAD,
    Setting,
    masked_windows,
    masked_words,
    rows_of_texts,
    run,
    with_attention_mask,
)

HEALTHY: dict[str, object] = {}


def healthy(name):
    def keep(make):
        HEALTHY[name] = make
        return make

    return keep


def _plain(name, **changes):
    HEALTHY[name] = lambda s: run(replace(s, **changes))


_plain("GPT, stories, AdamW")
_plain("GPT, letters", text="letters", length=32)
_plain("GPT, pieces of words", text="pieces")
_plain("Llama, stories", kind="llama")
_plain("Llama, letters", kind="llama", text="letters", width=48)
_plain("a narrow one", width=16, lr=1e-2)
_plain("a wide one", width=96, lr=1e-3)
_plain("a deep one", layers=6)
_plain("one layer", layers=1)
_plain("a short run", steps=8)
_plain("a very short run", steps=2)
_plain("a long run", steps=250)
_plain("a low rate", lr=3e-4)
_plain("a high rate", lr=1e-2, steps=120)
_plain("small batches", batch=2, steps=120)
_plain("large batches", batch=48, steps=30)
_plain("dropout", dropout=0.2)
_plain("ReLU", activation="relu", lr=1e-2)


@healthy("warm-up and cosine")
def _(s):
    return run(s, schedule=warmup_cosine(s.steps, 10))


@healthy("stopped during a long warm-up")
def _(s):
    return run(s, schedule=warmup_cosine(1000, 200), steps=30)


@healthy("plain SGD")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=SGD(m.parameters(), 0.5))


@healthy("SGD with momentum")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=SGD(m.parameters(), 0.05, momentum=0.9))


@healthy("the kit's Adam")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=Adam(m.parameters(), s.lr))


@healthy("the kit's AdamW, much decay")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=AdamW(m.parameters(), s.lr, weight_decay=0.3))


@healthy("Muon")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=muon(m, 0.01, 0.01, 0.3), steps=80)


@healthy("PyTorch's Adam")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=torch.optim.Adam(m.parameters(), s.lr))


@healthy("several batches for one step")
def _(s):
    return run(s, accumulate=4, steps=20)


@healthy("bfloat16 by autocast")
def _(s):
    return run(s, bf16=True)


@healthy("no clipping")
def _(s):
    return run(s, clip=1e9)


@healthy("with validation")
def _(s):
    part = len(s.ids) * 9 // 10
    valid = list(ordered_windows(s.ids[part:], s.length, 16))[:4]
    return run(s, batches=s.windows(s.ids[:part]), doctor={"validation": valid})


@healthy("letters with validation")
def _(s):
    s = replace(s, text="letters", length=40)
    part = len(s.ids) * 9 // 10
    valid = list(ordered_windows(s.ids[part:], s.length, 16))[:4]
    return run(s, batches=s.windows(s.ids[:part]), doctor={"validation": valid})


@healthy("own evaluation in between")
def _(s):
    s = replace(s, dropout=0.1)
    m = s.model()
    valid = [next(random_windows(s.ids, s.length, 8, s.generator(5)))]
    return run(s, model=m, on_step=lambda step: evaluate(m, valid) and None)


@healthy("an encoder, masked words")
def _(s):
    s = replace(s, kind="bert", batch=16)
    return run(s, batches=masked_windows(s), loss=masked_words)


@healthy("an encoder, few words asked")
def _(s):
    s = replace(s, kind="bert", layers=1, width=48, batch=24)
    return run(s, batches=masked_windows(s, share=0.08), loss=masked_words)


@healthy("an encoder with padding and mask")
def _(s):
    s = replace(s, kind="bert", batch=12, dropout=0.1)

    def batches():
        g = s.generator(6)
        for ids, _, real in rows_of_texts(s, with_mask=True):
            asked = (torch.rand(ids.shape, generator=g) < 0.2) & real
            yield ids.masked_fill(asked, 1), ids.masked_fill(~asked, -100), real

    return run(s, batches=batches(), loss=with_attention_mask)


@healthy("a decoder, padding on the right")
def _(s):
    return run(s, batches=rows_of_texts(s), doctor={"pad_id": PAD})


@healthy("padding not told")
def _(s):
    return run(s, batches=rows_of_texts(s))


@healthy("the loss shifts by itself")
def _(s):
    def loss(model, batch):
        return next_token_loss(model(batch[0]).logits, batch[0])

    return run(s, batches=((x,) for x, _ in s.windows()), loss=loss)


@healthy("labels like transformers'")
def _(s):
    def loss(model, batch):
        return next_token_loss(model(batch[0]).logits, batch[1])

    return run(s, batches=((x, x.clone()) for x, _ in s.windows()), loss=loss)


@healthy("label smoothing")
def _(s):
    def loss(model, batch):
        return cross_entropy(model(batch[0]).logits, batch[1], label_smoothing=0.1)

    return run(s, loss=loss)


@healthy("several times through a text")
def _(s):
    (windows,) = ordered_windows(s.ids[:6000], s.length, 6000)

    def batches():
        g = s.generator(7)
        for _ in range(9):
            order = torch.randperm(len(windows[0]), generator=g)
            for rows in order.split(s.batch):
                yield windows[0][rows], windows[1][rows]

    return run(s, batches=batches(), steps=80)


@healthy("only the answers count")
def _(s):
    def batches():
        for x, y in s.windows():
            y = y.clone()
            y[:, : s.length // 2] = -100
            yield x, y

    return run(s, batches=batches())


@healthy("the last matrices begin at zero")
def _(s):
    m = s.model()
    for block in m.blocks:
        torch.nn.init.zeros_(block.attention.o_proj.weight)
        torch.nn.init.zeros_(block.mlp.down_proj.weight)
    return run(s, model=m)


@healthy("frozen on purpose")
def _(s):
    m = s.model()
    m.blocks[0].requires_grad_(False)
    return run(s, model=m, doctor={"frozen": True})


@healthy("going on with a trained model")
def _(s):
    m = s.model()
    run(s, model=m, steps=100)
    return run(replace(s, seed=s.seed + 50, lr=s.lr / 3), model=m)


SETTINGS = {
    # thresholds were reasoned out and tried on the first; the others were kept apart.
    # On the second and third, 0.2 of leaked passages became 0.1, rare padding was no
    # longer believed, and order in the data went before the rate; the last came after
    "first": Setting(),
    "held out: Llama on letters": Setting(
        text="letters", kind="llama", seed=11, width=40, layers=3, length=32, batch=6
    ),
    "held out: GPT on pieces": Setting(
        text="pieces", seed=23, width=24, layers=2, length=20, batch=10, lr=2e-3
    ),
    "last: deeper Llama on stories": Setting(
        kind="llama", seed=37, width=24, layers=4, length=28, batch=12, lr=4e-3
    ),
}
