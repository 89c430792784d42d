"""The frozen language model with its tokenizer, its chat template and its identity."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch

from deltamem.backbone.hub import from_cache_or_hub
from deltamem.backbone.inputs import Messages
from deltamem.backbone.rendering import Rendered, render, render_history
from deltamem.errors import InvalidInput, Unavailable, check_choice

__all__ = [
    "Backbone",
    "fingerprint",
    "load_backbone",
    "load_config",
    "load_tiny",
    "load_tokenizer",
    "tiny_folder",
]

SAMPLED_ROWS = 64
DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True, eq=False)
class Backbone:
    """A causal language model that nothing trains, in eval mode."""

    model: Any
    tokenizer: Any
    name: str
    revision: str | None
    window: int
    """Tokens that it can attend to."""
    fingerprint: str
    """See :func:`fingerprint`."""
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every id that ends an answer: of the generation config and of the tokenizer."""
        configured = self.model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        return frozenset(i for i in [*listed, self.tokenizer.eos_token_id] if i is not None)

    @property
    def pad_id(self) -> int:
        """Any valid id: padding is masked, it is never read."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self.stop_ids, default=0)

    def render(
        self,
        messages: Messages,
        *,
        join: str | None = None,
        add_generation_prompt: bool = False,
    ) -> Rendered:
        """Tokens of ``messages``; see :func:`deltamem.backbone.rendering.render`."""
        return render(
            self.tokenizer,
            messages,
            join=join,
            add_generation_prompt=add_generation_prompt,
            template_kwargs=self.template_kwargs,
        )

    def render_history(self, messages: Messages, *, join: str | None = None) -> Rendered:
        """Tokens of what came before a question; see :mod:`deltamem.backbone.rendering`."""
        return render_history(
            self.tokenizer, messages, join=join, template_kwargs=self.template_kwargs
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated tokens, without stop and special tokens, stripped."""
        return self.decode_raw(ids).strip()

    def decode_raw(self, ids: Sequence[int]) -> str:
        """The same with the white space around it."""
        kept = [token for token in ids if token not in self.stop_ids]
        text: str = self.tokenizer.decode(kept, skip_special_tokens=True)
        return text


def fingerprint(model: Any) -> str:
    """sha256 over architecture, norm weights and a slice of the embeddings, in bfloat16.

    Cheap, and the same whether the weights were loaded in fp32, in bf16 or quantised.
    """
    text = model.config.get_text_config()
    digest = hashlib.sha256(
        f"{text.model_type} {text.hidden_size} {text.num_hidden_layers} {text.vocab_size}".encode()
    )
    sampled = [model.get_input_embeddings().weight[:SAMPLED_ROWS]]
    sampled += [w for name, w in sorted(model.named_parameters()) if "norm" in name]
    for weight in sampled:
        if weight.is_meta:
            continue
        rounded = weight.detach().to("cpu", torch.bfloat16).contiguous()
        digest.update(rounded.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()


def load_backbone(
    id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    attention: str = "auto",
    template_kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Backbone:
    """Load a model and its tokenizer from the hub's cache, the hub or a local folder.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository; unused for a folder.
        dtype: ``auto`` (the checkpoint's on a GPU, float32 on a CPU) or a torch dtype's name.
        device: ``auto`` (cuda, mps, else cpu) or a torch device.
        attention: ``auto`` or an attention implementation of transformers.
        template_kwargs: switches of the chat template, such as ``enable_thinking: false``.

    Raises:
        Unavailable: the weights are not here and cannot be fetched, or are gated.
        InvalidInput: a folder without a model, an unknown dtype or device.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = _device(device)
    check_choice("dtype", dtype, DTYPES)
    kind = dtype if dtype != "auto" else ("auto" if where.type == "cuda" else "float32")
    options: dict[str, Any] = {} if attention == "auto" else {"attn_implementation": attention}

    def load(**where_from: Any) -> tuple[Any, Any]:
        tokenizer = AutoTokenizer.from_pretrained(id, revision=revision, **where_from)
        model = AutoModelForCausalLM.from_pretrained(
            id, revision=revision, dtype=kind, use_safetensors=True, **options, **where_from
        )
        return tokenizer, model

    tokenizer, model = _from_cache_or_hub(load, id, revision)
    model = cast(Any, model).to(where).eval().requires_grad_(False)
    text = model.config.get_text_config()
    return Backbone(
        model=model,
        tokenizer=tokenizer,
        name=name or id,
        revision=revision or getattr(model.config, "_commit_hash", None),
        window=int(text.max_position_embeddings),
        fingerprint=fingerprint(model),
        template_kwargs=dict(template_kwargs or {}),
    )


def load_tokenizer(id: str, *, revision: str | None = None) -> Any:
    """A tokenizer alone, for looking at prompts without a model.

    Raises:
        Unavailable: it is neither here nor can it be fetched.
        InvalidInput: a folder without one.
    """
    from transformers import AutoTokenizer

    load = partial(AutoTokenizer.from_pretrained, id, revision=revision)
    return _from_cache_or_hub(load, id, revision)


def load_config(id: str, *, revision: str | None = None) -> Any:
    """The architecture alone, for counting parameters.

    Raises:
        Unavailable: it is neither here nor can it be fetched.
        InvalidInput: a folder without one.
    """
    from transformers import AutoConfig

    load = partial(AutoConfig.from_pretrained, id, revision=revision)
    return _from_cache_or_hub(load, id, revision)


def tiny_folder() -> Path:
    """Where the backbone that ships with the package lies."""
    return Path(str(files("deltamem"))) / "tiny"


def load_tiny(*, device: str = "cpu", dtype: str = "float32", attention: str = "auto") -> Backbone:
    """The embedded backbone: no download, under a second."""
    kind = "float32" if dtype == "auto" else dtype
    return load_backbone(
        str(tiny_folder()), device=device, dtype=kind, attention=attention, name="tiny"
    )


def _device(device: str) -> torch.device:
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


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the progress bars of transformers off: loading is ours to report."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def _from_cache_or_hub(load: Callable[..., Any], id: str, revision: str | None) -> Any:
    faults = (OSError, ValueError, ImportError)
    with _no_bars():
        explain = partial(_explain, id, revision)
        return from_cache_or_hub(load, id, explain=explain, faults=faults)


def _explain(id: str, revision: str | None, fault: Exception) -> Exception:
    reason = str(fault).strip().splitlines()[0] if str(fault).strip() else repr(fault)
    if Path(id).is_dir():
        return InvalidInput(f"the folder {id} holds no model that can be loaded: {reason}")
    at = f" --revision {revision}" if revision else ""
    if "gated" in str(fault).lower() or "401" in str(fault):
        return Unavailable(
            f"{id} is gated: accept its licence on https://huggingface.co/{id} and run "
            "`hf auth login`"
        )
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return Unavailable(
        f"the weights of {id} are not on this machine and cannot be fetched{offline}: run "
        f"`hf download {id}{at}` where there is a network, or name a folder with model.id=FOLDER"
    )
