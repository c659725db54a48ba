"""The embedding map: exact axes, neighbours by brute force, bytes, reading back."""

import zlib

import numpy as np
import pytest
from sklearn.decomposition import PCA

from llmkit.viz.embedding_map import EmbeddingMap
from llmkit.viz.principal_axes import principal_axes

V, D = 40, 7


@pytest.fixture
def table():
    return np.random.default_rng(3).normal(size=(V, D)) * np.arange(1, D + 1)


@pytest.fixture
def words():
    return [f"w{i}" for i in range(V)]


def test_the_axes_are_scikit_learn_s(table):
    places, shares = principal_axes(table, 3)
    judge = PCA(3).fit(table)
    assert np.abs(places) == pytest.approx(np.abs(judge.transform(table)))
    assert shares == pytest.approx(judge.explained_variance_ratio_)


def test_places_are_the_same_for_a_turned_sign(table):
    """An axis' sign is fixed, so two machines draw the same map."""
    places, _ = principal_axes(table)
    again, _ = principal_axes(table[::-1])
    assert again[::-1] == pytest.approx(places)


def test_too_many_axes():
    with pytest.raises(ValueError, match=r"count must lie between 1 and 2 .* got 3"):
        principal_axes(np.ones((5, 2)), 3)


def test_neighbours_are_those_of_the_full_space(words, table):
    view = EmbeddingMap(words, table)
    for word in ("w0", "w17"):
        row = table[words.index(word)]
        cosine = {
            other: float(v @ row / np.linalg.norm(v) / np.linalg.norm(row))
            for other, v in zip(words, table, strict=True)
            if other != word
        }
        expected = sorted(cosine, key=cosine.get, reverse=True)[:8]
        found = view.nearest(word)
        assert list(found.word) == expected
        assert found.cosine.tolist() == pytest.approx(
            [cosine[w] for w in expected], abs=1e-4
        )


def test_an_analogy_of_a_parallelogram():
    table = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [-1, -1, -1.0]])
    view = EmbeddingMap(["man", "king", "woman", "queen", "stone"], table)
    assert view.analogy("man", "king", "woman", 1).word[0] == "queen"
    assert "man" not in set(view.analogy("man", "king", "woman").word)


def test_selecting_finds_neighbours_and_reads_back(words, table):
    view = EmbeddingMap(words, table)
    seen = []
    view.on_select(lambda chosen: seen.append(chosen.get("words")))
    view.select("w5")
    assert view.selected == ["w5"]
    assert [view.words[i] for i in view.near["indices"]] == list(
        view.nearest("w5").word
    )
    view.selection = {"indices": [1, 2, 3]}
    assert view.selected == ["w1", "w2", "w3"]
    assert view.near == {}
    view.search = "w9"
    assert view.selected == ["w9"]
    view.search = "nothing like it"
    assert view.selected == ["w9"]
    assert seen[0] == ["w5"]


def test_unknown_words_are_named(words, table):
    view = EmbeddingMap(words, table)
    with pytest.raises(ValueError, match=r"no word 'x'"):
        view.nearest("x")
    with pytest.raises(ValueError, match=r"groups names words .*'x'"):
        EmbeddingMap(words, table, groups={"odd": ["x"]})


def test_a_page_holds_the_neighbours(words, table):
    view = EmbeddingMap(words, table)
    state = view.static_state()
    near = np.frombuffer(state["near_all"], "<u2").reshape(V, 8)
    assert [words[i] for i in near[4]] == list(view.nearest("w4").word)


def test_strange_words_stay_on_their_line(table):
    strange = ["</script>", "a\nb", "", "‮rtl", "🦊" * 50, "\udc80"]
    view = EmbeddingMap(strange, table[: len(strange)])
    assert view.names.decode().count("\n") == len(strange) - 1
    page = view.to_html()
    assert "</script>" not in page.split("<script", 1)[1].split("</script>")[0]


def test_ten_thousand_points_are_small():
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlu"))
    words = ["".join(rng.choice(letters, 7)) + str(i) for i in range(10_000)]
    view = EmbeddingMap(words, rng.normal(size=(10_000, 16)))
    state = view.static_state()
    assert state["near_all"] == b""
    assert len(view.points) == 40_000
    sent = sum(len(zlib.compress(state[name], 9)) for name in ("names", "points"))
    assert sent * 4 / 3 < 150_000  # random letters; real words take less than 120 KB
    assert len(view._esm) <= 25_000


def test_figure_table_and_alt(words, table):
    view = EmbeddingMap(words, table, groups={"firsts": words[:3], "lasts": words[-2:]})
    assert "firsts, lasts" in view.alt
    assert view.table().group.tolist() == ["firsts", "lasts"]
    view.select("w3")
    assert "Nearest to 'w3'" in view.alt
    assert len(view.table()) == 8
    assert view.to_png()[:4] == b"\x89PNG"


def test_a_group_of_dollar_signs_is_no_formula(words, table):
    view = EmbeddingMap(words, table, groups={r"$\frac$": words[:2]})
    assert view.to_png().startswith(b"\x89PNG")


def test_a_selection_beyond_the_table_is_left_out(words, table):
    view = EmbeddingMap(words, table)
    view.selection = {"indices": [1, len(words), -1]}
    assert view.selected == [view.words[1]]
    assert view.table()["selected"].tolist() == [view.words[1]]
    assert view.to_png().startswith(b"\x89PNG")


def test_table_of_a_bare_map_tells_where_the_first_words_lie():
    vectors = np.random.default_rng(0).normal(size=(30, 8))
    view = EmbeddingMap([f"w{i}" for i in range(30)], vectors)
    found = view.table()
    assert found["word"].tolist() == [f"w{i}" for i in range(20)]
    np.testing.assert_allclose(found["across"], view.places[:20, 0], atol=6e-4)
