"""The stepper: its state, its four outputs, its errors."""

import numpy as np
import pytest

from llmkit.viz import codec
from llmkit.viz.qkv_stepper import PAGE_BYTES, QKVStepper


def small():
    rng = np.random.default_rng(0)
    tensors = {
        "a": rng.normal(size=(3, 5)),
        "b.weight": rng.normal(size=(200, 5)),
        "b": rng.normal(size=(3, 200)),
    }
    step = {
        "key": "b",
        "title": "Widen </script>",
        "note": "n",
        "inputs": ("a",),
        "output": "b",
        "how": "linear:b",
        "code": "b = f(a)",
        "where": "m.f",
    }
    return ["</script>", "\ud83d", "x" * 200], [step], tensors


def test_state_holds_every_number_but_large_weights():
    tokens, steps, tensors = small()
    view = QKVStepper(
        [t.encode("utf-8", "replace").decode() for t in tokens], steps, tensors
    )
    floats = np.frombuffer(view.data, "<f4")
    names = {entry["name"]: entry for entry in view.index}
    assert set(names) == {"a", "b"}
    for name, entry in names.items():
        part = floats[entry["start"] : entry["start"] + entry["rows"] * entry["cols"]]
        np.testing.assert_array_equal(
            part.reshape(entry["rows"], -1), tensors[name].astype(np.float32)
        )
    np.testing.assert_array_equal(view.tensor(), tensors["b"].astype(np.float32))


def test_page_keeps_numbers_and_cannot_be_broken_by_tokens():
    _, steps, tensors = small()
    view = QKVStepper(["</script>", "e", "f"], steps, tensors)
    state = view.static_state()
    back = codec.unpack_numbers(state["data"])
    for entry in state["index"]:
        part = back[entry["start"] : entry["start"] + entry["rows"] * entry["cols"]]
        gap = np.abs(part - tensors[entry["name"]].reshape(-1)).max()
        assert gap <= 1e-4
    page = view.to_html()
    assert page.count("</script>") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len(codec.to_text(state["data"])) < PAGE_BYTES
    assert len(view._esm) < 25_000


def test_a_large_weight_is_sent_row_by_row():
    _, steps, tensors = small()
    view = QKVStepper(["d", "e", "f"], steps, tensors)
    sent = []
    view.send = sent.append
    view._asked(view, {"weight": "b.weight", "row": 7}, [])
    view._asked(view, {"weight": "b.weight", "row": 700}, [])
    view._asked(view, {"weight": "none", "row": 0}, [])
    assert len(sent) == 1
    np.testing.assert_allclose(
        sent[0]["values"], tensors["b.weight"][7].astype(np.float32)
    )


def test_a_change_loads_another_walk_and_an_error_keeps_the_old_one():
    _, steps, tensors = small()
    asked = []

    def look(text, layer, head):
        asked.append((text, layer, head))
        if not text:
            raise ValueError("text must give at least one token")
        return {"tokens": list(text), "steps": steps, "tensors": tensors}

    view = QKVStepper("abc", steps, tensors, n_layers=2, n_heads=3, on_change=look)
    sent = []
    view.send = sent.append
    view.text = "xyz"
    assert view.tokens == ["x", "y", "z"]
    view.head = 2
    assert asked[-1] == ("xyz", 0, 2)
    view.text = ""
    assert view.tokens == ["x", "y", "z"]
    assert "at least one token" in sent[0]["error"]


def test_outputs():
    _, steps, tensors = small()
    view = QKVStepper(["d", "e", "f"], steps, tensors)
    assert view.to_png().startswith(b"\x89PNG")
    assert "<svg" in view.to_svg()
    assert view.table().shape == (3, 16)
    assert repr(view).startswith("QKVStepper(layer 0, head 0, 3 tokens, step 1 of 1")


def test_a_missing_tensor_is_named():
    _, steps, tensors = small()
    del tensors["a"]
    with pytest.raises(ValueError, match="step 'b' needs the tensor 'a'"):
        QKVStepper(["d"], steps, tensors)


def test_a_token_of_dollar_signs_is_no_formula():
    _, steps, tensors = small()
    view = QKVStepper([r"$\frac$", "$$", "$_$"], steps, tensors)
    assert view.to_png().startswith(b"\x89PNG")
