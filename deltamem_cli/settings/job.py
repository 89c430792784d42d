"""A task as Hydra runs it: what a user can mend comes back as a value, and is raised outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deltamem_base.faults import Fault
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import check_types

__all__ = ["Job", "Outcome"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """The value or the fault of a job; about a raised one Hydra would print a line of its own."""

    value: Result | None = None
    fault: BaseException | None = None

    def get(self) -> Result:
        """The value.

        Raises:
            BaseException: the fault, where the job ended in one.
        """
        if self.fault is not None:
            raise self.fault
        return self.value  # type: ignore[return-value]  # None is a value of tasks without one


@dataclass(frozen=True)
class Job(Generic[Result]):
    """A task that never raises anything that a user can mend."""

    task: Callable[[Composed], Result]
    checked: Sequence[str] | None = None
    """Top-level settings whose values are checked before it runs; None checks all."""

    def __call__(self, config: Any) -> Outcome[Result]:
        """Run the task on a config of Hydra's, in whatever process its launcher chose."""
        from hydra.core.hydra_config import HydraConfig

        try:
            composed = Composed.of(config, HydraConfig.get())
            check_types(composed.tree, parts=self.checked)
            return Outcome(value=self.task(composed))
        except (Fault, BrokenPipeError) as fault:  # the latter: whoever read our output is gone
            return Outcome(fault=fault)
