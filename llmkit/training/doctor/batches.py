"""What can be read off a batch: where the targets stand, padding, variety, order.

Home notebook: 06_loss_and_optimization.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from llmkit.training.doctor.record import BatchSeen

IGNORED = -100
DISTANCES = (0, 1, 2, -1)  # from an input to its target
_ROWS = 4  # kept of each batch


def find_ids(given: dict) -> tuple[Tensor | None, bool]:
    """Return the token ids among a model's arguments, and whether a mask is there.

    Args:
        given: arguments by name.

    Returns:
        int64, (B, T), or None; whether an attention mask was given.
    """
    ids = None
    for value in given.values():
        if isinstance(value, Tensor) and value.dtype == torch.int64 and ids is None:
            ids = value if value.dim() == 2 else None
    mask = given.get("attention_mask")
    return ids, mask is not None


def find_targets(batch: Sequence, ids: Tensor, vocab_size: int) -> Tensor | None:
    """Return the part of a batch that holds the targets.

    It has a number for each token, or one for each row. Masks and segments, which
    hold zeros and ones only, are passed over.

    Args:
        batch: tensors.
        ids: int64, (B, T), what the model read.
        vocab_size: V.

    Returns:
        int64, (B, T) or (B,); the ids themselves if the batch holds nothing else.
    """
    wholes = [p for p in batch if isinstance(p, Tensor) and p.dtype == torch.int64]
    same = [p for p in wholes if p.shape == ids.shape]
    first = next((i for i, p in enumerate(same) if torch.equal(p, ids)), None)
    others = [p for i, p in enumerate(same) if i != first]
    real = [p for p in others if vocab_size <= 2 or int(p.max()) > 1 or p.min() < 0]
    if real:
        return real[-1]
    per_row = [p for p in wholes if p.dim() == 1 and len(p) == len(ids)]
    if per_row:
        return per_row[-1]
    return ids if first is not None else None


def belongs(batch: Sequence, ids: Tensor) -> bool:
    """Tell whether a batch is what the model has just been given.

    Args:
        batch: tensors and whatever else a batch may hold.
        ids: what the model was called with, (B, T).
    """
    return any(
        isinstance(p, Tensor) and p.shape == ids.shape and torch.equal(p.to(ids), ids)
        for p in batch
    )


def see_batch(
    ids: Tensor, targets: Tensor | None, masked: bool, pad_id: int | None
) -> BatchSeen:
    """Note what matters about a batch.

    Args:
        ids: int64, (B, T).
        targets: int64, (B, T) or (B,), or None.
        masked: whether the model got an attention mask.
        pad_id: the padding's id; None: guessed from how rows end.

    Returns:
        The notes.
    """
    ids = ids.detach().cpu()
    seen = BatchSeen(
        key=hash((ids.numpy().tobytes(), tuple(ids.shape))),
        rows=list(ids[:_ROWS]),
        classes=[],
        shape=tuple(ids.shape),
        masked=masked,
    )
    pad = _padding(ids) if pad_id is None else pad_id
    ending = _ending(ids, pad) if pad is not None else torch.zeros_like(ids).bool()
    seen.padded = bool(ending[:, -1].any())
    if targets is None:
        return seen
    targets = targets.detach().cpu()
    counts = targets != IGNORED
    seen.places, seen.counted = targets.numel(), int(counts.sum())
    if not seen.counted:
        return seen
    seen.commonest = targets[counts].unique(return_counts=True)[1].max().item()
    seen.commonest /= seen.counted
    if targets.dim() == 1:
        seen.classes = targets[:_ROWS].tolist()
        return seen
    seen.ahead = {d: _share_ahead(ids, targets, counts, d) for d in DISTANCES}
    if seen.padded:
        asked = ending & counts & (targets == pad)
        seen.padding_asked = int(asked.sum()) / seen.counted
    return seen


def _share_ahead(ids, targets, counts, distance: int) -> float:
    """Return the share of targets that equal the input `distance` further on."""
    length = ids.shape[1]
    if abs(distance) >= length:
        return 0.0
    here = slice(max(0, -distance), length - max(0, distance))
    there = slice(max(0, distance), length + min(0, distance))
    counted = counts[:, here]
    hits = (targets[:, here] == ids[:, there]) & counted
    return int(hits.sum()) / max(int(counted.sum()), 1)


def _ending(ids: Tensor, pad: int) -> Tensor:
    """Mark the padding at the end of each row, but for its first token.

    One such token may be the sign that ends a text.
    """
    runs = (ids == pad).flip(1).cumprod(1).flip(1).bool()  # (B, T)
    before = F.pad(runs[:, :-1], (1, 0), value=False)
    return runs & before


def _padding(ids: Tensor) -> int | None:
    """Guess the padding: one token that fills up rows to different degrees."""
    token = int(ids[:, -1].mode().values)
    is_token = ids == token
    runs = is_token.flip(1).cumprod(1).sum(1)  # (B,)
    filled = runs >= 3
    varied = len(set(runs.tolist())) > 1
    # a space ends rows too, but it stands elsewhere as well
    only_there = int(runs.sum()) == int(is_token.sum())
    return token if int(filled.sum()) >= 2 and varied and only_there else None


def losses_in_several_ways(
    logits: Tensor, targets: Tensor, padded_share: float
) -> dict[str, float]:
    """Compute the cross-entropy as it should be, and as it often is by mistake.

    Args:
        logits: (B, T, V) or (B, V).
        targets: int64, the shape of logits without V.
        padded_share: the share of targets that count.

    Returns:
        By name, the right one first.
    """
    counts = targets != IGNORED
    counted = int(counts.sum())
    if not counted or logits.shape[:-1] != targets.shape:
        return {}
    flat, wanted = logits.flatten(0, -2).float(), targets.flatten()
    if int(wanted.max()) >= flat.shape[-1]:
        return {}
    plain = F.cross_entropy(flat, wanted).item()
    found = {"plain": plain}
    if targets.dim() == 2 and targets.shape[1] > 1:
        again = F.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), wanted_after(targets)
        )
        found["shifted"] = again.item()
        found["sum over positions"] = plain * counted / len(targets)
    found["sum"] = plain * counted
    found["softmax twice"] = F.cross_entropy(flat.softmax(-1), wanted).item()
    found["negative"] = -plain
    if padded_share < 1:
        found["mean over ignored"] = plain * padded_share
    return found


def wanted_after(targets: Tensor) -> Tensor:
    """Return the targets but the first of each row, in one row."""
    return targets[:, 1:].flatten()


def more_alike_within(rows: list[list[Tensor]], vocab_size: int) -> float | None:
    """Compare rows of one batch with rows of different batches.

    In shuffled data both are equally alike. A permutation test (batches drawn anew
    from the same rows) guards against chance.

    Args:
        rows: of each batch a few rows; one-number rows are classes.
        vocab_size: V.

    Returns:
        How much of the difference between rows is one between batches, 0 to 1; 0 if
        chance could do it too, None if there are too few rows.
    """
    rows = [batch for batch in rows if len(batch) > 1]
    if len(rows) < 6:
        return None
    counts = [
        torch.bincount(row.clamp(0, vocab_size - 1), minlength=vocab_size).float()
        for batch in rows
        for row in batch
    ]
    table = F.normalize(torch.stack(counts), dim=1)  # (N, V)
    alike = table @ table.T
    places = torch.tensor([i for i, batch in enumerate(rows) for _ in batch])
    pairs = ~torch.eye(len(places), dtype=torch.bool)

    def excess(labels: Tensor) -> float:
        same = (labels[:, None] == labels) & pairs
        across = alike[~same & pairs].mean()
        return ((alike[same].mean() - across) / (1 - across).clamp(min=1e-6)).item()

    real = excess(places)
    dice = torch.Generator().manual_seed(0)
    for _ in range(200):
        if excess(places[torch.randperm(len(places), generator=dice)]) >= real:
            return 0.0
    return max(real, 0.0)
