"""MSW, multi-state write: token writes into N parallel sub-states (paper, equation 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from deltamem.writers.token import TokenWriter

__all__ = ["MultiStateWriter"]


@dataclass(frozen=True, kw_only=True)
class MultiStateWriter(TokenWriter):
    """TSW with N sub-states, whose reads are concatenated before they steer."""

    num_states: Annotated[int, Ge(1)] = 4
