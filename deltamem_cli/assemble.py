"""From a composed config to the live objects: backbone, adapter, method, benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltamem_cli.compose import choices
from deltamem_cli.errors import UsageError
from deltamem_cli.instantiate import build

__all__ = ["assemble_method", "context_mode", "load_adapter_for", "load_model", "trained_adapters"]

OURS = ("adapters", "needs_adapter", "natural_context")
"""Keys of a group's yaml that the command line reads; the class never sees them."""


def load_model(config: Any) -> Any:
    """The backbone of ``config.model``."""
    return build(_arguments(config.model))


def context_mode(config: Any) -> str:
    """``visible`` or ``none``, after ``auto`` was resolved to the method's own."""
    return str(config.context.mode)


def assemble_method(config: Any, backbone: Any) -> Any:
    """The method of ``config.method`` on a backbone, with its adapter where it needs one.

    Raises:
        UsageError: a control that this method has no use for.
    """
    arguments = _arguments(config.method)
    control = config.control
    plain = control.writes == "own" and control.state == "kept"
    context = context_mode(config)
    if not config.method.needs_adapter:
        if not plain:
            name = choices()["control"]
            raise UsageError(
                f"control={name} changes what a δ-mem state holds, and method="
                f"{choices()['method']} has none; use method=delta_mem or control=none"
            )
        return build(arguments, backbone=backbone, context=context)
    return build(
        arguments,
        backbone=backbone,
        memory=load_adapter_for(config, backbone),
        context=context,
        state_control=str(control.state),
        seed=int(config.seed),
    )


def load_adapter_for(config: Any, backbone: Any) -> Any:
    """The adapter that was named, else the newest trained one, else a released one.

    Raises:
        Unavailable: there is none.
        UsageError: the adapter's writer is not the one that was asked for.
    """
    from deltamem import load_adapter
    from deltamem.errors import Unavailable

    model, writer = choices()["model"], choices()["writer"]
    if config.adapter is not None:
        memory = load_adapter(Path(config.adapter), backbone)
        wanted = build(config.writer)
        if _writer_was_asked_for() and memory.config.writer != wanted:
            raise UsageError(
                f"writer={writer} was asked for, and the adapter {config.adapter} writes by "
                f"{memory.config.writer.granularity} into {memory.config.writer.num_states} "
                "state(s); leave writer= out"
            )
        return memory
    trained = trained_adapters(Path(config.runs_dir), model=model, writer=writer)
    if trained:
        return load_adapter(trained[-1], backbone)
    released = config.model.get("adapters", {}).get(writer)
    if released is not None:
        return load_adapter(Path(released), backbone)
    raise Unavailable(
        f"there is no adapter for model={model} writer={writer}: train one with `deltamem train "
        f"model={model} writer={writer}`, or name one with adapter=FOLDER"
    )


def trained_adapters(runs: Path, *, model: str, writer: str) -> list[Path]:
    """Adapters that finished training here, oldest first."""
    found = [p.parent for p in runs.glob(f"train__{model}__{writer}__*/adapter/README.md")]
    return sorted(found, key=lambda path: (path / "README.md").stat().st_mtime)


def _writer_was_asked_for() -> bool:
    from hydra.core.hydra_config import HydraConfig

    return any(word.startswith("writer") for word in HydraConfig.get().overrides.task)


def _arguments(node: Any) -> Mapping[str, Any]:
    return {key: value for key, value in node.items() if key not in OURS}
