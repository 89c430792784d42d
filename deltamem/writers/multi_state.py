"""MSW, multi-state write: token writes into N parallel sub-states (paper, equation 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from deltamem.writers.token import TokenWriter
from deltamem.writers.writer import MOST_STATES

__all__ = ["MultiStateWriter"]


@dataclass(frozen=True, kw_only=True)
class MultiStateWriter(TokenWriter):
    """TSW with N sub-states, whose reads are concatenated before they steer."""

    name: ClassVar[str] = "multi_state"
    num_states: Annotated[int, Interval(ge=1, le=MOST_STATES)] = 4
