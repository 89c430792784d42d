"""Which method a run is with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import UNSEEN

__all__ = ["MethodRequest"]


@dataclass(frozen=True, kw_only=True)
class MethodRequest:
    """A method before it is put on a backbone."""

    name: str
    """Option of ``method=``."""
    arguments: Mapping[str, Any]
    """Class and its arguments."""
    needs_adapter: bool
    """Whether it is δ-mem, with an adapter and a state."""
    learner: Mapping[str, Any] | None
    """Class that trains weights for it, with arguments; None where δ-mem or nothing is trained."""
    family: str
    keeps: str
    """The trace that a history leaves in it, in words."""
    natural_context: str
    """``visible``, ``part`` or ``none``: what of the history it has in view by itself."""

    @classmethod
    def of(cls, composed: Composed) -> MethodRequest:
        """The method of a config that has one."""
        method = composed.tree["method"]
        arguments = {key: value for key, value in method.items() if key not in UNSEEN["method"]}
        return cls(
            name=composed.options["method"],
            arguments=arguments,
            needs_adapter=bool(method["needs_adapter"]),
            learner=method.get("learner"),
            family=str(method["family"]),
            keeps=str(method["state"]),
            natural_context=str(method["natural_context"]),
        )

    @property
    def writes_answers(self) -> bool | None:
        """Whether question and answer tokens write; None of a method that has no say in it."""
        return self.arguments.get("write_answers")
