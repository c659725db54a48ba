"""The model of the stories with its first weights, chosen so that it learns to look up.

Three things kept such a model from learning which thing had a colour; each is a matter
of how it begins. Home notebook: 07_pretraining_gpt.
"""

from __future__ import annotations

import torch
from torch import nn

from llmkit.models import Llama, LlamaConfig
from llmkit.nn import MultiHeadAttention, apply_rotary, rotary_angles


def story_model(
    vocab_size: int,
    context_length: int,
    d_model: int,
    n_heads: int,
    n_layers: int,
    d_ff: int,
    rotary_base: float = 100.0,
) -> Llama:
    """Make a small decoder for the stories.

    Words of one kind, such as the colours, get the same gradient as long as the model
    only knows the kind. Had they begun with short vectors, they would soon be nearly
    alike, in the table as in the output layer, and then *which* colour a story has can
    neither be read nor said. So both begin long, the output with a table of its own.

    To find what was red, a head must look for the token that stood after *red*, which
    takes an earlier head that tells each token what stood before it (Olsson et al.
    2022, "In-context Learning and Induction Heads"). Neither of the two helps without
    the other, so nothing pulls at the first; here it is there from the beginning.
    (Trockman & Kolter 2023, "Mimetic Initialization of Self-Attention Layers", begin
    with what trained models show, too.)

    Args:
        vocab_size: V.
        context_length: the most tokens it can read.
        d_model: D.
        n_heads: H.
        n_layers: L.
        d_ff: F.
        rotary_base: small, since stories are short: more pairs tell neighbours apart.

    Returns:
        The model, not trained.
    """
    model = Llama(
        LlamaConfig(
            vocab_size=vocab_size,
            context_length=context_length,
            d_model=d_model,
            n_heads=n_heads,
            n_layers=n_layers,
            d_ff=d_ff,
            rotary_base=rotary_base,
            qkv_bias=True,
            out_bias=True,
            head_norm=True,
        )
    )
    nn.init.normal_(model.token_embedding.weight, std=1.0)
    nn.init.normal_(model.lm_head.weight, std=0.3)
    look_back(model.blocks[0].attention, rotary_base)
    return model


@torch.no_grad()
def look_back(attention: MultiHeadAttention, rotary_base: float) -> None:
    """Let the first head begin by looking at the token before, and telling of it.

    Its queries are all alike, and so are its keys: they differ by one turn, so that
    they meet where the key stands one place back. The pairs that turn fastest tell
    neighbours apart, so only those are used.

    Args:
        attention: with biases and rotary positions; changed in place.
        rotary_base: of the positions.
    """
    width = attention.d_head
    query = torch.zeros(width)
    query[: min(4, width // 2)] = 2.0
    one_place = rotary_angles(torch.tensor([1]), width, rotary_base)
    key = apply_rotary(query.view(1, 1, 1, width), *one_place)
    attention.q_proj.bias[:width] = query
    attention.k_proj.bias[:width] = key.flatten()
    # as long as what it tells of, and not as short as all that is yet to be learned
    for weight in (attention.v_proj.weight[:width], attention.o_proj.weight[:, :width]):
        nn.init.normal_(weight, std=attention.q_proj.in_features**-0.5)
