"""The datasheet of the `stories_bert` checkpoint, filled in from its log."""

from __future__ import annotations

from llmkit.training.recipes.sheets import counted, laid_out, quoted

SHEET = """# stories_bert: a small BERT that read stories

`load_encoder("stories_bert")` loads it; `transformers` reads the same folder as a
`BertForPreTraining`.

## What it is

An encoder with {weights:,} weights: {n_layers} layers of width {d_model} with {n_heads}
heads, learned positions, a context of {context_length} tokens, and both heads of BERT:
one names hidden words, the other judges whether a second passage follows a first one.
Each of its {vocab_size} tokens is a word, a full stop or a special token; upper and
lower case differ. The weights are stored in float16.

## What it was made from

Stories that `llmkit.data.stories` tells from a seeded grammar: no text of anybody's.
{training_pairs:,} pairs of passages of one to {longest} sentences for training
({training_tokens:,} tokens), {validation_pairs:,} pairs from other stories for
validation. In half of the pairs the second passage follows the first; in the others it
comes from another story.

## How it was made

`python -m llmkit.training.recipes stories_bert`, on {threads} in {minutes:.0f} minutes
of a busy machine: {steps} steps of {batch_size} pairs, masks drawn anew for each (15 %
of the words; 80 % of those hidden, 10 % exchanged, 10 % left), both losses added up,
Muon for the matrices of the blocks and AdamW for the rest, the rate warmed up and
cooled to zero along a cosine. Nothing was chosen by looking at its answers. Another
processor, another number of threads or another version of PyTorch gives slightly other
weights. `log.json` holds the whole recipe and the curve.

`snapshots.safetensors` holds {moments} moments of a smaller run, with {small_weights:,}
weights ({small_layers} layers of width {small_width}, {small_steps} steps), for looking
at how such a model learns.

## How good it is

On the validation pairs, with the stored weights. In brackets, 95 % intervals: for the
model's words by bootstrap over pairs, else Wilson's.

| | hidden words named | loss in nats |
|---|---|---|
{word_rows}

| | pairs judged rightly |
|---|---|
{pair_rows}

"A shared word" says "follows" if a name, a place or a thing is in both passages. Many
pairs leave room for doubt: a wrong passage may happen to speak of the same person. So
no judge reaches 100 %.

The first validation pairs, and what it says of them:

{samples}

## What it is not

A model of English. It knows the words of its world and no other, and everything else
becomes `[UNK]`. It learned which kinds of words and of sentences follow each other, and
hardly who has what: it does not look up which ball was red, and it judges a pair by the
form of its sentences, not by the people in it. It was made to be looked into.
"""


def datasheet(log: dict) -> str:
    """Write the datasheet of a run.

    Args:
        log: what `stories_bert.make` returns.

    Returns:
        Markdown.
    """
    scores = log["scores"]
    words = [
        f"| {name} | {_share(s['words'])} | {s['words_loss']:.3f} |"
        for name, s in scores.items()
        if "words" in s
    ]
    pairs = [
        f"| {name} | {_share(s['follows'])} |"
        for name, s in scores.items()
        if "follows" in s
    ]
    small = log["snapshots"]
    parts = {
        f"{part}_{key}": value
        for part in ("training", "validation")
        for key, value in log[part].items()
    }
    recipe = {k: v for k, v in log["recipe"].items() if k not in parts}
    text = SHEET.format(
        **recipe,
        **parts,
        vocab_size=log["vocab_size"],
        weights=log["weights"],
        minutes=log["minutes"],
        threads=counted(log["threads"], "CPU thread"),
        moments=small["moments"],
        small_weights=small["weights"],
        small_layers=small["recipe"]["n_layers"],
        small_width=small["recipe"]["d_model"],
        small_steps=small["recipe"]["steps"],
        word_rows="\n".join(words),
        pair_rows="\n".join(pairs),
        samples="\n\n".join(quoted(_sample(s)) for s in log["samples"]),
    )
    return laid_out(text)


def _share(interval: list[float]) -> str:
    value, low, high = interval
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _sample(sample: dict) -> str:
    truth = "follows" if sample["follows"] else "does not follow"
    return (
        f"{sample['text']}\n"
        f"({truth}; judged: follows with {sample['judged']:.0%}; "
        f"last word: {sample['last_word']})"
    )
