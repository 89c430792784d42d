"""Where the weights of a backbone go, in which numbers, and what computes attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from deltamem_base.faults import InvalidInput, check_choice

__all__ = [
    "DTYPES",
    "choose_attention",
    "choose_dtype",
    "find_device",
    "refuse_offloaded",
]

DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
FLASH = "flash_attention_2"
HALF = (torch.float16, torch.bfloat16)


def find_device(device: str) -> torch.device:
    """A torch device of its name; ``auto`` is cuda, mps or cpu, the first that is here.

    Raises:
        InvalidInput: no such device.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next((name for name, here in present.items() if here), "cpu"))
    try:
        where = torch.device(device)
    except RuntimeError as fault:
        raise InvalidInput(f"device is '{device}'; use auto, cpu, mps, cuda or cuda:N") from fault
    if not present.get(where.type, True):
        raise InvalidInput(f"device is '{device}', and there is none here; use runtime=cpu")
    return where


def choose_dtype(dtype: str, where: torch.device) -> str:
    """For ``auto`` the checkpoint's own on a GPU, float32 on a CPU and on MPS.

    Raises:
        InvalidInput: not one of :data:`DTYPES`.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype != "auto":
        return dtype
    return "auto" if where.type == "cuda" else "float32"


def choose_attention(
    attention: str,
    where: torch.device,
    *,
    dtype: Callable[[], torch.dtype | None],
    flash_installed: bool,
) -> str | None:
    """The implementation to ask transformers for; None leaves it to its default, SDPA.

    Args:
        attention: ``auto``, or an implementation by name.
        where: the device of the weights.
        dtype: of the weights; asked only where it matters.
        flash_installed: whether FlashAttention 2 can be imported.
    """
    if attention != "auto":
        return attention
    flash = where.type == "cuda" and flash_installed and dtype() in HALF
    return FLASH if flash else None


def refuse_offloaded(model: Any) -> None:
    """Refuse a model whose layers come and go: a memory lives beside the weights of its layer.

    Raises:
        InvalidInput: some weights stay on the CPU or the disk between their uses.
    """
    away = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if away:
        raise InvalidInput(
            f"the backbone does not fit: device_map leaves {len(away)} of its weights off the "
            f"devices, the first is {away[0]}; use more GPUs, model.quantization=4bit or a smaller "
            "backbone"
        )
