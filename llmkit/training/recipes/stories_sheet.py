"""The datasheet of the `stories` checkpoint, filled in from its log."""

from __future__ import annotations

from llmkit.training.recipes.sheets import counted, laid_out, quoted

SHEET = """# stories: a small language model whose best possible loss is known

`load_decoder("stories")` loads it; `transformers` reads the same folder.

## What it is

A decoder with {weights:,} weights: {n_layers} layers of width {d_model} with {n_heads}
heads, SwiGLU, RMSNorm before each part and on queries and keys, rotary positions, a
context of {context_length} tokens. Each word and each full stop of the stories is one
token. In Hugging Face's terms it is a tiny Qwen 3. The weights are stored in float16.
A text begins with `[SEP]`, and `[SEP]` follows its end.

## What it was made from

{training_stories:,} stories told by `llmkit.data.stories`, each seen once: a small
simulated world in which people go places, carry things, give them away and want them.
Every sentence comes from the kit's own grammar; there is no other text in it.

## How it was made

`python -m llmkit.training.recipes stories`, on {threads} in {minutes:.0f} minutes of a
busy machine: {steps:,} steps of {batch_size} stories in {precision}, Muon for the
matrices of the blocks and AdamW for the rest. The rate is steady for
{training_steady:,} steps, on stories in which more happens than usual, and then cooled
to zero on the usual ones.
Nothing was chosen by looking at its samples. Another processor or another number of
threads gives slightly other weights. `log.json` holds the whole recipe and the curve.

How it begins decides what it can learn. Runs of some thousand steps that began
in the usual way stalled 17 % above the floor: they never learned which thing had a
colour. Short runs
({beginning_steps} steps) with one choice taken back at a time, each with
{n_seeds} seeds:

| beginning | above the floor | nats too many at a colour | at its thing |
|---|---|---|---|
{beginnings}

Long word and output vectors keep words of one kind apart while the model only knows
their kind. The head that looks back tells each token what stood before it, which is
what another head needs to find the thing that was *red*.

`snapshots.safetensors` holds {moments} moments of a smaller run, with {small_weights:,}
weights and {small_steps} steps, for `explore.time_machine`. It ends at a loss of
{small_loss:.3f}, where the floor of those stories is {small_floor:.3f}.

## How good it is

On {validation_stories:,} fresh stories ({validation_tokens:,} tokens), with the stored
weights. The floor is the exact entropy of these stories: no model can do better on
average.

| model | nats per token | above the floor |
|---|---|---|
{rows}

Where the gap sits, since the floor is known word by word:

| what is decided | words | nats above the teller, each | share of the floor |
|---|---|---|---|
{gap}

What is left is mostly one skill: to know where somebody is now. From it follows where
they cannot go, which of two things lies within reach, and what can happen at all.

The model's interval is a bootstrap over stories of the difference to their own
surprisal. The counting models read {n_counted:,} other stories and use absolute
discounting; a story's separator is part of their text.

Let free (temperature 1), it told {judged_stories} stories of {judged_sentences:,}
sentences. A program that knows the grammar and keeps the world in mind read them:
{possible} of the sentences were possible after what had been told,
{grammatical} were at least grammatical, and
{flawless} of the stories had no mistake at all. (95 % intervals by Wilson; sentences
of one story are not independent, so theirs are a little wider.)

The first three, as they came:

{samples}

## What it is not

A model of English. It knows {vocabulary} words and one way to tell a story; everything
else is the unknown token to it. It was made to be looked into, and to have a loss that
can be judged.
"""


def datasheet(log: dict) -> str:
    """Write the datasheet of a run.

    Args:
        log: what `stories.make` returns.

    Returns:
        Markdown.
    """
    judged, small = log["judged"], log["snapshots"]
    runs = log["beginnings"]["runs"]
    text = SHEET.format(
        **{k: v for k, v in log["recipe"].items()},
        **{f"training_{k}": v for k, v in log["training"].items()},
        **{f"validation_{k}": v for k, v in log["validation"].items()},
        weights=log["weights"],
        minutes=log["minutes"],
        threads=counted(log["threads"], "CPU thread"),
        precision="bfloat16" if log["recipe"]["bf16"] else "float32",
        rows="\n".join(_row(name, s) for name, s in log["scores"].items()),
        gap="\n".join(_gap(kind, sums) for kind, sums in log["gap"].items()),
        beginning_steps=log["beginnings"]["steps"],
        n_seeds=len(next(iter(runs.values()))),
        beginnings="\n".join(_beginning(name, each) for name, each in runs.items()),
        judged_stories=judged["stories"],
        judged_sentences=judged["sentences"],
        possible=_share(judged["possible"]),
        grammatical=_share(judged["grammatical"]),
        flawless=_share(judged["flawless"]),
        vocabulary=log["vocabulary"],
        moments=small["moments"],
        small_weights=small["weights"],
        small_steps=small["steps"],
        small_loss=small["loss"],
        small_floor=small["floor"],
        samples="\n\n".join(quoted(s["text"]) for s in log["samples"]),
    )
    return laid_out(text)


def _row(name: str, score: dict) -> str:
    above = score.get("above_floor", [0.0])
    shown = f"{above[0]:.1%}" if any(above) else "0"
    if len(above) == 3:
        shown += f" ({above[1]:.1%} to {above[2]:.1%})"
    return f"| {name} | {score['loss']:.4f} | {shown} |"


def _share(values: list[float]) -> str:
    value, low, high = values
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _gap(kind: str, sums: dict) -> str:
    return f"| {kind} | {sums['words']:,} | {sums['nats']:.3f} | {sums['share']:.1%} |"


def _beginning(name: str, runs: list[dict]) -> str:
    """Show what each seed gave."""
    shown = [
        ", ".join(style.format(run[key]) for run in runs)
        for key, style in (
            ("above_floor", "{:.1%}"),
            ("colour", "{:.2f}"),
            ("thing", "{:.2f}"),
        )
    ]
    return f"| {name} | {' | '.join(shown)} |"
