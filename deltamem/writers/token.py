"""TSW, token-state write: every valid token writes once (paper, equations 11 and 13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from deltamem.delta_rule import delta_rule
from deltamem.writers.writer import Projected, Writer, WriteResult

__all__ = ["TokenWriter"]


@dataclass(frozen=True, kw_only=True)
class TokenWriter(Writer):
    """Each token reads what all tokens before it wrote, then writes itself."""

    name: ClassVar[str] = "token"

    @property
    def granularity(self) -> str:
        """``token``."""
        return "token"

    def write(
        self,
        project: Callable[[Tensor], Projected],
        q: Tensor,
        hidden: Tensor,
        state: Tensor,
        *,
        valid: Tensor | None,
        segments: Tensor | None,
    ) -> WriteResult:
        """One update per valid token; ``segments`` are ignored. See :meth:`Writer.write`."""
        w = project(hidden)
        reads, state = delta_rule(q, w.k, w.v, w.keep, w.erase, w.write, state, valid)
        assert reads is not None
        return WriteResult(reads=reads, state=state, gate=w.write, written=valid)
