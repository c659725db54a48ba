"""Two models side by side: what the view keeps, says and refuses."""

import numpy as np
import pytest

from llmkit.viz.codec import unpack_weights
from llmkit.viz.model_compare import ModelCompare

LA, HA, LB, HB, U = 3, 2, 2, 4, 5


def arrays(same=False):
    rng = np.random.default_rng(0)

    def rows(*shape):
        return rng.dirichlet(np.ones(U), shape).astype(np.float32)

    shape_b = (LA, HA) if same else (LB, HB)
    data = {
        "names": ["one", "$two$"],
        "units": ["the", "</script>", "🙂", "\u202eabc", ""],
        "attention_a": rows(LA, HA, U),
        "attention_b": rows(*shape_b, U),
        "nearest": rng.integers(0, shape_b[0] * shape_b[1], (LA, HA)),
        "to_nearest": rng.random((LA, HA)).astype(np.float32) / 2,
    }
    if same:
        data["same_place"] = rng.random((LA, HA)).astype(np.float32)
        data["bits_a"] = np.array([np.nan, 1, 2, 3, 4], np.float32)
        data["bits_b"] = np.array([np.nan, 2, 2, 2, 2], np.float32)
    return data


def test_opens_at_the_greatest_gap_and_knows_its_partner():
    data = arrays()
    view = ModelCompare(**data)
    gap = data["to_nearest"]
    assert gap[view.layer, view.head] == gap.max()
    partner = data["nearest"][view.layer, view.head]
    assert view.partner_of(view.layer, view.head) == (partner // HB, partner % HB)
    view.pairing = "same place"  # there is none: the nearest stays
    assert view.partner_of(view.layer, view.head) == (partner // HB, partner % HB)


def test_same_place_pairs_by_index():
    data = arrays(same=True)
    view = ModelCompare(**data)
    view.pairing = "same place"
    assert view.partner_of(2, 1) == (2, 1)
    np.testing.assert_array_equal(view.bits_apart, data["same_place"])


def test_weights_arrive_within_a_step_of_the_root_scale():
    data = arrays()
    view = ModelCompare(**data)
    got = unpack_weights(view.weights_b, (LB, HB, U, U))
    gap = np.abs(np.sqrt(got) - np.sqrt(data["attention_b"]))
    assert gap.max() <= 0.5 / 255 + 1e-6


def test_table_and_alt_hold_the_numbers():
    data = arrays(same=True)
    view = ModelCompare(**data)
    table = view.table()
    assert list(table.columns) == ["head of one", "head of $two$", "bits apart"]
    assert len(table) == LA * HA
    assert table["bits apart"].max() == pytest.approx(
        data["to_nearest"].max(), abs=1e-4
    )
    assert f"{data['to_nearest'].mean():.3f} bits" in view.alt
    assert "10.0 bits and 8.0 bits" in view.alt
    assert repr(view) == repr(ModelCompare(**data))


@pytest.mark.parametrize("same", [False, True])
def test_pictures_and_page(same):
    view = ModelCompare(**arrays(same))
    assert view.to_png()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "<svg" in view.to_svg()
    page = view.to_html()
    assert len(page) < 120_000
    assert '</script>"' not in page
    assert len(view._esm.encode()) < 25_000


def test_the_sentence_can_change_and_errors_are_sent():
    other = arrays()
    other["units"] = ["a", "b", "c", "d", "e"]

    def look(text):
        if not text:
            raise ValueError("text must give at least one token")
        return other

    view = ModelCompare(**arrays(), text="x", on_change=look)
    sent = []
    view.send = sent.append
    view.text = "y"
    assert view.units == other["units"]
    assert view.version == 2
    view.text = ""
    assert sent == [{"error": "text must give at least one token"}]
    assert view.units == other["units"]


def test_shapes_are_checked():
    data = arrays()
    with pytest.raises(ValueError, match="attention_b must have the shape"):
        ModelCompare(**(data | {"attention_b": data["attention_b"][..., :4]}))
    with pytest.raises(ValueError, match="nearest must have"):
        ModelCompare(**(data | {"nearest": data["nearest"][:1]}))
