"""What the processor says of bfloat16, judged by what the system says of it."""

from pathlib import Path

import pytest
import torch

from llmkit.runtime import has_bf16

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.exists(), reason="this system does not list its flags")
def test_agrees_with_the_flags_that_linux_lists():
    flags = set(CPUINFO.read_text("utf-8").split())
    assert has_bf16() == bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    assert has_bf16("cpu") == has_bf16(torch.device("cpu")) == has_bf16()


def test_what_cannot_be_asked_is_no():
    assert has_bf16("meta") is False


@pytest.mark.parametrize("can", [{"avx512_bf16": True}, {"avx512_bf16": False}, {}])
def test_only_a_yes_is_a_yes(monkeypatch, can):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    assert has_bf16() is can.get("avx512_bf16", False)
