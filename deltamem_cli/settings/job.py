"""A task as Hydra runs it: what a user can mend comes back as a value, and is raised outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deltamem_base.faults import Fault
from deltamem_cli.settings.paths import expand_paths

__all__ = ["Job", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """The value or the fault of a job; about a raised one Hydra would print a line of its own."""

    value: Any = None
    fault: BaseException | None = None

    def get(self) -> Any:
        """The value.

        Raises:
            BaseException: the fault, where the job ended in one.
        """
        if self.fault is not None:
            raise self.fault
        return self.value


@dataclass(frozen=True)
class Job:
    """A task that never raises anything that a user can mend."""

    task: Callable[[Any], Any]

    def __call__(self, config: Any) -> Outcome:
        """Run the task on a config whose home folders are written out."""
        try:
            expand_paths(config)
            return Outcome(value=self.task(config))
        except (Fault, BrokenPipeError) as fault:  # the latter: whoever read our output is gone
            return Outcome(fault=fault)
