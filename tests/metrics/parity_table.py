"""Print how far every metric is from its reference tool, on 1,000 random pairs each.

python -m tests.metrics.parity_table
"""

import logging
import random
import warnings

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from llmkit.metrics import (
    accuracy,
    brier,
    class_scores,
    confusion_matrix,
    decisions,
    entity_scores,
    exact_match,
    reliability,
    rouge,
    sentence_chrf,
    token_f1,
)
from llmkit.metrics.bleu import SMOOTHINGS, bleu_counts, bleu_from_counts
from llmkit.metrics.rouge import KINDS
from llmkit.metrics.splitting import SPLITTERS
from tests.metrics import test_answers, test_calibration, test_classes, test_entities
from tests.metrics.texts import pairs


def gap(mine, theirs) -> float:
    """The largest difference between two lists of numbers."""
    return float(np.max(np.abs(np.asarray(mine, float) - np.asarray(theirs, float))))


def of_texts() -> dict[str, float]:
    """BLEU, chrF, ROUGE, exact match, token F1."""
    texts, found = pairs(seed=5), {}
    for tokenize in SPLITTERS:
        counts = [bleu_counts(c, r, tokenize) for c, r in texts]
        for smooth in SMOOTHINGS:
            judge = BLEU(tokenize=tokenize, smooth_method=smooth, effective_order=True)
            mine = bleu_from_counts(np.array(counts), smooth, effective_order=True)
            theirs = [judge.sentence_score(c, r).score for c, r in texts]
            found[f"BLEU, {tokenize}, smoothing {smooth}"] = gap(mine, theirs)
    for words, name in ((0, "chrF"), (2, "chrF++")):
        judge = CHRF(word_order=words)
        found[name] = gap(
            [sentence_chrf(c, r, words) for c, r in texts],
            [judge.sentence_score(c, r).score for c, r in texts],
        )
    for stem in (False, True):
        judge = RougeScorer(list(KINDS), use_stemmer=stem)
        mine = [rouge(c, r, stem) for c, r in texts]
        theirs = [judge.score_multi(r, c) for c, r in texts]
        for kind in KINDS:
            name = f"{kind}{', stemmed' if stem else ''}"
            each = zip(mine, theirs, strict=True)
            found[name] = max(gap(a[kind], b[kind]) for a, b in each)
    squad = [np.max([test_answers.squad(c, t) for t in r], axis=0) for c, r in texts]
    mine = [(exact_match(c, r), token_f1(c, r)) for c, r in texts]
    found["exact match and token F1 (SQuAD's rules, written anew)"] = gap(mine, squad)
    return found


def of_classes() -> dict[str, float]:
    """Accuracy, confusion matrix, precision, recall and F1."""
    found: dict[str, float] = {}

    def note(name, mine, theirs):
        found[name] = max(found.get(name, 0.0), gap(mine, theirs))

    for said, right in test_classes.pairs():
        names = sorted({*said, *right})
        ids = [[names.index(x) for x in y] for y in (said, right)]
        note("accuracy", accuracy(*ids).value, sklearn.accuracy_score(right, said))
        theirs = sklearn.confusion_matrix(right, said, labels=names)
        note("confusion matrix", confusion_matrix(said, right), theirs)
        mine = class_scores(said, right)
        for average in ("macro", "micro", "weighted"):
            theirs = sklearn.precision_recall_fscore_support(
                right, said, average=average, zero_division=0
            )
            name = f"precision, recall, F1: {average}"
            note(name, getattr(mine, average), theirs[:3])
    rng = random.Random(4)
    for _ in range(1000):
        right = [test_entities.sentence(rng, rng.randint(1, 8)) for _ in range(3)]
        said = [
            [t if rng.random() < 0.8 else rng.choice(test_entities.TAGS) for t in s]
            for s in right
        ]
        mine = entity_scores(said, right)
        for average in ("micro", "macro", "weighted"):
            if mine.labels:
                theirs = precision_recall_fscore_support(right, said, average=average)
                note(f"entity F1: {average}", getattr(mine, average), theirs[:3])
    return found


def of_probabilities() -> dict[str, float]:
    """Brier score, reliability, ROC and precision-recall areas."""
    found: dict[str, float] = {}
    for p, y in test_calibration.cases():
        table = reliability(p, y)
        share, sure = calibration_curve(y, p, n_bins=10)
        filled, every = table.count > 0, decisions(p, y)
        for name, mine, theirs in (
            ("Brier score", brier(p, y), sklearn.brier_score_loss(y, p)),
            ("reliability: share", table.accuracy[filled], share),
            ("reliability: confidence", table.confidence[filled], sure),
            ("area under ROC", every.roc_auc, sklearn.roc_auc_score(y, p)),
            (
                "average precision",
                every.average_precision,
                sklearn.average_precision_score(y, p),
            ),
        ):
            found[name] = max(found.get(name, 0.0), gap(mine, theirs))
    return found


def main() -> None:
    """Print the table."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print("| metric | largest difference |\n|---|---|")
    for part in (of_classes, of_probabilities, of_texts):
        for name, difference in part().items():
            print(f"| {name} | {difference:.0e} |", flush=True)


if __name__ == "__main__":
    main()
