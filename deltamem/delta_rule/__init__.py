"""The gated delta rule of δ-mem: one operation, several forms, one signature.

``naive`` is the definition and the oracle of the tests, ``chunked`` is plain torch and serves
everywhere, ``compiled`` (C++) and ``fused`` (Triton) are faster where they run, ``step`` is for
decoding. The equations are in README.md beside this file.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor

from deltamem.delta_rule.choice import chosen_form
from deltamem.delta_rule.many_tokens.chunked import delta_rule_chunked
from deltamem.delta_rule.many_tokens.compiled import delta_rule_compiled, has_compiled
from deltamem.delta_rule.many_tokens.fused import delta_rule_fused, has_triton
from deltamem.delta_rule.many_tokens.one_or_none import delta_rule_step, read_state
from deltamem.delta_rule.naive import delta_rule_naive
from deltamem_base.faults import check_choice

__all__ = [
    "FORMS",
    "VARIABLE",
    "delta_rule",
    "delta_rule_chunked",
    "delta_rule_compiled",
    "delta_rule_fused",
    "delta_rule_naive",
    "delta_rule_step",
    "read_state",
]


Form = Callable[..., tuple[Tensor | None, Tensor]]

VARIABLE = "DELTA_MEM_SCAN_IMPL"
"""Environment variable that names the form; unset, the device decides."""

FORMS: dict[str, Form] = {
    "torch": delta_rule_chunked,
    "cpp": delta_rule_compiled,
    "triton": delta_rule_fused,
    "naive": delta_rule_naive,
}
"""The forms by the names that the variable may hold."""


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
    """Read before write over T tokens with the form that suits the device, or the one asked for.

    Contract of :func:`delta_rule_naive`. The arithmetic is that of ``state``'s dtype: the fast
    forms serve float32 and float64; a lower precision (``state_dtype`` of the configuration,
    as in the authors' release) goes token by token, as it does there.

    Raises:
        InvalidInput: :data:`VARIABLE` names no form, or one that is not for this device.
        Unavailable: it names a form that this machine cannot run.
    """
    form = _form(k, state)
    return form(q, k, v, keep, erase, write, state, mask)


def _form(k: Tensor, state: Tensor) -> Form:
    named = os.environ.get(VARIABLE, "")
    if named:
        check_choice(VARIABLE, named, tuple(FORMS))
    gradients = torch.is_grad_enabled()
    form = chosen_form(
        state.device.type,
        triton=has_triton(),
        # asked last, for it compiles where nobody did before
        compiled=not (named or gradients) and state.device.type == "cpu" and has_compiled(),
        gradients=gradients,
        time=k.shape[1],
        rank=k.shape[3],
        dtype=state.dtype,
        named=named,
    )
    return delta_rule_step if form == "step" else FORMS[form]
