"""What-if attention: its numbers, judged by PyTorch; its outputs without a browser."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmkit.viz.what_if import WhatIf, changed_mask, numbers

T, DH, DV = 5, 3, 4
TOKENS = ["[CLS]", "</script>", "日本", "", "fox"]


@pytest.fixture
def qkv():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(T, d)).astype(np.float32) for d in (DH, DH, DV)]


def torchs_own(qkv, mask=None, scale=None):
    """Weights and output, by PyTorch's fused attention."""
    q, k, v = (torch.from_numpy(x).double()[None, None] for x in qkv)
    mask = None if mask is None else torch.as_tensor(mask)[None, None]
    how = {"attn_mask": mask, "scale": scale}
    weights = F.scaled_dot_product_attention(
        q, k, torch.eye(T).double()[None, None], **how
    )
    return weights[0, 0].numpy(), F.scaled_dot_product_attention(q, k, v, **how)[
        0, 0
    ].numpy()


def test_unchanged_it_is_attention(qkv):
    view = WhatIf(TOKENS, *qkv)
    weights, out = torchs_own(qkv)
    np.testing.assert_allclose(view.weights(), weights, atol=1e-6)
    np.testing.assert_allclose(view.output(), out, atol=1e-6)
    np.testing.assert_array_equal(view.weights(), view.weights(before=True))


def test_divisor_and_temperature_multiply(qkv):
    view = WhatIf(TOKENS, *qkv, divisor=2.0, temperature=0.5)
    np.testing.assert_allclose(view.weights(), torchs_own(qkv, scale=1.0)[0], atol=1e-6)
    before = torchs_own(qkv)[0]
    np.testing.assert_allclose(view.weights(before=True), before, atol=1e-6)


@pytest.mark.parametrize("kind", ["own", "causal", "self"])
def test_masks_and_hidden_cells(qkv, kind):
    own = np.ones((T, T), bool)
    own[4, 1] = False
    view = WhatIf(TOKENS, *qkv, mask=own)
    view.set_trait("mask", kind)
    view.hidden = [[2, 0], [3, 3]]
    wanted = (
        own
        & {
            "own": np.ones((T, T), bool),
            "causal": np.tril(np.ones((T, T), bool)),
            "self": ~np.eye(T, dtype=bool),
        }[kind]
    )
    wanted[2, 0] = wanted[3, 3] = False
    np.testing.assert_allclose(view.weights(), torchs_own(qkv, wanted)[0], atol=1e-6)
    assert (view.weights()[~wanted] == 0).all()
    np.testing.assert_array_equal(changed_mask(own, kind, view.hidden), wanted)


def test_a_row_that_may_look_at_nothing_is_zero(qkv):
    view = WhatIf(TOKENS, *qkv, hidden=[[1, j] for j in range(T)])
    assert (view.weights()[1] == 0).all()
    assert (view.output()[1] == 0).all()
    assert view.to_png().startswith(b"\x89PNG")


def test_swapping_moves_rows_and_changes_no_weight(qkv):
    view = WhatIf(TOKENS, *qkv, swap=[0, 4])
    order = [4, 1, 2, 3, 0]
    still = WhatIf(TOKENS, *qkv)
    assert view.labels() == [still.labels()[i] for i in order]
    moved = still.weights()[np.ix_(order, order)]
    np.testing.assert_allclose(view.weights(), moved, atol=1e-12)
    np.testing.assert_allclose(view.output(), still.output()[order], atol=1e-12)


def test_a_dropped_head_says_nothing(qkv):
    view = WhatIf(TOKENS, *qkv, silent=True)
    assert (view.output() == 0).all()
    assert (view.output(before=True) != 0).any()


def test_the_model_is_asked_once_per_change_and_answers_in_one_message(qkv):
    asked = []

    def answer(state):
        asked.append(state)
        return {"tokens": list("abcde"), "hidden": [], **numbers((*qkv, None))}

    view = WhatIf(answer=answer, divisor=2.0)
    assert len(asked) == 1
    sent = []
    view.send_state = lambda key=None: sent.append(key)
    view.hidden = [[0, 1]]
    assert asked[-1]["hidden"] == [[0, 1]]
    assert view.hidden == []  # what the model sets is not asked about again
    assert len(asked) == 2
    assert math.isclose(view.divisor, 2.0)


def test_four_outputs(qkv):
    view = WhatIf(TOKENS, *qkv)
    data, _ = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert 'alt="Attention weights of 5 tokens' in data["text/html"]
    assert len(json.dumps(data)) < 60_000
    assert view.to_svg().lstrip().startswith("<?xml")
    assert view.table().shape == (T, T)
    page = view.to_html()
    assert page.count("</script>") == page.count("<script")
    assert repr(view) == "WhatIf(5 tokens)"
    assert len(view._esm) <= 25_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": np.ones((T, DH + 1))}, r"k must have the shape \(T, Dh\) with Dh=3"),
        ({"v": np.ones((T + 1, DV))}, r"v must have the shape \(T, Dv\) with T=5"),
        ({"mask": np.ones((T, 2))}, r"mask must have the shape \(T, S\) with S=5"),
        ({"tokens": TOKENS[:2]}, r"q must have the shape \(T, Dh\) with T=2"),
    ],
)
def test_what_does_not_fit_is_named(qkv, change, message):
    given = {"tokens": TOKENS, **dict(zip("qkv", qkv, strict=True))}
    with pytest.raises(ValueError, match=message):
        WhatIf(**given | change)
