"""A backbone in 4 or 8 bits per weight, through bitsandbytes.

Embeddings, norms and the output layer stay as they are. Not the paper's way: a record says so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from deltamem_base.faults import InvalidInput, Unavailable, check_choice

__all__ = ["QUANTIZATIONS", "dense_weight", "quantization_options"]

QUANTIZATIONS = ("4bit", "8bit")


def quantization_options(
    quantization: str | None, where: torch.device, *, dtype: str
) -> dict[str, object]:
    """Options of ``from_pretrained`` that quantise a model; none where nothing is quantised.

    Args:
        quantization: ``4bit`` (NF4, its scales quantised too), ``8bit`` or None.
        where: the device that it is for.
        dtype: of everything that is not quantised, by name or ``auto``.

    Raises:
        Unavailable: bitsandbytes is not installed.
        InvalidInput: another word, or a device that bitsandbytes knows nothing of.
    """
    if quantization is None:
        return {}
    check_choice("quantization", quantization, QUANTIZATIONS)
    try:
        import bitsandbytes
    except ImportError as fault:
        raise Unavailable(
            f"quantization={quantization} needs bitsandbytes: pip install 'deltamem[quantized]'"
        ) from fault
    if where.type not in bitsandbytes.supported_torch_devices:
        raise InvalidInput(
            f"quantization={quantization}: bitsandbytes does not work on {where.type} devices; "
            "use a CUDA device, or leave it out"
        )
    from transformers import BitsAndBytesConfig

    if quantization == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="bfloat16" if dtype == "auto" else dtype,
    )
    return {"quantization_config": config}


def dense_weight(linear: nn.Linear) -> Tensor:
    """Weight (out, in) of a linear layer as numbers, out of a quantised one too."""
    weight: Any = linear.weight
    if weight.is_floating_point():
        return weight
    from transformers.integrations.bitsandbytes import dequantize_bnb_weight

    return dequantize_bnb_weight(weight, getattr(linear, "state", None))
