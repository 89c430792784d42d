"""Whether a run fits into a device's memory, and the settings that make it smaller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deltamem_cli.runs.build import empty_model_of
from deltamem_cli.runs.device_memory import Longest, device_memory, longest_episode, need_of
from deltamem_cli.runs.sizes import trained_parameters
from deltamem_cli.screen.console import Console

__all__ = ["check_memory", "one_sentence_without_memory", "shortage", "smaller"]

CLEARLY = 1.25
"""Of a device's memory: what an estimate above it asks for is never there. Estimates lie within
0.9 and 1.2 of the measured peaks."""
GIB = 2.0**30


def check_memory(config: Any, episodes: Any, recipe: Any, console: Console) -> None:
    """Refuse a training that cannot fit, before its weights are loaded; warn of one that may not.

    Raises:
        Unavailable: the memory is not there; names the settings that help.
    """
    from deltamem_base.faults import Fault, Unavailable

    try:
        model = empty_model_of(config)
    except Fault:
        return  # loading the weights says what is missing
    longest = longest_episode(config, episodes, recipe)
    sentence, share = shortage(config, model, longest)
    if sentence is not None and share > CLEARLY:
        raise Unavailable(sentence)
    if sentence is not None:
        console.note(f"note: {sentence}")


def shortage(config: Any, model: Any, longest: Longest | None) -> tuple[str | None, float]:
    """A sentence where a run takes more than the device has, and the share of it that it takes.

    Args:
        config: of ``train`` or ``eval``.
        model: the backbone on the meta device.
        longest: episode of a training; None evaluates.
    """
    from omegaconf import OmegaConf

    spread = config.model.get("device_map") is not None
    there = device_memory(str(config.runtime.device), spread=spread)
    trained = 0 if longest is None else trained_parameters(config, model)
    need = need_of(config, model, trained=trained, longest=longest).total
    if there is None or need <= there:
        return None, 0.0 if there is None else need / there
    said = f"the run takes about {need / GIB:,.1f} GiB and the device has {there / GIB:,.1f} GiB"
    words: list[str] = []
    for word in smaller(config):
        words.append(word)
        changed = OmegaConf.merge(config, OmegaConf.from_dotlist(words))
        less = need_of(changed, model, trained=trained, longest=longest).total
        if less <= there:
            return f"{said}: with {' '.join(words)} it takes {less / GIB:,.1f} GiB", need / there
    tried = f"with {' '.join(words)} too; " if words else ""
    return f"{said}, {tried}use a larger device or a smaller backbone", need / there


def smaller(config: Any) -> list[str]:
    """Settings that take less memory, those first that change no result."""
    words = []
    recipe = config.get("training")
    if recipe is not None and recipe.micro_batch_size > 1:
        words.append("training.micro_batch_size=1")
    adapter = recipe is not None and "method" in config and config.method.needs_adapter
    if adapter and not recipe.activation_checkpointing:
        words.append("training.activation_checkpointing=true")
    if "runtime" in config and str(config.runtime.dtype) in ("auto", "float32", "float64"):
        words.append("runtime.dtype=bfloat16")
    return words


@contextmanager
def one_sentence_without_memory(config: Any) -> Iterator[None]:
    """A failed allocation in this block, CUDA's or the host's, ends in a sentence.

    Raises:
        Fault: with the settings that help.
    """
    from deltamem_base.faults import Fault
    from evaluations.memory_limits import out_of_memory

    try:
        yield
    except Exception as fault:
        if not out_of_memory(fault):
            raise
        words = smaller(config)
        lengths = "a smaller training.write_length" if "memory" in config else "a smaller backbone"
        use = f"{' '.join(words)}, {lengths}" if words else lengths
        raise Fault(f"memory ran out in training: use {use}, or another device") from fault
