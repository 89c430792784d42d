"""One training: an adapter for a frozen backbone, resumably."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_learner, load_backbone
from deltamem_cli.runs.chosen_weights import Chosen, named_weights
from deltamem_cli.runs.fitting import check_memory, one_sentence_without_memory, smaller
from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.runs.headline import announce_training
from deltamem_cli.runs.launching import fit_out
from deltamem_cli.runs.requests import TrainingRequest
from deltamem_cli.runs.training_run import LOG, TrainingRun
from deltamem_cli.screen.console import Console, Ticker
from deltamem_cli.settings.instantiate import build
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.run_key import run_key

if TYPE_CHECKING:
    from deltamem.backbone import Backbone
    from deltamem.training import Learner, StepLog, StepReport, TrainingConfig
    from deltamem_cli.tracking import TrackedRun, Tracking
    from deltamem_cli.training_data import TrainingData

__all__ = ["run_training", "train"]

ADAPTER = "adapter"
TOKENS = ".tokens"
"""Folder of kept tokens among the runs."""


def run_training(
    words: Sequence[str], *, console: Console, multirun: bool = False, show: str | None = None
) -> Any:
    """Compose ``conf/train.yaml`` and train.

    Args:
        words: overrides.
        console: prints.
        multirun: sweep over comma-separated values.
        show: print this part of the config and do nothing.

    Returns:
        A summary with the adapter's ``path``; of a sweep all; None where the config is only shown.
    """
    return run_config(
        "train",
        lambda composed: train(TrainingRequest.of(composed), console),
        words,
        multirun=multirun,
        show=show,
    )


def train(request: TrainingRequest, console: Console) -> dict[str, object]:
    """Train from the last checkpoint on; return a summary."""
    from deltamem.training import Processes

    start = _start(request)
    processes = Processes.current(on_cpu=request.backbone.device == "cpu")
    console = console if processes.main else replace(console, quiet=True)
    tracking = build(request.tracker)
    with told_of_downloads(console.note):
        data = request.load_data()
    if processes.count == 1:
        check_memory(request, data.episodes, console)
    less = [word for word, _ in smaller(request)]
    with one_sentence_without_memory(less, otherwise="a smaller training.write_length"):
        backbone = load_backbone(request.backbone, console)
        learner = assemble_learner(request, backbone, start=start)
        announce_training(console, request, backbone, data=data)
        decide = request.deciding, backbone.identity.deciding, backbone.numerics, data.source
        begun = None if start is None else _Begun.of(start)
        key = run_key(*decide, *([] if begun is None else [f"from {begun.sha}"]))
        folder = _folder(request, key)
        if (folder / ADAPTER / "README.md").is_file():
            console.note(f"{folder} is complete already")
            return _summary(folder)
        run = TrainingRun(folder=folder, key=key, settings=request.recorded, processes=processes)
        device = next(iter(learner.parameters())).device
        with run.checkpoints.going_on(), run.alone(device):
            live = {"backbone": backbone, "tracking": tracking, "console": console}
            _train(run, learner, data, request, begun=begun, **live)
    processes.wait()
    return _summary(folder)


def _start(request: TrainingRequest) -> Chosen | None:
    """The adapter that a training begins with, found before anything is loaded."""
    if request.adapter is not None and request.memory is None:
        raise UsageError(
            f"method={request.method.name} starts from fresh weights; leave "
            f"adapter={request.adapter} out"
        )
    return named_weights(request.adapter, released=request.backbone.released)


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """The weights that a training began with, which may be gone when it ends."""

    sha: str
    said: str
    """Words for the card."""

    @classmethod
    def of(cls, start: Chosen) -> _Begun:
        from deltamem.adapter.weights import stored_sha

        sha = stored_sha(start.folder)
        return cls(sha=sha, said=f"{start.recorded(sha).source} (sha {sha[:12]})")


def _train(
    run: TrainingRun,
    learner: Learner[Any, Any],
    data: TrainingData,
    request: TrainingRequest,
    *,
    begun: _Begun | None,
    backbone: Backbone,
    tracking: Tracking,
    console: Console,
) -> None:
    """Prepare the data, take the steps that are left, and save what came of them."""
    learner.prepare(data.episodes)
    recipe = request.recipe
    held_out: Sequence[Any]
    if data.stored:
        tokenised = partial(_tokenised, learner, runs=request.runs, console=console)
        episodes, held_out = tokenised(data.episodes), list(tokenised(data.held_out))
    else:
        episodes, held_out = data.episodes, data.held_out
    method = request.method.name
    fit_out(learner, backbone.model, recipe, run.processes, method=method, console=console)
    _take_steps(run, learner, episodes, held_out, recipe, tracking, console)
    if run.processes.main:
        facts = {"command": f"`{request.command}`"}
        facts |= {} if begun is None else {"started from": begun.said}
        facts |= {"quantised to": backbone.quantization} if backbone.quantization else {}
        facts |= _moved_instructions(backbone, data)
        card = {**facts, **data.facts, **_card(recipe, run.log.known())}
        card |= learner.measured(held_out)
        learner.save(run.folder / ADAPTER, card=card)


def _take_steps(
    run: TrainingRun,
    learner: Learner[Any, Any],
    episodes: Any,
    held_out: Any,
    recipe: TrainingConfig,
    tracking: Tracking,
    console: Console,
) -> None:
    from deltamem.training import train as train_loop

    tracking_run = tracking.run(
        run.folder, key=run.key, settings=run.settings, on_note=console.note
    )
    label = run.folder.name.rpartition("__")[0]
    with flush_to_zero(), tracking_run as tracked, console.progress(label) as tick:
        train_loop(
            learner,
            episodes,
            recipe,
            checkpoints=run.checkpoints,
            held_out=held_out,
            processes=run.processes,
            monitor=tracking.monitor(learner),
            **(_told(run.log, tick, tracked) if run.processes.main else {}),
            on_note=console.note,
        )


def _tokenised(learner: Learner[Any, Any], episodes: Any, *, runs: Path, console: Console) -> Any:
    """Episodes as kept tokens, for a learner that can make them; others tokenise as they go."""
    if not episodes:
        return episodes
    with console.progress("tokens") as tick:
        return learner.tokenised(episodes, runs / TOKENS, on_note=console.note, on_episode=tick)


class _Listeners(TypedDict, total=False):
    on_start: Callable[[int], None]
    on_step: Callable[[StepReport], None]


def _told(log: StepLog, tick: Ticker, tracked: TrackedRun) -> _Listeners:
    """Listeners of the loop: the log, the progress bar, and trackers."""
    held: float | None = None

    def on_start(step: int) -> None:
        log.resume(step)
        tracked.start(step)

    def on_step(report: StepReport) -> None:
        nonlocal held
        log.append(report)
        held = held if report.held_out_em is None else report.held_out_em
        words = [f"loss {report.loss:.3f}", f"{report.tokens_per_second:,.0f} tokens/s"]
        words += [] if held is None else [f"held-out EM {held:.2f}"]
        tick(report.step, report.steps, ", ".join(words))
        tracked.log(report)

    return {"on_start": on_start, "on_step": on_step}


def _folder(request: TrainingRequest, key: str) -> Path:
    named = request.options
    part = named["writer"] if request.method.needs_adapter else named["method"]
    return request.runs / f"train__{named['model']}__{part}__{key[:8]}"


def _moved_instructions(backbone: Backbone, data: TrainingData) -> dict[str, str]:
    """A line of the card where the chat template has no place for the episodes' instructions."""
    from deltamem.backbone import INSTRUCTIONS_MOVED, system_turn

    if backbone.template.system_role or not data.stored:
        return {}
    episodes = (data.episodes[i] for i in range(len(data.episodes)))
    told = (part for e in episodes for part in (e.written, *(ask.visible for ask in e.asks)))
    return {"instructions": INSTRUCTIONS_MOVED} if any(map(system_turn, told)) else {}


def _card(recipe: TrainingConfig, last: dict[str, object]) -> dict[str, object]:
    facts = {
        "steps": f"{last.get('steps')} of {recipe.batch_size} episodes",
        "learning rate": recipe.learning_rate,
        "seed": recipe.seed,
        "final loss": f"{last['loss']:.4f}" if "loss" in last else None,
    }
    if "held_out_em" in last:
        facts["held-out exact match (teacher-forced)"] = f"{last['held_out_em']:.4f}"
    return facts


def _summary(folder: Path) -> dict[str, object]:
    from deltamem.training import StepLog

    return {"path": str(folder / ADAPTER), **StepLog(folder / LOG).known()}
