"""``deltamem pretrain``: make the embedded backbone, resumably."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.options import Cfg, Overrides, Quiet, make_console
from deltamem_cli.runs.fitting import one_sentence_without_memory
from deltamem_cli.runs.requests import PretrainingRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deltamem.pretraining import BackboneLearner, Curriculum
    from deltamem.training import Checkpoints, TrainingConfig
    from deltamem_cli.tracking import TrackedRun

__all__ = ["pretrain"]

SMALLER = ("training.micro_batch_size=1",)
CARD = "README.md"
"""Card of the model folder, written last."""


def pretrain(overrides: Overrides = None, cfg: Cfg = None, quiet: Quiet = False) -> None:
    """Train the embedded backbone again from scratch (about an hour on two cores)."""
    console = make_console(quiet=quiet)
    run_config(
        "pretrain",
        lambda composed: _pretrain(PretrainingRequest.of(composed), console),
        overrides or [],
        show=cfg,
    )


def _pretrain(request: PretrainingRequest, console: Console) -> Path:
    """Train a backbone from scratch on the curriculum and save it as a model folder."""
    from deltamem.pretraining import BackboneLearner, build_tokenizer, new_backbone
    from deltamem.training import Checkpoints, only_run
    from deltamem_cli.training_data.pretraining_dialogues import tokenizer_texts

    key = request.key
    folder = request.runs / f"pretrain-{key[:8]}"
    model = folder / "model"
    if (model / CARD).is_file():
        console.note(f"{folder} is complete already")
        console.wrote(model)
        return model
    tokenizer = build_tokenizer(tokenizer_texts(), window=request.sizes.window)
    learner = BackboneLearner(new_backbone(request.sizes, tokenizer), tokenizer)
    curriculum = _curriculum(request, tokenizer)
    checkpoints = Checkpoints(folder / "checkpoints", key=key)
    tracking_run = request.tracking.run(
        folder, key=key, settings=request.recorded, on_note=console.note
    )
    with (
        checkpoints.going_on(),
        only_run(folder),
        one_sentence_without_memory(SMALLER, otherwise="a smaller backbone"),
    ):
        with tracking_run as tracked:
            _learn(learner, curriculum, request.recipe, checkpoints, tracked, console)
        learner.save(model, card=_card(request, learner))
    console.wrote(model)
    return model


def _curriculum(request: PretrainingRequest, tokenizer: PreTrainedTokenizerBase) -> Curriculum:
    from deltamem.pretraining import Curriculum
    from deltamem_cli.training_data.pretraining_dialogues import RecallDialogues

    return Curriculum(
        tokenizer,
        RecallDialogues(),
        steps=request.steps,
        copy_steps=request.copy_steps,
        batch=request.recipe.batch_size,
        seed=request.seed,
    )


def _learn(
    learner: BackboneLearner,
    curriculum: Curriculum,
    recipe: TrainingConfig,
    checkpoints: Checkpoints,
    tracked: TrackedRun,
    console: Console,
) -> None:
    """Take all steps that are left, telling of each."""
    from deltamem.training import StepReport, train

    with console.progress("pretrain") as tick:

        def on_step(report: StepReport) -> None:
            tick(report.step, report.steps, f"loss {report.loss:.3f}, exact {report.em:.2f}")
            tracked.log(report)

        train(
            learner,
            curriculum,
            recipe,
            checkpoints=checkpoints,
            on_start=tracked.start,
            on_step=on_step,
            on_note=console.note,
        )


def _card(request: PretrainingRequest, learner: BackboneLearner) -> dict[str, object]:
    """The card of the model folder: how it was made."""
    return {
        "command": f"`{request.command}`",
        "parameters": f"{sum(p.numel() for p in learner.parameters()):,}",
        "vocabulary": f"{len(learner.tokenizer):,}",
        "steps": f"{request.steps:,} of {request.recipe.batch_size} sequences",
        "seed": request.seed,
        "settings (hash)": request.key,
    }
