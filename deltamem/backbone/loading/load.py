"""Load a backbone from what is on this machine, or from the hub."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.loading.fingerprint import files_fingerprint, fingerprint
from deltamem.backbone.loading.hub import pretrained_from_cache_or_hub
from deltamem.backbone.loading.placement import (
    choose_attention,
    choose_dtype,
    find_device,
    refuse_offloaded,
)
from deltamem.backbone.loading.quantization import quantization_options
from deltamem.backbone.loading.soundness import (
    check_config,
    check_folder,
    check_loaded,
    check_tokenizer,
    check_vocabulary,
    window_of,
)
from deltamem.backbone.loading.weight_files import check_weight_files, weight_files
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE, check_date
from deltamem.backbone.rotation import rotate_by_row
from deltamem_base.faults import InvalidInput

__all__ = [
    "load_backbone",
    "load_config",
    "load_tiny",
    "load_tokenizer",
    "pretrained_model",
    "tiny_folder",
]


def load_backbone(
    id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    attention: str = "auto",
    template_kwargs: Mapping[str, Any] | None = None,
    template_date: str = TEMPLATE_DATE,
    device_map: str | dict[str, Any] | None = None,
    quantization: str | None = None,
    name: str | None = None,
) -> Backbone:
    """Load a model and its tokenizer from the hub's cache, the hub or a local folder.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository; unused for a folder.
        dtype: ``auto`` (the checkpoint's on a GPU, float32 elsewhere) or a torch dtype's name.
        device: ``auto`` (cuda, mps, else cpu) or a torch device.
        attention: ``auto`` (FlashAttention 2 where it is installed, on CUDA in half precision, else
            SDPA) or an attention implementation of transformers.
        template_kwargs: switches of the chat template, such as ``enable_thinking: false``.
        template_date: YYYY-MM-DD, the day that the chat template takes for today.
        device_map: how accelerate spreads the layers over devices, such as ``auto``.
        quantization: ``4bit``, ``8bit`` or None.
        name: what to call it; the id if None.

    Raises:
        Unavailable: the weights are not here and cannot be fetched, or are gated; or bitsandbytes
            is not installed.
        InvalidInput: files that hold no model or do not fit each other (see
            soundness.py), an unknown dtype, device, date or quantisation, or layers that do not fit
            on the devices.
    """
    from transformers.utils.import_utils import is_flash_attn_2_available

    if device_map is not None and device != "auto":
        raise InvalidInput(
            f"device_map={device_map} places the layers itself: leave device={device} at auto"
        )
    where = find_device(device)
    kind = choose_dtype(dtype, where)
    check_date(template_date)
    options: dict[str, Any] = quantization_options(quantization, where, dtype=kind)
    if device_map is not None or quantization is not None:
        options["device_map"] = device_map or {"": where}
    chosen = choose_attention(
        attention,
        where,
        dtype=lambda: _dtype(kind, id, revision),
        flash_installed=is_flash_attn_2_available(),
    )
    if chosen is not None:
        options["attn_implementation"] = chosen

    config, tokenizer = load_config(id, revision=revision), load_tokenizer(id, revision=revision)
    check_vocabulary(id, tokenizer, config)
    model = pretrained_model(id, revision=revision, dtype=kind, **options)
    refuse_offloaded(model)
    if "device_map" not in options:
        model = cast(Any, model).to(where)
    model = model.eval().requires_grad_(False)
    rotate_by_row(model)
    stored = weight_files(id, revision=revision)
    at = None if Path(id).is_dir() else revision
    return Backbone(
        model=model,
        tokenizer=tokenizer,
        name=name or id,
        revision=getattr(model.config, "_commit_hash", None) or at,
        window=window_of(id, model.config),
        fingerprint=files_fingerprint(stored) if stored else fingerprint(model),
        template_kwargs=dict(template_kwargs or {}),
        template_date=template_date,
        quantization=quantization,
    )


def _dtype(kind: str, id: str, revision: str | None) -> torch.dtype | None:
    """In which numbers the weights will be."""
    named = load_config(id, revision=revision).dtype if kind == "auto" else getattr(torch, kind)
    return named if isinstance(named, torch.dtype) else None


def pretrained_model(id: str, *, revision: str | None = None, **options: Any) -> Any:
    """A causal language model, every weight of which is out of its files.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository.
        options: of transformers' ``from_pretrained``; on ``device_map="meta"`` only the headers of
            the files are read.

    Raises:
        Unavailable: it is neither here nor can it be fetched.
        InvalidInput: files that are damaged, or weights that are missing or too many.
    """
    from transformers import AutoModelForCausalLM

    def load(**where_from: Any) -> Any:
        check_weight_files(weight_files(id, revision=revision))
        return AutoModelForCausalLM.from_pretrained(
            id,
            revision=revision,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told, and refused in a sentence
            **options,
            **where_from,
        )

    model, info = pretrained_from_cache_or_hub(load, id, revision)
    check_loaded(id, info)
    return model


def load_tokenizer(id: str, *, revision: str | None = None) -> Any:
    """A tokenizer alone, for looking at prompts without a model.

    Raises:
        Unavailable: it is neither here nor can it be fetched.
        InvalidInput: a folder without one, or one that makes no tokens.
    """
    from transformers import AutoTokenizer

    check_folder(id)
    load = partial(AutoTokenizer.from_pretrained, id, revision=revision, trust_remote_code=False)
    tokenizer = pretrained_from_cache_or_hub(load, id, revision)
    check_tokenizer(id, tokenizer)
    return tokenizer


def load_config(id: str, *, revision: str | None = None) -> Any:
    """The architecture alone, for counting parameters.

    Raises:
        Unavailable: it is neither here nor can it be fetched.
        InvalidInput: a folder without one, or one of a model that cannot be used here.
    """
    from transformers import AutoConfig

    check_folder(id)
    load = partial(AutoConfig.from_pretrained, id, revision=revision, trust_remote_code=False)
    config = pretrained_from_cache_or_hub(load, id, revision)
    check_config(id, config)
    return config


def tiny_folder() -> Path:
    """Where the backbone that ships with the package lies."""
    return Path(str(files("deltamem"))) / "tiny"


def load_tiny(*, device: str = "cpu", dtype: str = "float32", attention: str = "auto") -> Backbone:
    """The embedded backbone: no download, under a second."""
    kind = "float32" if dtype == "auto" else dtype
    return load_backbone(
        str(tiny_folder()), device=device, dtype=kind, attention=attention, name="tiny"
    )
