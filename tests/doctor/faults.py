"""Runs into each of which one fault is planted, and the names that are right for it.

Every fault is what somebody may do by mistake, in the code that people write. The
first name that the doctor says must be among the right ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F

from llmkit.models import GPT
from llmkit.training import SGD, adamw, random_windows, warmup_cosine
from llmkit.training.loop import Step
from tests.doctor.ward import (
    PAD,
    masked_windows,
    masked_words,
    rows_of_texts,
    run,
    text,
)

FAULTS: dict[str, tuple] = {}


@dataclass(frozen=True)
class Fault:
    name: str
    right: tuple[str, ...]
    plant: object


def fault(name, *right):
    def keep(plant):
        FAULTS[name] = Fault(name, right, plant)
        return plant

    return keep


# --- the rate ------------------------------------------------------------------------


@fault("AdamW, rate 300 times too high", "rate too high")
def _(s):
    return run(s, optimizer=adamw(m := s.model(), 300 * s.lr), model=m, steps=100)


@fault("SGD, rate far too high", "rate too high")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=SGD(m.parameters(), 2000.0), clip=1e9, steps=80)


@fault("rate ten thousand times too low", "rate too low")
def _(s):
    return run(s, optimizer=adamw(m := s.model(), s.lr / 1e4), model=m)


@fault("SGD with AdamW's small rate", "rate too low")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=SGD(m.parameters(), s.lr / 300))


@fault("the schedule never leaves 0", "rate too low")
def _(s):
    return run(s, schedule=lambda step: step // 1000)


@fault("no warm-up, high rate", "no warm-up", "rate too high")
def _(s):
    m = s.model()
    fast = torch.optim.Adam(m.parameters(), 0.1)
    # high at once, but soon lower: the run recovers
    return run(s, model=m, optimizer=fast, schedule=lambda k: max(0.02, 1 - k / 40))


@fault("weight decay 30", "weight decay too high")
def _(s):
    return run(s, optimizer=adamw(m := s.model(), s.lr, 30.0), model=m)


@fault("clip=0.001", "clipping always active")
def _(s):
    return run(s, clip=0.001)


# --- targets and loss ----------------------------------------------------------------


@fault("targets not shifted", "targets not shifted")
def _(s):
    return run(s, batches=((x, x.clone()) for x, _ in s.windows()))


@fault("the very same tensor as target", "targets not shifted")
def _(s):
    return run(s, batches=((x, x) for x, _ in s.windows()))


@fault("targets shifted backwards", "targets shifted backwards")
def _(s):
    return run(s, batches=((y, x) for x, y in s.windows()))


@fault("targets two ahead", "targets shifted twice")
def _(s):
    return run(s, batches=((x[:, :-1], y[:, 1:]) for x, y in s.windows()))


@fault("shifted in the data and in the loss", "targets shifted twice")
def _(s):
    def again(model, batch):
        logits = model(batch[0]).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), batch[1][:, 1:].flatten())

    return run(s, loss=again)


@fault("inputs and targets shuffled apart", "targets do not belong to the inputs")
def _(s):
    return run(s, batches=((x, y.roll(1, 0)) for x, y in s.windows()))


@fault("targets constant", "targets constant")
def _(s):
    return run(s, batches=((x, torch.full_like(y, 5)) for x, y in s.windows()))


@fault("every target ignored", "no target counts")
def _(s):
    return run(s, batches=((x, torch.full_like(y, -100)) for x, y in s.windows()))


@fault("an encoder reads what it is asked for", "nothing is masked")
def _(s):
    s = replace(s, kind="bert")
    return run(s, batches=masked_windows(s, hide=False), loss=masked_words)


@fault("the sum instead of the mean", "wrong reduction")
def _(s):
    def total(model, batch):
        logits = model(batch[0]).logits
        return F.cross_entropy(
            logits.flatten(0, 1), batch[1].flatten(), reduction="sum"
        )

    return run(s, loss=total)


@fault("the sum over positions", "wrong reduction")
def _(s):
    def total(model, batch):
        logits = model(batch[0]).logits
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch[1].flatten(), reduction="sum"
        )
        return loss / len(batch[0])

    return run(s, loss=total)


@fault("the mean over padding, too", "wrong reduction")
def _(s):
    def over_all(model, batch):
        logits = model(batch[0]).logits
        return F.cross_entropy(
            logits.flatten(0, 1), batch[1].flatten(), reduction="none"
        ).mean()

    return run(s, batches=rows_of_texts(s), loss=over_all)


@fault("softmax twice", "softmax twice")
def _(s):
    def twice(model, batch):
        chances = model(batch[0]).logits.softmax(-1)
        return F.cross_entropy(chances.flatten(0, 1), batch[1].flatten())

    return run(s, loss=twice)


@fault("the sign of the loss", "sign of the loss")
def _(s):
    def gain(model, batch):
        logits = model(batch[0]).logits.log_softmax(-1)
        return logits.gather(-1, batch[1][..., None]).mean()

    return run(s, loss=gain)


# --- data ----------------------------------------------------------------------------


@fault("padding in the loss", "padding in the loss")
def _(s):
    return run(s, batches=rows_of_texts(s, mark=False))


@fault("an encoder without attention mask", "padding is read")
def _(s):
    s = replace(s, kind="bert")

    def hidden():
        g = s.generator(2)
        for ids, _ in rows_of_texts(s):
            asked = (torch.rand(ids.shape, generator=g) < 0.2) & (ids != PAD)
            yield ids.masked_fill(asked, 1), ids.masked_fill(~asked, -100)

    return run(s, batches=hidden(), loss=masked_words)


@fault("ids out of range", "tokenizer of another model")
def _(s):
    m = s.model(vocab_size=s.vocab_size // 2)
    return run(s, model=m)


@fault("a vocabulary twenty times too large", "tokenizer of another model")
def _(s):
    m = s.model(vocab_size=20 * s.vocab_size)
    batch = replace(s, batch=4 * s.batch)
    return run(s, model=m, batches=batch.windows(), steps=25)


@fault("a trained model, another tokenizer", "tokenizer of another model")
def _(s):
    m = s.model()
    run(s, model=m, steps=150)
    g = s.generator(3)
    renamed = torch.randperm(s.vocab_size, generator=g)
    return run(s, model=m, batches=s.windows(renamed[s.ids]))


@fault("sorted texts", "data not shuffled")
def _(s):
    other, size = text("letters" if s.text != "letters" else "stories")
    ids = torch.cat([s.ids[:3000], other[:3000] + s.vocab_size])
    m = s.model(vocab_size=s.vocab_size + size)
    rows = len(ids) // (s.length + 1)
    table = ids[: rows * (s.length + 1)].view(rows, -1)
    batches = [(r[:, :-1], r[:, 1:]) for r in table.split(s.batch)]
    few = batches[:: max(1, len(batches) // s.steps)]
    return run(s, model=m, batches=few, steps=len(few))


@fault("the same batch each time", "same batch again and again")
def _(s):
    one = next(s.windows())
    return run(s, batches=iter(lambda: one, None))


@fault("validation text trained on", "validation text in the training data")
def _(s):
    part = s.ids[:1200]
    valid = [next(random_windows(part, s.length, 16, s.generator(4)))]
    return run(s, batches=s.windows(part), doctor={"validation": valid})


@fault("too little text for too long", "overfitting")
def _(s):
    s = replace(s, width=48, lr=1e-2)
    few, other = s.ids[:400], s.ids[2000:4000]
    valid = [next(random_windows(other, s.length, 32, s.generator(4)))]
    return run(
        s, batches=s.windows(few), doctor={"validation": valid, "every": 15}, steps=150
    )


# --- the model -----------------------------------------------------------------------


@fault("no causal mask", "future visible")
def _(s):
    return run(s, model=_without_mask(s, lambda mask: torch.ones_like(mask)))


@fault("mask off by one", "future visible")
def _(s):
    def off(mask):
        return mask | mask.roll(-1, -2).tril(1)

    return run(s, model=_without_mask(s, off))


def _without_mask(s, change):
    model = s.model()
    for block in model.blocks:
        attend = block.attention.forward

        def see(x, *args, mask=None, attend=attend, **kwargs):
            return attend(x, *args, mask=change(mask), **kwargs)

        block.attention.forward = see
    return model


@fault("token vectors of size 1 as the output layer", "initialised too large")
def _(s):
    m = replace(s, kind="gpt").model()
    nn.init.normal_(m.token_embedding.weight)
    return run(s, model=m)


@fault("all matrices of size 1", "initialised too large")
def _(s):
    m = s.model()
    for p in m.blocks.parameters():
        if p.dim() == 2:
            nn.init.normal_(p)
    return run(s, model=m)


@fault("weights of size 0.000001", "initialised too small")
def _(s):
    m = s.model()
    for p in m.parameters():
        if p.dim() == 2:
            nn.init.normal_(p, std=1e-6)
    return run(s, model=m)


@fault("all weights 0", "initialised with zeros")
def _(s):
    m = s.model()
    for p in m.parameters():
        if p.dim() == 2:
            nn.init.zeros_(p)
    return run(s, model=m)


@fault("all weights alike", "initialised alike")
def _(s):
    m = s.model()
    for p in m.blocks.parameters():
        if p.dim() == 2:
            nn.init.constant_(p, 0.02)
    return run(s, model=m)


@fault("dead ReLUs", "dead units")
def _(s):
    m = replace(s, kind="gpt", activation="relu").model()
    nn.init.constant_(m.blocks[0].mlp.up_proj.bias, -10.0)
    return run(s, model=m)


@fault("twelve layers without residual", "gradient vanishes")
def _(s):
    class Plain(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.inside = nn.Linear(width, width)
            nn.init.normal_(self.inside.weight, std=0.2 / math.sqrt(width))

        def forward(self, x, **kwargs):
            return self.inside(x).tanh(), None, None

    m = replace(s, kind="gpt").model()
    m.blocks = nn.ModuleList(Plain(s.width) for _ in range(12))
    return run(s, model=m)


@fault("detach between the blocks", "gradient cut off")
def _(s):
    m = s.model()
    m.blocks[1].register_forward_pre_hook(lambda block, args: (args[0].detach(),))
    return run(s, model=m)


@fault("dropout 0.9", "dropout too high")
def _(s):
    m = replace(s, kind="gpt", dropout=0.9).model()
    return run(s, model=m)


@fault("a root of 0 on the way back", "not a number")
def _(s):
    m = s.model()

    def length(module, args, out):
        far = (out - out.detach()).square().sum(-1, keepdim=True).sqrt()
        return out + far

    m.blocks[0].mlp.down_proj.register_forward_hook(length)
    return run(s, model=m, steps=30)


@fault("a logarithm of 0", "not a number")
def _(s):
    m = s.model()
    m.blocks[1].mlp.register_forward_hook(
        lambda module, args, out: out * torch.relu(out).log() * 0.1
    )
    return run(s, model=m, steps=30)


@fault("weights in bfloat16", "steps rounded away")
def _(s):
    m = s.model().bfloat16()
    return run(s, model=m, optimizer=adamw(m, s.lr / 100))


# --- the loop ------------------------------------------------------------------------


def _own_loop(
    model, batches, optimizer, *, steps, loss, on_step, zero=True, before=None
):
    """The loop that people write themselves."""
    model.train()
    for step, batch in zip(range(steps), batches, strict=False):
        if zero:
            optimizer.zero_grad()
        value = loss(model, batch)
        value.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        optimizer.step()
        lr = optimizer.param_groups[0]["lr"]
        on_step(Step(step, value.item(), lr, norm, 0.0))
        if before:
            before(step, model, batch)


@fault("zero_grad forgotten", "zero_grad forgotten")
def _(s):
    def loop(*args, **kwargs):
        _own_loop(*args, **kwargs, zero=False)

    return run(s, loop=loop)


@fault("eval forgotten", "eval forgotten")
def _(s):
    s = replace(s, kind="gpt", dropout=0.2)

    def score(step, model, batch):
        if step % 10 == 9:
            with torch.no_grad():
                model(batch[0])

    def loop(*args, **kwargs):
        _own_loop(*args, **kwargs, before=score)

    return run(s, loop=loop)


@fault("train forgotten after evaluating", "train forgotten")
def _(s):
    s = replace(s, kind="gpt", dropout=0.2)

    def score(step, model, batch):
        if step % 10 == 9:
            model.eval()
            with torch.no_grad():
                model(batch[0])

    def loop(*args, **kwargs):
        _own_loop(*args, **kwargs, before=score)

    return run(s, loop=loop)


@fault("only the last block in the optimizer", "not in the optimizer")
def _(s):
    m = s.model()
    return run(s, model=m, optimizer=torch.optim.AdamW(m.blocks[-1].parameters(), s.lr))


@fault("the optimizer of another model", "not in the optimizer")
def _(s):
    return run(
        s,
        optimizer=adamw(GPT(s.model().config) if s.kind == "gpt" else s.model(), s.lr),
    )


@fault("frozen blocks", "frozen weights")
def _(s):
    m = s.model()
    m.blocks[0].requires_grad_(False)
    return run(s, model=m, schedule=warmup_cosine(s.steps, 5))
