"""Many small operations on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch uses one thread meanwhile.

    A second core makes hundreds of operations of some microseconds a tenth or two faster; when
    another process holds it, each of them may wait a time slice (seen: 8 ms of work took 500).
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
