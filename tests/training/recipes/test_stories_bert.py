"""The recipe from end to end, in small, and the shipped checkpoint against its log."""

import json

import pytest
import torch

from llmkit.data.pairs import Pair
from llmkit.hub import load_encoder
from llmkit.models import BERT, BERTConfig
from llmkit.runtime import project_root
from llmkit.training import Masking, load_snapshots, ordered_batches, score_pretraining
from llmkit.training.recipes import stories_bert
from llmkit.training.recipes.stories_bert_scores import shares_a_word
from llmkit.training.recipes.stories_bert_sheet import datasheet

SHIPPED = project_root() / "data" / "checkpoints" / "stories_bert"
SMALL = stories_bert.StoriesBertRecipe(
    training_stories=60,
    training_pairs=80,
    validation_stories=40,
    validation_pairs=50,
    context_length=64,
    d_model=16,
    n_heads=2,
    n_layers=1,
    d_ff=24,
    batch_size=4,
    steps=6,
    warmup=1,
)


def test_writes_everything_and_it_loads_again(tmp_path):
    log = stories_bert.make(tmp_path, recipe=SMALL)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"model.safetensors", "snapshots.safetensors", "log.json"} <= names
    assert json.loads((tmp_path / "log.json").read_text()) == log
    assert (tmp_path / "README.md").read_text() == datasheet(log)
    model, tokenizer = load_encoder(tmp_path)
    assert sum(p.numel() for p in model.parameters()) == log["weights"]
    # what is written was measured on the stored weights
    checks = stories_bert.EncodedPairs(
        stories_bert._pairs(SMALL, "validation"), tokenizer, SMALL.context_length
    )
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    found = score_pretraining(model, ordered_batches(checks, masking, 250))
    assert found.words.value == pytest.approx(
        log["scores"]["model"]["words"][0], abs=1e-4
    )
    assert found.follows_loss == pytest.approx(
        log["scores"]["model"]["follows_loss"], abs=1e-4
    )


def test_shipped_sizes_and_sheet():
    log = json.loads((SHIPPED / "log.json").read_text())
    for name in ("model.safetensors", "snapshots.safetensors"):
        assert (SHIPPED / name).stat().st_size <= 1_200_000
    assert (SHIPPED / "README.md").read_text() == datasheet(log)
    model = log["scores"]["model"]
    assert model["words"][1] > 2 * log["scores"]["unigram"]["words"][2]
    assert model["words"][1] > log["scores"]["both neighbours"]["words"][2]
    assert model["follows"][1] > log["scores"]["a shared word"]["follows"][2] > 0.5


def test_shipped_weights_do_what_the_log_says():
    log = json.loads((SHIPPED / "log.json").read_text())
    model, tokenizer = load_encoder("stories_bert")
    assert next(model.parameters()).dtype == torch.float32
    recipe = stories_bert.StoriesBertRecipe(
        **log["recipe"] | {"validation_pairs": 400, "validation_stories": 400}
    )
    checks = stories_bert.EncodedPairs(
        stories_bert._pairs(recipe, "validation"), tokenizer, recipe.context_length
    )
    masking = Masking(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    found = score_pretraining(model, ordered_batches(checks, masking, 200))
    for ours, logged in (
        (found.words, log["scores"]["model"]["words"]),
        (found.follows, log["scores"]["model"]["follows"]),
    ):
        # two intervals of one true share overlap
        assert ours.low < logged[2]
        assert logged[1] < ours.high


def test_transformers_reads_the_folder():
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertForPreTraining.from_pretrained(
        SHIPPED, dtype=torch.float32
    ).eval()
    model, tokenizer = load_encoder("stories_bert")
    encoding = tokenizer("Anna sang.", "She took the [MASK] ball.")
    ids, segments = torch.tensor([encoding.ids]), torch.tensor([encoding.type_ids])
    with torch.no_grad():
        ours = model(ids, segment_ids=segments)
        wanted = theirs(input_ids=ids, token_type_ids=segments)
    torch.testing.assert_close(
        ours.logits, wanted.prediction_logits, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        ours.nsp_logits, wanted.seq_relationship_logits, rtol=1e-4, atol=1e-4
    )


def test_snapshots_are_of_one_run_that_learned():
    log = json.loads((SHIPPED / "log.json").read_text())
    sizes = dict(log["snapshots"]["recipe"])
    sizes.pop("steps")
    model = BERT(
        BERTConfig(
            vocab_size=log["vocab_size"],
            context_length=log["recipe"]["context_length"],
            **sizes,
        )
    )
    moments = load_snapshots(SHIPPED / "snapshots.safetensors", model)
    assert len(moments) == log["snapshots"]["moments"] >= 18
    assert moments[0].step == 0
    assert moments[-1].scores == log["snapshots"]["last"]
    assert moments[-1].scores["words"] > 2 * moments[0].scores["words"]
    assert moments[-1].put_into(model) is model


def test_a_shared_word():
    assert shares_a_word(Pair("Anna sang.", "Ben saw Anna.", True))
    assert not shares_a_word(Pair("Anna sang.", "She was in the park.", True))
