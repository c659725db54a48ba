"""The faults can still be planted, and the tool sees one that survives."""

import pytest

from tests.mutants import __main__ as tool
from tests.mutants.faults import FAULTS, Fault


def test_there_are_enough():
    assert len(FAULTS) >= 12
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert {fault.notebook for fault in FAULTS} == {f"{n:02}" for n in range(12)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault):
    text = (tool.ROOT / "llmkit" / fault.file).read_text("utf-8")
    assert text.count(fault.old) == 1
    assert fault.old != fault.new
    compile(text.replace(fault.old, fault.new), fault.file, "exec")
    for test in fault.tests:
        assert (tool.ROOT / "tests" / test).exists()


def test_a_text_that_is_gone_is_said(tmp_path):
    (tmp_path / "llmkit").mkdir()
    (tmp_path / "llmkit" / "a.py").write_text("x = 1\n")
    fault = Fault("gone", "a.py", "x = 2", "x = 3", (), "00")
    with pytest.raises(SystemExit, match="0 times; it must be there once"):
        tool.plant(fault, tmp_path)


@pytest.mark.slow
def test_red_and_green_are_told_apart(tmp_path):
    (tmp_path / "test_good.py").write_text("def test(): pass\n")
    (tmp_path / "test_bad.py").write_text("def test(): assert False\n")
    assert tool.is_green(tmp_path, ["test_good.py"], 60)
    assert not tool.is_green(tmp_path, ["test_bad.py"], 60)
    with pytest.raises(SystemExit, match="could not run"):
        tool.is_green(tmp_path, ["test_absent.py"], 60)
