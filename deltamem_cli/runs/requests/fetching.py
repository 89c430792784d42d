"""The data of a run, and where it is to be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem_evaluations.data.fetch import Source

__all__ = ["FetchRequest"]


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """Everything that one run reads and that somebody released."""

    sources: Sequence[Source]
    """None where the data is made up, or a file of the user's was named."""

    @classmethod
    def of(cls, composed: Composed, *, part: Literal["bench", "data", "training"]) -> FetchRequest:
        """The data of one part of a config; neither the data nor a model is needed.

        Args:
            composed: ``conf/eval.yaml``, ``conf/fetch.yaml`` or ``conf/train.yaml``.
            part: the group that has the data.
        """
        settings = composed.tree[part]
        data = settings["data"] if part == "training" else settings
        released = data.get("path", "") is None
        return cls(sources=tuple(build(data).sources()) if released else ())
