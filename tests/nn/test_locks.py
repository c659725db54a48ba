"""Who trains lets those who look have their turn."""

import itertools
import threading
import time

from torch import nn

from llmkit.nn.locks import TurnLock, model_lock


def test_each_model_has_its_own_lock():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    assert model_lock(a) is model_lock(a)
    assert model_lock(a) is not model_lock(b)
    with model_lock(a), model_lock(a):  # twice in one thread
        pass


def test_one_at_a_time():
    lock, inside, most = TurnLock(), [], []

    def work():
        for _ in range(50):
            with lock:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert max(most) == 1
    assert len(most) == 200


def test_a_busy_owner_gives_way():
    lock, turns, done = TurnLock(), [], threading.Event()

    def train():
        with lock:
            while not done.is_set():
                time.sleep(0.001)
                turns.append("step")
                lock.give_way()

    trainer = threading.Thread(target=train)
    trainer.start()
    while len(turns) < 3:
        time.sleep(0.001)
    for _ in range(10):
        with lock:
            turns.append("look")
    done.set()
    trainer.join(20)
    looks = [i for i, t in enumerate(turns) if t == "look"]
    assert len(looks) == 10
    # without giving way, one look waits until the run is over
    gaps = [b - a for a, b in itertools.pairwise(looks)]
    assert max(gaps) < 20


def test_nobody_waits_nobody_is_let_in():
    lock = TurnLock()
    with lock:
        begin = time.monotonic()
        for _ in range(1000):
            lock.give_way()
        assert time.monotonic() - begin < 1
