"""The part of a record's settings that we read, by name and with its types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from deltamem_base.typed_json import typed
from deltamem_evaluations.quantities import Tree

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record

__all__ = ["RecordedSettings"]


@dataclass(frozen=True, kw_only=True)
class RecordedSettings:
    """Settings of a run, as its record has them; all others are only compared, and said again."""

    bench: Tree | None = None
    """Settings of the benchmark; None where the record does not say them."""
    model: Tree = field(default_factory=dict)
    """Settings of the backbone."""
    adapter: str | None = None
    """The adapter that was named: of a folder, its name alone."""

    @classmethod
    def of(cls, record: Record) -> RecordedSettings:
        """The settings of a record.

        Raises:
            InvalidData: a value of another type than its setting has.
        """
        names = [f.name for f in fields(cls)]
        found = {name: record.config[name] for name in names if name in record.config}
        return typed(found, cls, where=f"the config of {record.cell}")

    @property
    def released(self) -> Mapping[str, object]:
        """Released adapters by option of ``writer=``."""
        adapters = self.model.get("adapters")
        return adapters if isinstance(adapters, Mapping) else {}
