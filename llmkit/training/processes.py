"""One run in several processes, by PyTorch's own means.

Each process has the whole model and reads its own rows of every batch; the gradients
are averaged on the way back by `DistributedDataParallel`, which `accelerate` wraps
around the model (Li et al. 2020, "PyTorch Distributed", section 3). In one process
every function here hands back what it was given. Home notebook: 21_scaling_up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch import distributed as dist


def process_and_count() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def my_rows(batches: Iterable) -> Iterator[tuple]:
    """Yield of every batch the rows that this process learns from.

    The batches must be the same in all processes, as they are with one seed; then
    the run has the losses of one process with the whole batch.

    Args:
        batches: tuples of tensors whose first axis is B.

    Yields:
        Tuples with every n-th row, (B / n, …) each.

    Raises:
        ValueError: the rows cannot be shared out evenly.
    """
    number, count = process_and_count()
    for batch in batches:
        if len(batch[0]) % count:
            raise ValueError(
                f"the batch must be a multiple of {count}, the number of processes, "
                f"so that each learns from as many rows; got {len(batch[0])} rows"
            )
        yield tuple(part[number::count] for part in batch)


def mean_over_processes(value: Tensor) -> Tensor:
    """Average a number over all processes.

    Args:
        value: a number.

    Returns:
        The same in every process; the one it was given if there is only one.
    """
    _, count = process_and_count()
    if count == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / count


def any_process(flag: bool, device: torch.device) -> bool:
    """Tell whether any of the processes says yes, so that all do the same.

    Args:
        flag: what this one says.
        device: where the processes meet.

    Returns:
        The same in every process.
    """
    return bool(mean_over_processes(torch.tensor(float(flag), device=device)) > 0)
