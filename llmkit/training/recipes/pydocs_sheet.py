"""The datasheet of the `pydocs` checkpoint, filled in from its log."""

from __future__ import annotations

from llmkit.training.recipes.sheets import counted, laid_out, quoted

SHEET = """# pydocs: a small language model that read Python's documentation

`load_decoder("pydocs")` loads it; `transformers` reads the same folder.

## What it is

A decoder with {weights:,} weights: {n_layers} layers of width {d_model} with {n_heads}
heads, SwiGLU, RMSNorm before each part and on queries and keys, rotary positions, a
context of {context_length} tokens, and a byte-level BPE vocabulary of {vocab_size}
tokens. In Hugging Face's terms it is a tiny Qwen 3. The weights are stored in float16.

## What it was made from

The language reference (`pydoc_data.topics`) and the docstrings of the standard library,
as they lie in every CPython; here Python {python}. {training_documents:,} documents,
{training_bytes:,} bytes, were used for training. {validation_documents:,} others,
{validation_bytes:,} bytes, are for validation only: those of
`load_pydocs(kind, split="validation")`. The text is copyrighted by the Python Software
Foundation and published under the PSF License, version 2. It is not part of this
folder: only weights, a vocabulary and the samples below are.

## How it was made

`python -m llmkit.training.recipes pydocs`, on {threads} in {minutes:.0f}
minutes of a busy machine: {steps} steps of {batch_size} × {context_length} tokens in
bfloat16, Muon for the matrices of the blocks and AdamW for the rest, the rate warmed up
and cooled to zero along a cosine. Nothing was chosen by looking at its samples. Another
processor, another number of threads or another Python gives slightly other weights.
`log.json` holds the whole recipe and the loss curve.

`snapshots/` holds {moments} moments of a much smaller run, with {small_weights:,}
weights, {small_vocab} tokens and {small_steps} steps, for `explore.time_machine`. It
ends at a loss of {small_loss:.3f} for each of its shorter tokens.

## How good it is

On the validation documents, with the stored weights:

| model | nats per token | bits per byte |
|---|---|---|
{rows}

The counting models saw the same training tokens and use absolute discounting. It names
the next token right in {hits:.1%} of cases (95 % interval {low:.1%} to {high:.1%}, by
bootstrap over tokens, which are not independent: the true interval is wider).

Samples (temperature 0.8, top-p 0.95, seeds 0, 1, 2; the first that came):

{samples}

## What it is not

A source of facts. It learned the style of the documentation and a few of its facts; it
will state wrong things about Python in a confident voice. It knows English and Python,
no other language, and nothing outside these texts. It was made to be looked into.
"""


def datasheet(log: dict) -> str:
    """Write the datasheet of a run.

    Args:
        log: what `pydocs.make` returns.

    Returns:
        Markdown.
    """
    scores, small = log["scores"], log["snapshots"]
    rows = [
        f"| {name} | {s['loss']:.3f} | {s['bits_per_byte']:.3f} |"
        for name, s in scores.items()
    ]
    hits, low, high = scores["model"]["next_token_accuracy"]
    parts = {
        f"{part}_{key}": value
        for part in ("training", "validation")
        for key, value in log[part].items()
    }
    text = SHEET.format(
        **log["recipe"],
        **parts,
        weights=log["weights"],
        python=log["python"],
        minutes=log["minutes"],
        threads=counted(log["threads"], "CPU thread"),
        rows="\n".join(rows),
        moments=small["moments"],
        small_weights=small["weights"],
        small_vocab=small["recipe"]["vocab_size"],
        small_steps=small["steps"],
        small_loss=small["loss"],
        hits=hits,
        low=low,
        high=high,
        samples="\n\n".join(quoted(s["text"]) for s in log["samples"]),
    )
    return laid_out(text)
