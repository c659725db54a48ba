"""Names on the Hub, against a small Hub on loopback and against a local cache."""

import json
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmkit.hub import from_hf, load_decoder, load_encoder, save_pretrained
from llmkit.hub.loading import load_pretrained
from llmkit.tokenizers import ByteBPETokenizer
from tests.hub.small_hub import COMMIT, small_hub
from tests.hub.tiny import tiny

IDS = torch.arange(3, 10)[None]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with small_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield served


@pytest.fixture
def gpt(tmp_path):
    """A folder with a tiny GPT-2 and its tokenizer."""
    tokenizer = ByteBPETokenizer.train(["a tiny text"], vocab_size=260)
    model = from_hf(tiny("GPT-2", vocab_size=300))
    save_pretrained(model, tokenizer, tmp_path / "gpt")
    return tmp_path / "gpt", model


def test_a_name_is_fetched_once_and_then_kept(hub, gpt, monkeypatch):
    folder, model = gpt
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    hub.repos["someone/tiny-gpt"] = folder
    loaded, tokenizer = load_decoder("someone/tiny-gpt")
    torch.testing.assert_close(loaded(IDS).logits, model(IDS).logits)
    assert tokenizer.decode(tokenizer.encode("a text")) == "a text"
    assert any("model.safetensors" in line for line in hub.asked)
    assert not any(".bin" in line for line in hub.asked)
    bodies = [line for line in hub.asked if line.startswith("GET /someone")]
    hub.asked.clear()
    load_decoder("someone/tiny-gpt")
    assert bodies
    assert not [line for line in hub.asked if line.startswith("GET /someone")]


def test_the_cache_serves_without_a_network(hub, gpt, monkeypatch):
    folder, model = gpt
    hub.repos["tiny-gpt"] = folder
    load_decoder("tiny-gpt")
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    again, _ = load_decoder("tiny-gpt")
    torch.testing.assert_close(again(IDS).logits, model(IDS).logits)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again, _ = load_decoder("tiny-gpt", revision=COMMIT)
    torch.testing.assert_close(again(IDS).logits, model(IDS).logits)


def test_weights_in_several_files(hub, gpt):
    folder, model = gpt
    shard(folder)
    hub.repos["someone/sharded"] = folder
    loaded, _ = load_pretrained("someone/sharded")
    torch.testing.assert_close(loaded(IDS).logits, model(IDS).logits)
    assert sum("GET /someone" in line and "-of-" in line for line in hub.asked) == 2


def test_transformers_reads_what_we_saved(hub, gpt):
    from transformers import AutoModelForCausalLM

    folder, model = gpt
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    torch.testing.assert_close(theirs(IDS).logits, model(IDS).logits)


def test_unknown_name(hub):
    with pytest.raises(FileNotFoundError, match=r"no model 'nobody/nothing'.*minilm"):
        load_encoder("nobody/nothing")


def test_unknown_revision(hub, gpt):
    hub.repos["tiny-gpt"] = gpt[0]
    with pytest.raises(FileNotFoundError, match="tiny-gpt has no revision 'v9'"):
        load_decoder("tiny-gpt", revision="v9")


def test_gated_model(hub):
    hub.gated.add("someone/closed")
    with pytest.raises(PermissionError, match=r"agreed to its terms.*someone/closed"):
        load_decoder("someone/closed")


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"not in the cache and .* not reached"):
        load_decoder("gpt2")


def test_offline_by_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE is set"):
        load_decoder("gpt2")


def test_a_name_that_cannot_be_one():
    with pytest.raises(FileNotFoundError, match="folder or a name on the Hub"):
        load_encoder("../somewhere/else/entirely")
    with pytest.raises(FileNotFoundError, match="cannot be a name on the Hub"):
        load_encoder("a--b/c..d")


def shard(folder):
    """Cut the weights in two, with an index, as large models come."""
    state = load_file(folder / "model.safetensors")
    names = sorted(state)
    where = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        save_file({n: state[n] for n in part}, folder / file)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def closed_port() -> str:
    """Return the address of a port where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"
