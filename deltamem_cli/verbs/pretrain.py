"""``deltamem pretrain``: make the embedded backbone, resumably."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.runs.fitting import one_sentence_without_memory
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import run_config
from deltamem_cli.settings.identity import config_hash, plain, public_words
from deltamem_cli.settings.instantiate import build, check_types
from deltamem_cli.verbs.options import Cfg, Overrides, Quiet, make_console

if TYPE_CHECKING:
    from deltamem.pretraining import BackboneLearner, Curriculum
    from deltamem.training import Checkpoints, TrainingConfig
    from deltamem_cli.tracking import TrackedRun

__all__ = ["pretrain"]

SMALLER = ("training.micro_batch_size=1",)
CARD = "README.md"
"""Card of the model folder, written last."""


def pretrain(overrides: Overrides = None, cfg: Cfg = None, quiet: Quiet = False) -> None:
    """Make the embedded backbone anew (about an hour on two cores)."""
    console, words = make_console(quiet=quiet), overrides or []
    run_config("pretrain", lambda config: _pretrain(config, console, words), words, show=cfg)


def _pretrain(config: Any, console: Console, words: Sequence[str]) -> Path:
    """Train a backbone from scratch on the curriculum and save it as a model folder."""
    from deltamem.pretraining import BackboneLearner, build_tokenizer, new_backbone
    from deltamem.training import Checkpoints, only_run
    from deltamem_cli.training_data.pretraining_world import tokenizer_texts

    check_types(config)
    tracking = build(config.tracker)
    sizes, recipe = build(config.backbone), build(config.training)
    key = config_hash(config)
    folder = Path(config.runs_dir) / f"pretrain-{key[:8]}"
    model = folder / "model"
    if (model / CARD).is_file():
        console.note(f"{folder} is complete already")
        console.wrote(model)
        return model
    tokenizer = build_tokenizer(tokenizer_texts(), window=sizes.window)
    learner = BackboneLearner(new_backbone(sizes, tokenizer), tokenizer)
    curriculum = _curriculum(config, recipe, tokenizer)
    checkpoints = Checkpoints(folder / "checkpoints", key=key)
    tracking_run = tracking.run(folder, key=key, settings=plain(config), on_note=console.note)
    with (
        checkpoints.going_on(),
        only_run(folder),
        one_sentence_without_memory(SMALLER, otherwise="a smaller backbone"),
    ):
        with tracking_run as tracked:
            _learn(learner, curriculum, recipe, checkpoints, tracked, console)
        learner.save(model, card=_card(config, learner, words))
    console.wrote(model)
    return model


def _curriculum(config: Any, recipe: TrainingConfig, tokenizer: Any) -> Curriculum:
    from deltamem.pretraining import Curriculum
    from deltamem_cli.training_data.pretraining_world import RecallWorld

    assert recipe.steps is not None
    return Curriculum(
        tokenizer,
        RecallWorld(),
        steps=recipe.steps,
        copy_steps=config.copy_steps,
        batch=recipe.batch_size,
        seed=config.seed,
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


def _card(config: Any, learner: Any, words: Sequence[str]) -> dict[str, Any]:
    """The card of the model folder: how it was made."""
    return {
        "command": f"`{' '.join(['deltamem pretrain', *public_words(words)])}`",
        "parameters": f"{sum(p.numel() for p in learner.parameters()):,}",
        "vocabulary": f"{len(learner.tokenizer):,}",
        "steps": f"{config.training.steps:,} of {config.training.batch_size} sequences",
        "seed": config.seed,
        "settings (hash)": config_hash(config),
    }
