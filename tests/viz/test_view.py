"""The base of the widgets, with a small view of its own."""

import json
import re
import threading
from typing import ClassVar

import numpy as np
import pytest
import traitlets

from llmkit.viz import codec, module
from llmkit.viz import view as view_module
from llmkit.viz.figure import new_figure
from llmkit.viz.link import link
from llmkit.viz.view import View


class Dots(View):
    """A view of a few numbers, without JavaScript of its own."""

    sweep: ClassVar = {"size": [1, 9]}
    _esm = "function render() {}\nexport default { render };\n"
    _css = ""
    numbers = traitlets.List([0.25, 0.5]).tag(sync=True)
    raw = traitlets.Bytes(b"\x00\xff" * 40).tag(sync=True)
    size = traitlets.Int(3).tag(sync=True)

    def summary(self):
        return f"{len(self.numbers)} numbers"

    @property
    def alt(self):
        return 'Dots, the last "high" <b>.'

    def figure(self):
        figure, ax = new_figure(2, 1)
        ax.plot(self.numbers)
        return figure

    def table(self):
        import pandas as pd

        return pd.DataFrame({"<value>": self.numbers})


def test_the_bundle_has_the_live_view_a_picture_and_a_table():
    data, _ = Dots()._repr_mimebundle_()
    assert data["text/plain"] == repr(Dots()) == "Dots(2 numbers)"
    assert "model_id" in data["application/vnd.jupyter.widget-view+json"]
    assert "<script" not in data["text/html"]
    assert '<img alt="Dots, the last &quot;high&quot; &lt;b&gt;."' in data["text/html"]
    assert "<td>0.250</td>" in data["text/html"]
    assert "&lt;value&gt;" in data["text/html"]
    assert data["image/png"].startswith("iVBOR")
    # ipywidgets 7 would otherwise publish the widget alone
    assert Dots()._ipython_display_ is None


def test_two_outputs_of_one_state_are_the_same():
    assert Dots().to_png() == Dots().to_png()
    assert Dots().to_svg() == Dots().to_svg()


def test_the_page_is_whole_and_asks_for_nothing(tmp_path):
    page = Dots().to_html(tmp_path / "dots.html")
    assert (tmp_path / "dots.html").read_text("utf-8") == page
    assert page.index("<img") < page.index("<details>") < page.index("<script")
    state = json.loads(re.search(r"json\" id=[^>]*>(.*?)</script>", page)[1])
    assert codec.from_text(state["raw"]["z"]) == Dots().raw
    assert state["_static"] is True
    assert "_sweep" not in state
    assert "layout" not in state
    ids = re.findall(r'<div id="(lm-[0-9a-f]+)"', page + Dots().to_html())
    assert len(set(ids)) == 2


def test_json_cannot_end_its_script():
    page = Dots(numbers=["</script><!--&"]).to_html()
    assert "\\u003c/script\\u003e\\u003c!--\\u0026" in page


def test_the_sweep_reaches_the_front_end():
    assert Dots()._sweep == {"size": [1, 9]}
    assert "_sweep" in Dots().keys


def test_on_select_and_link():
    a, b, heard = Dots(), Dots(), []
    b.on_select(heard.append)
    tie = link(a, b)
    a.selection = {"dot": 1}
    b.selection = {"dot": 2}
    assert a.selection == b.selection == {"dot": 2}
    assert heard == [{"dot": 1}, {"dot": 2}]
    tie.unlink()
    a.selection = {"dot": 3}
    assert b.selection == {"dot": 2}


def test_selections_from_many_threads_are_heard_one_at_a_time():
    a, inside, most = Dots(), [0], [0]

    def slow(_selection):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.005)
        inside[0] -= 1

    a.on_select(slow)
    threads = [
        threading.Thread(target=setattr, args=(a, "selection", {"dot": i}))
        for i in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert most == [1]


def test_show_live_or_static(monkeypatch):
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *a, **k: shown.append((a[0], k))
    )
    dots = Dots()
    dots.show()
    dots.show(static=True)
    assert shown[0][0] is dots
    assert '<script type="module">' in shown[1][0]["text/html"]
    assert shown[1][1] == {"raw": True}


def test_errors():
    with pytest.raises(TypeError, match="b must be a View; got int"):
        link(Dots(), 3)
    one = Dots()
    with pytest.raises(ValueError, match="the same one twice"):
        link(one, one)
    with pytest.raises(NotImplementedError, match="View must define figure"):
        View().figure()


def test_numpy_state_is_written_as_lists():
    assert view_module._jsonable(np.arange(3)) == [0, 1, 2]
    with pytest.raises(TypeError, match="cannot hold set"):
        view_module._jsonable({1})


@pytest.mark.parametrize(
    "path", sorted(module.HERE.glob("*.js")), ids=lambda path: path.stem
)
def test_a_module_holds_all_it_names_of_the_prelude(path):
    if path.stem in ("view", "view_page"):
        return
    own = path.read_text("utf-8")
    prelude = module.HERE.joinpath("view.js").read_text("utf-8")
    kept = module._needed(prelude, own)
    members = set(re.findall(r"(?m)^  (?:async )?(\w+)[(:]", kept))
    assert module._named(kept + own) <= members
    assert "mount" in members or "lm.mount" not in own
    assert len(module.module_text(str(path))) < len(prelude) + len(own)


def test_the_prelude_is_cut_down_to_what_is_used():
    prelude = "const lm = {\n  a: 1,\n  b() {\n    return lm.a;\n  },\n  c: 2,\n};\n"
    assert module._needed(prelude, "lm.b()").count("lm.a") == 1
    assert "a: 1" in module._needed(prelude, "lm.b()")
    assert "c: 2" not in module._needed(prelude, "lm.b()")
    kept = module._needed(prelude, "const { c, a } = lm;")
    assert kept == "const lm = {\n  a: 1,\n  c: 2,\n};\n"
