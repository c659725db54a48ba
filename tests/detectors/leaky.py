"""Small models into which one leak at a time can be planted."""

import math

import torch
from torch import nn

V, D, H = 29, 12, 3


class Small(nn.Module):
    """Two layers of attention over token vectors; `leak` says what is wrong."""

    def __init__(self, leak: str = "", causal: bool = True, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.leak, self.causal = leak, causal
        self.table = nn.Embedding(V, D)
        self.places = nn.Embedding(40, D)
        self.mix = nn.ModuleList(nn.Linear(D, 4 * D) for _ in range(2))
        self.across = nn.BatchNorm1d(D)
        self.head = nn.Linear(D, V)

    def hidden(self, layer, T, mask):
        """Which keys are hidden, (B or 1, H, T, S)."""
        shift = 1
        if self.leak == "off by one":
            shift = 2
        see = torch.ones(T, T, dtype=torch.bool)
        if self.causal and not (self.leak == "no mask in layer 2" and layer == 1):
            see = see.tril(shift - 1)
        if self.leak == "no mask" or (self.leak == "training" and self.training):
            see = torch.ones(T, T, dtype=torch.bool)
        if self.leak == "far future":
            see[0, -1] = True
        see = see.expand(1, H, T, T).clone()
        if self.leak == "one head":
            see[:, 1] = True
        if mask is not None and self.leak != "mask ignored":
            if not (self.leak == "mask in layer 1 only" and layer == 1):
                keys = mask.bool()
                if self.leak == "last padding seen":
                    keys = keys.clone()
                    keys[:, -1] = True
                see = see & keys[:, None, None, :]
        return ~see

    def forward(self, ids, attention_mask=None):
        B, T = ids.shape
        places = torch.arange(T).expand(B, T)
        if attention_mask is not None:
            places = (attention_mask.long().cumsum(1) - 1).clamp(min=0)
        if self.leak == "padding takes a place":
            places = torch.arange(T).expand(B, T)
        if self.leak == "counted from the end":
            places = torch.arange(T - 1, -1, -1).expand(B, T)
        x = self.table(ids) + self.places(places)
        for layer, mix in enumerate(self.mix):
            q, k, v, w = (
                p.view(B, T, H, -1).transpose(1, 2) for p in mix(x).chunk(4, -1)
            )
            scores = q @ k.mT / math.sqrt(D // H)
            hidden = self.hidden(layer, T, attention_mask)
            wall = -12.0 if self.leak == "soft wall" else -1e30
            scores = scores.masked_fill(hidden, wall)
            mixed = (scores.softmax(-1) @ v * w.sigmoid()).transpose(1, 2)
            x = x + mixed.reshape(B, T, D)
        x = self.average(x, attention_mask)
        return self.head(x)

    def average(self, x, mask):
        if self.leak == "mean over positions":
            x = x - x.mean(1, keepdim=True)
        if self.leak == "faint mean":
            x = x + 1e-5 * x.mean(1, keepdim=True)
        if self.leak == "batch norm":
            x = self.across(x.mT).mT
        if self.leak == "greatest of all":
            x = x / x.abs().amax((1, 2), keepdim=True)
        return x


class Classifier(Small):
    """One answer for each text, from the mean over its positions."""

    def forward(self, ids, attention_mask=None):
        says = super().forward(ids, attention_mask)
        if self.leak == "mean over padding":
            return says.mean(1)
        weight = torch.ones(ids.shape) if attention_mask is None else attention_mask
        weight = weight.float()[..., None]
        return (says * weight).sum(1) / weight.sum(1)
