"""The position explorer's numbers, outputs and the limits of its settings."""

import numpy as np
import pytest
import traitlets

from llmkit.viz.positions import LENGTH, Positions


def waves(kind, width, base, heads, head):
    """Sinusoidal by a loop; ALiBi with the slope of eight heads."""
    t = np.arange(LENGTH)[:, None]
    if kind == "alibi":
        return -(0.5 ** (head + 1)) * abs(t - t.T)
    i = np.arange(width)[None]
    angle = t / base ** ((i - i % 2) / width)
    return np.where(i % 2, np.cos(angle), np.sin(angle))


def test_similarity_is_the_mean_of_the_cosines_of_the_clocks():
    view = Positions(waves, width=12, base=50.0, position=7)
    rates = 50.0 ** -(np.arange(0, 12, 2) / 12)
    for other, value in enumerate(view.similarity()):
        assert value == pytest.approx(np.cos((other - 7) * rates).mean())


def test_alibi_gives_the_factor_on_a_weight():
    view = Positions(waves, kind="alibi", head=2, position=10)
    assert view.similarity()[[10, 11, 6]] == pytest.approx(
        [1, np.exp(-0.125), np.exp(-0.5)]
    )
    assert list(view.table().columns) == ["factor"]


def test_a_learned_table_is_packed_and_offered_only_if_given():
    table = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    view = Positions(lambda *_: table, learned=table, kind="learned", position=40)
    count, width, most = view.learned_size
    packed = np.frombuffer(view.learned, "<i2").reshape(count, width) / 32767 * most
    assert np.abs(packed - table).max() <= most / 32767 / 2 + 1e-6
    assert len(view.similarity()) == 5
    with pytest.raises(ValueError, match="kind must be one of"):
        Positions(waves, kind="learned")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [("width", 3, "even"), ("kind", "magic", "one of"), ("kind", "learned", "one of")],
)
def test_bad_settings_are_refused(name, value, match):
    view = Positions(waves)
    with pytest.raises(traitlets.TraitError, match=match):
        setattr(view, name, value)


def test_the_position_stays_on_the_map():
    view = Positions(waves)
    view.position = 999
    assert view.position == LENGTH - 1


def test_table_alt_and_repr_agree():
    view = Positions(waves, width=16, base=100.0, position=60)
    table = view.table()
    assert table.loc[0, "similarity"] == 1
    assert f"{table.loc[1, 'similarity']:.2f} one step away" in view.alt
    assert repr(view) == "Positions(sinusoidal, width 16, base 100)"


def test_every_output_can_be_drawn_at_every_stop():
    view = Positions(waves, learned=np.eye(4, dtype=np.float32))
    for name, stops in view.sweep.items():
        for stop in stops:
            if not (name == "kind" and stop == "learned"):
                setattr(view, name, stop)
                view.figure(), view.table(), view.alt
    assert len(view._esm) <= 25_000
    assert view.to_png()[:4] == b"\x89PNG"
    assert "po-heat" in view.to_html()
