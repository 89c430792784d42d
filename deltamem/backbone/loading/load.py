"""Load a backbone from what is on this machine, or from the hub."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from deltamem.backbone.backbone import Backbone, GgufFile
from deltamem.backbone.loading.dequantised import dequantised
from deltamem.backbone.loading.fingerprint import files_fingerprint, fingerprint
from deltamem.backbone.loading.placement import place_weights
from deltamem.backbone.loading.pretrained import load_config, load_tokenizer, pretrained_model
from deltamem.backbone.loading.soundness import check_vocabulary, window_of
from deltamem.backbone.loading.weight_files import weight_files
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE, check_date
from deltamem.backbone.rotation import rotate_by_row

__all__ = ["load_backbone", "load_tiny", "tiny_folder"]


def load_backbone(
    id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    attention: str = "auto",
    template_kwargs: Mapping[str, object] | None = None,
    template_date: str = TEMPLATE_DATE,
    device_map: str | dict[str, object] | None = None,
    quantization: str | None = None,
    gguf_file: str | None = None,
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
        gguf_file: name of a GGUF file there, which is dequantised once, in float32; None takes the
            safetensors files.
        name: what to call it; the id if None.

    Raises:
        Unavailable: the weights are not here and cannot be fetched, or are gated; or bitsandbytes
            is not installed.
        InvalidInput: files that hold no model or do not fit each other (see
            soundness.py), an unknown dtype, device, date or quantisation, or layers that do not fit
            on the devices.
    """
    check_date(template_date)
    made = None if gguf_file is None else dequantised(id, gguf_file, revision=revision)
    place, commit = (id, revision) if made is None else (str(made.folder), None)
    placement = place_weights(
        device=device,
        dtype=dtype,
        attention=attention,
        device_map=device_map,
        quantization=quantization,
        stored_dtype=lambda: load_config(place, revision=commit).dtype,
    )
    config, tokenizer = load_config(place, revision=commit), load_tokenizer(place, revision=commit)
    check_vocabulary(place, tokenizer, config)
    model = pretrained_model(place, revision=commit, dtype=placement.dtype, **placement.options)
    model = placement.moved(model).eval().requires_grad_(False)
    rotate_by_row(model)
    stored = weight_files(place, revision=commit)
    at = None if Path(id).is_dir() else revision
    return Backbone(
        model=model,
        tokenizer=tokenizer,
        name=name or id,
        revision=getattr(model.config, "_commit_hash", None) or at,
        window=window_of(place, model.config),
        fingerprint=files_fingerprint(stored) if stored else fingerprint(model),
        template_kwargs=dict(template_kwargs or {}),
        template_date=template_date,
        quantization=quantization,
        file=None if made is None else GgufFile(id=id, name=str(gguf_file), sha256=made.sha256),
    )


def tiny_folder() -> Path:
    """Where the backbone that ships with the package lies."""
    return Path(str(files("deltamem"))) / "tiny"


def load_tiny(*, device: str = "cpu", dtype: str = "float32", attention: str = "auto") -> Backbone:
    """The embedded backbone: no download, under a second."""
    kind = "float32" if dtype == "auto" else dtype
    return load_backbone(
        str(tiny_folder()), device=device, dtype=kind, attention=attention, name="tiny"
    )
