"""Fine-tune again and again with other choices, and compare: what a panel needs.

Home notebook: 10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from llmkit.checks import check_choice, check_range
from llmkit.metrics import Interval, accuracy, confusion_matrix
from llmkit.tasks.classifier import Classifier
from llmkit.tasks.examples import encode_examples, shuffled_batches, take_balanced
from llmkit.tasks.fine_tune import FineTuning, predict
from llmkit.tasks.freezing import freeze, layer_rates
from llmkit.tasks.objective import classification_loss
from llmkit.tokenizers import Tokenizer
from llmkit.training import Run


@dataclass(frozen=True)
class Measured:
    """How well a model does on texts that it did not learn from.

    Attributes:
        accuracy: with its interval.
        confusion: how often each true class (row) was called what (column).
        wrong: text, true class, said class and how sure, the surest first.
    """

    accuracy: Interval
    confusion: list[list[int]]
    wrong: list[tuple[str, int, int, float]]


class Study:
    """A task, and a way to begin with a fresh model as often as one likes.

    Args:
        starts: name of a start -> a function that makes a fresh `Classifier`. A start
            whose name is "random" learns its tables of tokens too.
        tokenizer: the encoder's.
        train: texts and labels to learn from.
        held_out: texts and labels to measure on, such as the validation split. Who
            turns knobs while looking at the test split has no test any more.
        names: of the classes.
        max_length: longer texts are cut.
    """

    def __init__(
        self,
        starts: dict[str, Callable[[], Classifier]],
        tokenizer: Tokenizer,
        train: tuple[Sequence[str], Sequence[int]],
        held_out: tuple[Sequence[str], Sequence[int]],
        names: Sequence[str] = ("negative", "positive"),
        max_length: int = 64,
    ):
        if not starts:
            raise ValueError("starts must hold at least one way to begin; got none")
        self.starts, self.tokenizer, self.names = dict(starts), tokenizer, list(names)
        self.texts = list(held_out[0])
        self.train = encode_examples(*train, tokenizer, max_length)
        self.held_out = encode_examples(*held_out, tokenizer, max_length)
        self.start = next(iter(self.starts))
        self.model = self.starts[self.start]()

    @property
    def n_layers(self) -> int:
        """How many layers can be frozen."""
        return len(self.model.encoder.blocks)

    def begin(
        self,
        start: str,
        size: int,
        layers: int = 0,
        settings: FineTuning | None = None,
    ) -> Run:
        """Take a fresh model and prepare a run; `Run.start` begins it.

        Args:
            start: one of the names.
            size: how many examples to learn from.
            layers: how many of the lowest are frozen; all: the head alone learns.
            settings: rate, epochs and so on; its seed also makes the fresh head.

        Returns:
            The run; `model` is what it trains.
        """
        check_choice("start", start, self.starts)
        check_range("size", size, 2, len(self.train))
        settings = settings or FineTuning()
        # the fresh weights follow the seed, whatever was drawn before
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.start, self.model = start, self.starts[start]()
        freeze(self.model, layers, embeddings=start != "random")
        labels = [example.label for example in self.train]
        some = [self.train[i] for i in take_balanced(labels, size, settings.seed)]
        generator = torch.Generator().manual_seed(settings.seed)
        return Run(
            self.model,
            shuffled_batches(some, settings.batch_size, generator),
            layer_rates(
                self.model, settings.lr, settings.layer_decay, settings.weight_decay
            ),
            steps=settings.steps(len(some)),
            schedule=settings.schedule(len(some)),
            loss=classification_loss(),
            bf16=settings.bf16,
        )

    def measure(self) -> Measured:
        """Try the present model on the texts that are held out."""
        probs = predict(self.model, self.held_out)
        sure, said = (found.tolist() for found in probs.max(-1))
        true = [example.label for example in self.held_out]
        wrong = [
            (text, t, s, p)
            for text, t, s, p in zip(self.texts, true, said, sure, strict=True)
            if t != s
        ]
        counts = confusion_matrix(said, true, labels=list(range(len(self.names))))
        return Measured(
            accuracy(torch.tensor(said), torch.tensor(true)),
            [[int(n) for n in row] for row in counts],
            sorted(wrong, key=lambda row: -row[3]),
        )
