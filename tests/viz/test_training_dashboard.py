"""The dashboard's numbers, what it sends and how often, and its static twins."""

import json

import numpy as np
import pytest
import traitlets

from llmkit.viz import codec, dashboard_figure, training_dashboard
from llmkit.viz.training_dashboard import TrainingDashboard

L, H, T = 2, 3, 5


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(training_dashboard.time, "monotonic", lambda: now[0])
    return now


def heard(view):
    """Make a view keep its messages: (content, rows) each."""
    messages = []

    def send(content, buffers=()):
        rows = np.frombuffer(buffers[0], "<f4").reshape(-1, 5)
        messages.append((content, rows))

    view.send = send
    return messages


def fill(view, first, last):
    for step in range(first, last + 1):
        view.add(step, 5 / step, 0.01, 1.0 + step, step / 10)


def weights():
    raw = np.tril(np.random.default_rng(0).random((L, H, T, T)))
    return raw / raw.sum(-1, keepdims=True)


def test_only_new_points_are_sent_and_not_too_often(clock):
    view = TrainingDashboard(100)
    messages = heard(view)
    fill(view, 1, 3)
    assert view.send_points(left=9.0)
    fill(view, 4, 4)
    assert not view.send_points()  # too early
    clock[0] += 0.2
    fill(view, 5, 6)
    assert view.send_points(left=7.5)
    (one, first), (two, second) = messages
    assert (one["points"], one["anew"], two["points"], two["anew"]) == (
        0,
        True,
        3,
        False,
    )
    assert first[:, 0].tolist() == [1, 2, 3]
    assert second[:, 0].tolist() == [4, 5, 6]
    assert second[0] == pytest.approx([4, 1.25, 0.01, 5, 0.4])
    assert (two["step"], two["left"], two["seconds"]) == (6, 7.5, 0.6)


def test_at_a_thousand_steps_a_second_ten_messages(clock):
    view = TrainingDashboard(5000)
    messages = heard(view)
    for step in range(1, 2001):
        clock[0] += 0.001
        view.add(step, 1.0, 0.1, 1.0, 0.0)
        view.send_points()
    assert 10 <= len(messages) <= 20
    assert sum(len(rows) for _, rows in messages) <= 2000


def test_a_view_that_comes_late_gets_all_points():
    view = TrainingDashboard(100)
    fill(view, 1, 7)
    messages = heard(view)
    view._hear(view, {"do": "points"}, [])
    content, rows = messages[0]
    assert content["anew"]
    assert rows[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_long_run_is_thinned():
    view = TrainingDashboard(20_000)
    fill(view, 1, 20_000)
    points = view.points()
    assert len(points) <= 4001
    assert points[0, 0] == 1
    assert np.unique(np.diff(points[1:, 0])).tolist() == [8]


def test_what_the_buttons_ask_for():
    wishes = []
    view = TrainingDashboard(5, act=wishes.append)
    assert view.controls
    for wish in ("start", "pause", "resume", "stop", "format the disk"):
        view._hear(view, {"do": wish}, [])
    assert wishes == ["start", "pause", "resume", "stop"]
    alone = TrainingDashboard(5)
    assert not alone.controls
    alone._hear(alone, {"do": "start"}, [])


def test_attention_and_samples():
    view, w = TrainingDashboard(9), weights()
    view.show_attention(4, w, [" a", "b", "\n", "c", "d"], causal=True)
    assert view.tokens == ["·a", "b", "⏎", "c", "d"]
    assert len(view.attention) == L * H * T * (T + 1) // 2
    back = codec.unpack_weights(view.attention, (L, H, T, T), causal=True)
    assert np.abs(np.sqrt(back) - np.sqrt(w)).max() <= 0.5 / 255 + 1e-6
    for step in range(30):
        view.add_sample(step, f"text {step} \ud800")
    assert len(view.samples) == 20
    assert view.samples[-1] == [29, "text 29 ?"]


def test_its_static_twins():
    view = TrainingDashboard(40, {"floor": 1.2, "bigram": 3.0})
    assert "has not begun" in view.alt
    assert len(view.table()) == 0
    view.to_png()
    fill(view, 1, 40)
    view.validation = [[10, 2.5], [40, 1.5]]
    view.show_attention(40, weights(), list("abcde"), causal=True)
    view.keep_points(0.0)
    assert repr(view) == "TrainingDashboard(step 40 of 40, loss 0.12)"
    assert view.alt == (
        "Training after 40 of 40 steps: the loss went from 5.00 to 0.12 nats per "
        "token, 1.50 on validation texts; beside it: floor 1.20, bigram 3.00."
    )
    table = view.table()
    assert (table.index[0], table.index[-1]) == (1, 40)
    assert table["validation"].iloc[0] == ""
    assert table["validation"].iloc[-1] == "1.500"
    assert table.loc[40, "gradient"] == 41
    assert view.to_png().startswith(b"\x89PNG")
    assert "trigram" not in view.to_svg()
    page = view.to_html()
    assert len(page) < 150_000
    assert 'src="http' not in page
    state = page.split('-state">')[1].split("</script>")[0]
    assert json.loads(state)["progress"]["step"] == 40
    assert np.frombuffer(view.curve, "<f4").reshape(-1, 5)[39, 0] == 40


def test_the_running_mean_forgets():
    assert dashboard_figure.smooth([2.0, 1.0, 4.0]).tolist() == [2, 1, 4]  # too short
    weight = 2 / 11
    got = dashboard_figure.smooth(np.r_[1.0, np.zeros(399)])
    assert got == pytest.approx((1 - weight) ** np.arange(400))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="steps must be a whole number"):
        TrainingDashboard(0)
    with pytest.raises(traitlets.TraitError, match="rate must be above 0; got 0"):
        TrainingDashboard(3).rate = 0


def test_the_module_is_small():
    assert len(TrainingDashboard._esm) <= 25_000
