"""The real MiniLM beside transformers' AutoModel on the same files."""

from __future__ import annotations

import torch

from llmkit.hub import load_encoder, minilm_path, to_hf_state_dict

PAIR = ("The quick brown fox jumps over the lazy dog.", "Cafés open late – naïvely?")


def minilm_errors(dtype=torch.float32) -> dict[str, float]:
    """Measure the greatest differences on a pair of sentences and on a padded batch."""
    from transformers import AutoModel, AutoTokenizer

    folder = str(minilm_path())
    ours, tokenizer = load_encoder("minilm")
    hf = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ours, hf = ours.to(dtype), hf.to(dtype)
    batch = AutoTokenizer.from_pretrained(folder)(*PAIR, return_tensors="pt")
    encoding = tokenizer(*PAIR)
    assert batch["input_ids"].tolist() == [encoding.ids]
    assert batch["token_type_ids"].tolist() == [encoding.type_ids]
    asked = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        a = ours(
            torch.tensor([encoding.ids]),
            segment_ids=torch.tensor([encoding.type_ids]),
            **asked,
        )
        b = hf(**batch, **asked)
    found = {
        "last": _gap(a.last_hidden_state, b.last_hidden_state),
        "pooled": _gap(a.pooled, b.pooler_output),
        "hidden": max(map(_gap, a.hidden_states, b.hidden_states)),
        "attentions": max(map(_gap, a.attentions, b.attentions)),
    }
    texts = [PAIR[0], "Short."]
    encodings = [tokenizer(text).ids for text in texts]
    longest = max(map(len, encodings))
    ids = torch.tensor([e + [0] * (longest - len(e)) for e in encodings])
    mask = torch.tensor([[1] * len(e) + [0] * (longest - len(e)) for e in encodings])
    with torch.no_grad():
        a = ours(ids, mask).last_hidden_state[mask.bool()]
        b = hf(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    found["padded"] = _gap(a, b)
    mine, theirs = to_hf_state_dict(ours), hf.state_dict()
    found["same state dict"] = set(mine) == set(theirs) and all(
        torch.equal(x, theirs[name]) for name, x in mine.items()
    )
    return found


def _gap(x, y) -> float:
    return float((x - y).abs().max())
