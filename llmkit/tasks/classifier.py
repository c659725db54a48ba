"""A classification head on any encoder, or on a decoder.

Devlin et al. 2019, "BERT", section 4; on a decoder: Radford et al. 2018, "Improving
Language Understanding by Generative Pre-Training", section 3.2. Home notebook:
10_fine_tuning_bert.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from llmkit.checks import check_choice, check_count, check_range
from llmkit.models import ModelOutput
from llmkit.tasks.pooling import POOLINGS


class Classifier(nn.Module):
    """Read a text, pool its vectors into one, and score each class.

    Args:
        encoder: a `BERT`, or a decoder (`GPT`, `Llama`) with `pooling="last"`. It is
            used as it is, not copied: training the classifier trains it.
        n_classes: how many classes there are, or their names.
        pooling: "mean", "first", "last", "max", or "pooler" for a `BERT` with its own
            pooler, as in Hugging Face's `BertForSequenceClassification`.
        dropout: the share of the pooled vector that is blanked in training.

    Raises:
        ValueError: the pooling does not fit the encoder.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_classes: int | Sequence[str] = 2,
        pooling: str = "mean",
        dropout: float = 0.1,
    ):
        super().__init__()
        if not isinstance(n_classes, int):
            n_classes = len(n_classes)
        check_count("n_classes", n_classes, 2)
        check_choice("pooling", pooling, (*POOLINGS, "pooler"))
        check_range("dropout", dropout, 0.0, 1.0)
        if pooling == "pooler" and getattr(encoder, "pooler", None) is None:
            raise ValueError(
                'pooling="pooler" needs an encoder with a pooler; this '
                f'{type(encoder).__name__} has none. Use pooling="mean"'
            )
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.d_model, n_classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def pool(self, output: ModelOutput, attention_mask: Tensor) -> Tensor:
        """Make one vector of a text's vectors.

        Args:
            output: what the encoder returned.
            attention_mask: bool, (B, T).

        Returns:
            (B, D).
        """
        if self.pooling == "pooler":
            return output.pooled
        return POOLINGS[self.pooling](output.last_hidden_state, attention_mask)

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> ModelOutput:
        """Score each class for each text.

        Args:
            ids: int64, (B, T); padding on the right.
            attention_mask: bool, (B, T); True marks a real token. None: all are real.
            output_attentions: whether to return the weights.
            output_hidden_states: whether to return the residual stream.

        Returns:
            The encoder's `ModelOutput`, with `logits`, (B, C), those of the classes,
            and `pooled`, (B, D), what the head read.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(ids, dtype=torch.bool)
        output = self.encoder(
            ids,
            attention_mask=attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        output.pooled = self.pool(output, attention_mask)
        output.logits = self.head(self.dropout(output.pooled))
        return output

    def train(self, mode: bool = True) -> Classifier:
        """Switch to training, except for parts of the encoder that are frozen.

        Dropout in a part that cannot learn would only add noise.

        Args:
            mode: False for evaluation.

        Returns:
            The model itself.
        """
        super().train(mode)
        for part in self.encoder.children():
            parts = part if isinstance(part, nn.ModuleList) else [part]
            for each in parts:
                weights = list(each.parameters())
                if weights and not any(w.requires_grad for w in weights):
                    each.eval()
        if not any(w.requires_grad for w in self.encoder.parameters()):
            self.encoder.eval()
        return self
