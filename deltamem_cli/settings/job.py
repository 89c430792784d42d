"""A task on a composed config: run once or swept by Hydra, so that launchers are Hydra's.

What a user can mend comes back as a value, and is raised outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deltamem_base.faults import Fault
from deltamem_cli.settings.compose import composed_config, explained, hydra_over
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import check_types

__all__ = ["Job", "Outcome", "run_config"]

Result = TypeVar("Result")


def run_config(
    name: str,
    task: Callable[[Composed], Any],
    overrides: Sequence[str],
    *,
    multirun: bool = False,
    show: str | None = None,
    checked: Sequence[str] | None = None,
) -> Any:
    """Compose ``conf/NAME.yaml`` with overrides and call ``task`` with it.

    Args:
        name: of a primary config.
        task: takes the composed config; runs once per job of a sweep.
        overrides: Hydra's own syntax.
        multirun: sweep over comma-separated values.
        show: print this part of the config (``job``, ``hydra``, ``all``) and do nothing.
        checked: top-level settings that the task depends on; None is all.

    Returns:
        What the task returned; for a sweep what its launcher returned.

    Raises:
        UsageError: an override that does not parse, names what does not exist, or has a value of
            another type than its setting takes.
        InvalidInput: a class outside our packages and the registered plug-ins.
    """
    from hydra.types import RunMode

    job = Job(task, checked)
    with hydra_over(name) as engine:
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        words = [*overrides, f"hydra.mode={mode.name}"]
        config = composed_config(engine, name, words, mode)
        if show is not None:
            engine.show_cfg(name, list(overrides), show, package=None, resolve=False)
            return None
        if multirun:
            return _sweep(engine, name, job, words)
        return _run(engine, job, config)


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


def _run(engine: Any, job: Job[Result], config: Any) -> Result:
    """Run one job on a config; Hydra's own ``run`` would compose it anew."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import run_job
    from hydra.types import HydraContext

    done = run_job(
        job,
        config,
        job_dir_key="hydra.run.dir",
        job_subdir_key=None,
        hydra_context=HydraContext(config_loader=engine.config_loader, callbacks=Callbacks(config)),
    )
    result: Result = done.return_value.get()
    return result


def _sweep(engine: Any, name: str, job: Job[Result], words: list[str]) -> list[Result]:
    """All jobs run; the first that failed is raised at the end."""
    from hydra.errors import ConfigCompositionException, OverrideParseException

    try:
        batches = engine.multirun(name, job, words)
    except (ConfigCompositionException, OverrideParseException) as fault:
        raise explained(fault, engine, name, words) from fault
    return [done.return_value.get() for batch in batches for done in batch]
