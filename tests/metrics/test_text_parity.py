"""BLEU, chrF and ROUGE against sacreBLEU and rouge-score, on 1,000 awkward pairs."""

import logging

import numpy as np
import pytest
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF

from llmkit.metrics import bleu, chrf, rouge, sentence_bleu, sentence_chrf
from llmkit.metrics.bleu import SMOOTHINGS, bleu_counts, bleu_from_counts
from llmkit.metrics.rouge import KINDS
from llmkit.metrics.splitting import SPLITTERS, split_words
from tests.metrics.texts import pairs

PAIRS = pairs(seed=5)
CLOSE = 1e-6


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def corpora(size=25):
    """The pairs in groups: candidates, references, and these as sacreBLEU wants."""
    for start in range(0, len(PAIRS), size):
        candidates, references = zip(*PAIRS[start : start + size], strict=True)
        most = max(map(len, references))
        columns = [
            [r[k] if k < len(r) else None for r in references] for k in range(most)
        ]
        yield list(candidates), list(references), columns


@pytest.mark.parametrize("tokenize", SPLITTERS)
def test_bleu(tokenize):
    # every smoothing reads the same counts, so they are counted once
    rows = np.array([bleu_counts(c, r, tokenize) for c, r in PAIRS])
    for smooth in SMOOTHINGS:
        judge = BLEU(tokenize=tokenize, smooth_method=smooth, effective_order=True)
        theirs = [judge.sentence_score(c, r).score for c, r in PAIRS]
        mine = bleu_from_counts(rows, smooth, effective_order=True)
        np.testing.assert_allclose(mine, theirs, atol=CLOSE, rtol=0)
        judge = BLEU(tokenize=tokenize, smooth_method=smooth)
        for number, (candidates, _, columns) in enumerate(corpora()):
            mine = bleu_from_counts(rows[25 * number :][:25].sum(axis=0), smooth)
            theirs = judge.corpus_score(candidates, columns).score
            assert mine == pytest.approx(theirs, abs=CLOSE)


def test_bleu_for_a_learner():
    judge = BLEU(effective_order=True)
    for candidate, references in PAIRS[:200]:
        theirs = judge.sentence_score(candidate, references).score
        assert sentence_bleu(candidate, references) == pytest.approx(theirs, abs=CLOSE)
    judge = BLEU()
    for candidates, references, columns in corpora():
        theirs = judge.corpus_score(candidates, columns).score
        assert bleu(candidates, references) == pytest.approx(theirs, abs=CLOSE)


@pytest.mark.parametrize(("smooth", "value"), [("floor", 0.01), ("add-k", 2.5)])
def test_other_values_for_smoothing(smooth, value):
    judge = BLEU(smooth_method=smooth, smooth_value=value, effective_order=True)
    for candidate, references in PAIRS[:200]:
        counts = bleu_counts(candidate, references)
        mine = bleu_from_counts(counts, smooth, value, effective_order=True)
        theirs = judge.sentence_score(candidate, references).score
        assert mine == pytest.approx(theirs, abs=CLOSE)


def test_bleu_without_case():
    judge = BLEU(lowercase=True)
    for candidates, references, columns in corpora():
        mine = bleu(candidates, references, lowercase=True)
        theirs = judge.corpus_score(candidates, columns).score
        assert mine == pytest.approx(theirs, abs=CLOSE)


@pytest.mark.parametrize("tokenize", SPLITTERS)
def test_words(tokenize):
    judge = BLEU(tokenize=tokenize).tokenizer
    for candidate, _ in PAIRS:
        theirs = judge(candidate.rstrip()).split()
        assert split_words(candidate, tokenize) == theirs, candidate


@pytest.mark.parametrize("words", [0, 1, 2])
def test_chrf(words):
    judge = CHRF(word_order=words)
    for candidate, references in PAIRS:
        mine = sentence_chrf(candidate, references, words)
        theirs = judge.sentence_score(candidate, references).score
        assert mine == pytest.approx(theirs, abs=CLOSE), (candidate, references)
    for candidates, references, columns in corpora():
        mine = chrf(candidates, references, words)
        theirs = judge.corpus_score(candidates, columns).score
        assert mine == pytest.approx(theirs, abs=CLOSE)


@pytest.mark.parametrize("stem", [False, True])
def test_rouge(stem):
    judge = rouge_scorer.RougeScorer(list(KINDS), use_stemmer=stem)
    for candidate, references in PAIRS:
        mine = rouge(candidate, references, stem)
        theirs = judge.score_multi(references, candidate)
        for kind in KINDS:
            assert mine[kind] == pytest.approx(tuple(theirs[kind]), abs=CLOSE)


def test_the_pairs_are_as_awkward_as_they_should_be():
    candidates = [candidate for candidate, _ in PAIRS]
    assert sum(not c.strip() for c in candidates) > 50
    assert sum(not c.isascii() for c in candidates) > 100
    assert sum(len(set(c.split())) < len(c.split()) for c in candidates) > 100
    assert sum(c in r for c, r in PAIRS) > 50
