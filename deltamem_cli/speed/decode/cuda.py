"""Decoding after a long prompt on CUDA, at the shape of Qwen3-4B with random weights.

The prompt is read once with the memory and once without, before anything is timed: only single
tokens are (tokens.py), to the end of their work on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from deltamem_cli.speed.alternate import Figure, LeftOut, figure
from deltamem_cli.speed.decode.tokens import KINDS, alone, relative_throughput, with_memory
from deltamem_cli.speed.models import random_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["NAME", "QWEN3_4B", "cuda_figures", "device_figures"]

NAME = "decode.after_long_prompt"
QWEN3_4B = {
    "vocab_size": 151_936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
    "max_position_embeddings": 262_144,
}


def cuda_figures(tick: Callable[[int, int], None]) -> Iterator[Figure | LeftOut]:
    """The figures of this machine's GPU, or what is missing for them."""
    import torch

    if torch.cuda.is_available():
        yield from device_figures(tick, device="cuda")
    else:
        yield LeftOut(names=(NAME,), reason="this machine has no CUDA device")


def device_figures(
    tick: Callable[[int, int], None],
    *,
    device: str,
    architecture: Mapping[str, object] = QWEN3_4B,
    prompt: int = 32_768,
    tokens: int = 32,
    rounds: int = 5,
) -> Iterator[Figure]:
    """Tokens per second with a memory over those of the bare model, writing and with writes off.

    Args:
        tick: progress of what is being timed.
        device: where the model is, in bfloat16.
        architecture: of a Qwen3.
        prompt: tokens before the first new one.
        tokens: new ones in one turn.
        rounds: turns.
    """
    import torch

    from deltamem import DeltaMemConfig, DeltaMemory

    model = random_model(architecture, device=device, dtype=torch.bfloat16)
    memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=0).eval()
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(model.config.vocab_size, (1, prompt), generator=random).to(device)
    bare, size = alone(model, ids, tokens=tokens), f"{tokens} tokens after {prompt:,}"
    for writes, kind in KINDS.items():
        attached = with_memory(memory, model, ids, tokens=tokens, writes=writes)
        ratios = relative_throughput(bare.decode, attached.decode, rounds=rounds, tick=tick)
        yield figure(NAME, ratios, f"{kind}, {_place(model)}, {size}")


def _place(model: PreTrainedModel) -> str:
    """The model and the device that were timed, in words."""
    import torch

    device = model.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    return f"random Qwen3, {layers} layers of {width}, bfloat16, {name}"
