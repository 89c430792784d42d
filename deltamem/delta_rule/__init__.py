"""The gated delta rule of δ-mem: one operation, several forms, one signature.

``naive`` is the definition and the oracle of the tests, ``chunked`` is for long histories,
``recurrent`` for many short ones, ``step`` for decoding. The equations are in README.md beside
this file.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deltamem.delta_rule.chunked import delta_rule_chunked
from deltamem.delta_rule.compiled import delta_rule_compiled
from deltamem.delta_rule.naive import delta_rule_naive
from deltamem.delta_rule.step import delta_rule_step, read_state

__all__ = [
    "delta_rule",
    "delta_rule_chunked",
    "delta_rule_compiled",
    "delta_rule_naive",
    "delta_rule_step",
    "read_state",
]


Form = Callable[..., tuple[Tensor | None, Tensor]]

def delta_rule(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Read before write over T tokens with the form that suits the shape.

    Contract of :func:`delta_rule_naive`. The arithmetic is that of ``state``'s dtype: the fast
    forms serve float32 and float64; a lower precision (``state_dtype`` of the configuration,
    as in the authors' release) goes token by token, as it does there.
    """
    form: Form = delta_rule_chunked
    if state.dtype not in (torch.float32, torch.float64):
        form = delta_rule_naive
    elif k.shape[1] == 1:
        form = delta_rule_step
    return form(q, k, v, keep, erase, write, state, mask)
