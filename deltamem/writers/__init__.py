"""The three writers of the paper. Another one is a module here, or a plug-in (CONTRIBUTING)."""

from __future__ import annotations

from deltamem.writers.multi_state import MultiStateWriter
from deltamem.writers.segment import SegmentWriter
from deltamem.writers.token import TokenWriter
from deltamem.writers.writer import Writer

__all__ = ["MultiStateWriter", "SegmentWriter", "TokenWriter", "Writer"]
