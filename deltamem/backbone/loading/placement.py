"""Where the weights of a backbone go, in which numbers, and what computes attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from deltamem.backbone.loading.quantization import quantization_options
from deltamem_base.faults import InvalidInput, check_choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Model = TypeVar("Model", bound="PreTrainedModel")

__all__ = [
    "DTYPES",
    "Placement",
    "choose_attention",
    "choose_dtype",
    "find_device",
    "on_device",
    "place_weights",
]

DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
FLASH = "flash_attention_2"
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where weights go and in which numbers, in the words of transformers."""

    device: torch.device
    dtype: str
    """``auto`` or the name of a torch dtype."""
    options: Mapping[str, object]
    """Further options of ``from_pretrained``; with a ``device_map`` the weights are there then."""

    def moved(self, model: PreTrainedModel) -> PreTrainedModel:
        """A loaded model on its device.

        Raises:
            InvalidInput: some of its weights stay on the CPU or the disk between their uses.
        """
        _refuse_offloaded(model)
        return model if "device_map" in self.options else on_device(model, self.device)


def place_weights(
    *,
    device: str,
    dtype: str,
    attention: str,
    device_map: str | dict[str, object] | None,
    quantization: str | None,
    stored_dtype: Callable[[], object],
) -> Placement:
    """The placement that settings ask for; see :func:`deltamem.backbone.load_backbone`.

    Args:
        device: ``auto`` or a torch device.
        dtype: ``auto`` or the name of a torch dtype.
        attention: ``auto`` or an implementation by name.
        device_map: how accelerate spreads the layers, or None.
        quantization: ``4bit``, ``8bit`` or None.
        stored_dtype: tells the dtype of the checkpoint; asked only where it matters.

    Raises:
        InvalidInput: an unknown word, or a ``device_map`` beside a device.
        Unavailable: bitsandbytes is not installed.
    """
    from transformers.utils.import_utils import is_flash_attn_2_available

    if device_map is not None and device != "auto":
        raise InvalidInput(
            f"device_map={device_map} places the layers itself: leave device={device} at auto"
        )
    where = find_device(device)
    kind = choose_dtype(dtype, where)
    options = quantization_options(quantization, where, dtype=kind)
    if device_map is not None or quantization is not None:
        options["device_map"] = device_map or {"": where}
    chosen = choose_attention(
        attention,
        where,
        dtype=lambda: stored_dtype() if kind == "auto" else getattr(torch, kind),
        flash_installed=is_flash_attn_2_available(),
    )
    if chosen is not None:
        options["attn_implementation"] = chosen
    return Placement(device=where, dtype=kind, options=options)


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
        raise InvalidInput(f"device is '{device}', but this machine has none; use runtime=cpu")
    return where


def choose_dtype(dtype: str, where: torch.device) -> str:
    """The dtype by its name; for ``auto`` the checkpoint's on a GPU, float32 elsewhere.

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
    dtype: Callable[[], object],
    flash_installed: bool,
) -> str | None:
    """The implementation to ask transformers for; None leaves it to its default, SDPA.

    Args:
        attention: ``auto``, or an implementation by name.
        where: the device of the weights.
        dtype: tells the dtype of the weights; asked only where it matters.
        flash_installed: whether FlashAttention 2 can be imported.
    """
    if attention != "auto":
        return attention
    flash = where.type == "cuda" and flash_installed and dtype() in HALF
    return FLASH if flash else None


def _refuse_offloaded(model: PreTrainedModel) -> None:
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


def on_device(model: Model, device: torch.device) -> Model:
    """A model on a device, of its own class: what transformers says of ``to`` names none."""
    to: Callable[..., Model] = model.to
    return to(device)
