"""From a composed config to the live objects: backbone, adapter, method, benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.chosen_weights import Chosen, choose_adapter, choose_weights
from deltamem_cli.settings.compose import choices, config_folder, method_settings, options
from deltamem_cli.settings.identity import control_name
from deltamem_cli.settings.instantiate import build

__all__ = [
    "assemble_data",
    "assemble_learner",
    "assemble_method",
    "context_mode",
    "empty_model_of",
    "is_trained",
    "load_memory",
    "load_model",
    "model_source",
    "prompt_options",
    "writer_name",
]

OURS = (
    "adapters",
    "architecture",
    "needs_adapter",
    "natural_context",
    "family",
    "state",
    "learner",
    "recipe",
)
"""Keys of a group's yaml that the command line reads; the class never sees them."""


def load_model(config: Any) -> Any:
    """The backbone of ``config.model``."""
    return build(_arguments(config.model))


def context_mode(config: Any) -> str:
    """``visible`` or ``none``, after ``auto`` was resolved to the method's own."""
    return str(config.context.mode)


def assemble_method(config: Any, backbone: Any, *, chosen: Chosen | None = None) -> Any:
    """The method of ``config.method`` on a backbone, with its weights where it has some.

    Args:
        config: composed.
        backbone: loaded.
        chosen: its weights; None chooses them.

    Raises:
        UsageError: a control that this method has no use for.
    """
    arguments = _arguments(config.method)
    control = config.control
    plain = control.writes == "own" and control.state == "kept"
    context = context_mode(config)
    if config.method.needs_adapter:
        if control.writes == "nothing" and arguments.get("write_answers"):
            raise UsageError(
                f"control={choices()['control']} has nothing written, and method.write_answers="
                "true has questions and answers written; leave one of them out"
            )
        return build(
            arguments,
            backbone=backbone,
            memory=load_memory(config, backbone, chosen=chosen),
            context=context,
            state_control=str(control.state),
            seed=int(config.seed),
        )
    if not plain:
        raise UsageError(
            f"control={control_name(config)} changes what a δ-mem state holds, and method="
            f"{choices()['method']} has none; use method=delta_mem or control=none"
        )
    chosen = chosen or choose_weights(config, fingerprint=backbone.fingerprint)
    if "learner" in config.method:
        weights = None if chosen is None else str(chosen.folder)
        return build(arguments, backbone=backbone, context=context, weights=weights)
    return build(arguments, backbone=backbone, context=context)


def assemble_data(config: Any, recipe: Any) -> Any:
    """The training data of ``config.training``; a generated source is told how much is needed."""
    node = config.training.data
    arguments = {key: value for key, value in node.items() if key != "endless"}
    if node.get("endless", False):
        size = (recipe.steps or 1) * recipe.batch_size
        return build(arguments, size=size, seed=int(config.seed)).load()
    return build(arguments).load()


def assemble_learner(config: Any, backbone: Any, recipe: Any) -> Any:
    """What ``config.method`` has to train on a backbone, with fresh weights.

    Raises:
        UsageError: the method has nothing to train.
    """
    if config.method.needs_adapter:
        from deltamem import DeltaMemory
        from deltamem.training import DeltaMemLearner

        memory = DeltaMemory(build(config.memory), backbone.model)
        return DeltaMemLearner(
            backbone,
            memory.initialise(backbone.model, seed=config.seed),
            write_length=recipe.write_length,
            read_length=recipe.read_length,
            gate_target=recipe.gate_target,
        )
    if "learner" not in config.method:
        trainable = [name for name in options("method") if is_trained(name)]
        raise UsageError(
            f"method={choices()['method']} has nothing to train; choose one of "
            + ", ".join(trainable)
        )
    return build(
        config.method.learner,
        backbone=backbone,
        seed=int(config.seed),
        read_length=recipe.write_length + recipe.read_length,
    )


def empty_model_of(config: Any) -> Any:
    """The architecture of ``config.model`` without weights, on the meta device."""
    from deltamem.backbone import empty_model

    return empty_model(**model_source(config), architecture=config.model.get("architecture"))


def model_source(config: Any) -> dict[str, Any]:
    """Where the files of ``config.model`` are: ``id``, a hub id or folder, and ``revision``."""
    from deltamem.backbone import tiny_folder

    node = config.model
    return {"id": node.get("id") or str(tiny_folder()), "revision": node.get("revision")}


def prompt_options(config: Any) -> dict[str, Any]:
    """How ``config.model`` has its chat template applied."""
    from deltamem.backbone import TEMPLATE_DATE

    return {
        "template_kwargs": dict(config.model.get("template_kwargs") or {}),
        "template_date": str(config.model.get("template_date") or TEMPLATE_DATE),
    }


def load_memory(config: Any, backbone: Any, *, chosen: Chosen | None = None) -> Any:
    """The adapter that was named, else the one that fits; see :func:`choose_adapter`.

    Raises:
        Unavailable: there is none.
        UsageError: several fit, or the adapter's writer is not the one that was asked for.
    """
    from deltamem import load_adapter

    chosen = chosen or choose_adapter(config, fingerprint=backbone.fingerprint)
    memory = load_adapter(chosen.folder, backbone)
    asked_for = config.adapter is not None and _writer_was_asked_for()
    if asked_for and memory.config.writer != build(config.writer):
        raise UsageError(
            f"writer={choices()['writer']} was asked for, and the adapter {chosen.source} writes "
            f"by {memory.config.writer.granularity} into {memory.config.writer.num_states} "
            "state(s); leave writer= out"
        )
    return memory


def writer_name(described: Mapping[str, Any]) -> str:
    """The option of ``writer=`` that an adapter writes by, from what its method says of itself.

    A named adapter brings its own writer, whatever ``writer=`` is by default.
    """
    from omegaconf import OmegaConf

    wanted = (described["granularity"], described["num_states"])
    for name in options("writer"):
        made = build(OmegaConf.load(config_folder() / "writer" / f"{name}.yaml"))
        if (made.granularity, made.num_states) == wanted:
            return name
    return f"{wanted[0]}-{wanted[1]}"


def is_trained(method: str) -> bool:
    """Whether ``deltamem train method=…`` makes weights for it."""
    node = method_settings(method)
    return bool(node.needs_adapter or "learner" in node)


def _writer_was_asked_for() -> bool:
    from hydra.core.hydra_config import HydraConfig

    return any(word.startswith("writer") for word in HydraConfig.get().overrides.task)


def _arguments(node: Any) -> Mapping[str, Any]:
    return {key: value for key, value in node.items() if key not in OURS}
