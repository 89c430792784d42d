"""A frozen language model with its tokenizer, its chat template and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from deltamem.backbone.generation.thinking import decode_with_tags, special_tags
from deltamem.backbone.inputs import Messages
from deltamem.backbone.loading.architecture import embedding_weight
from deltamem.backbone.rendering.chat_template import ChatTemplate, chat_template
from deltamem.backbone.rendering.rendering import Rendered, render, render_history
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE
from deltamem_base.identities import BackboneIdentity

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Backbone", "GgufFile"]

CHANGES_NO_ANSWER = (
    "architectures",
    "auto_map",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "initializer_range",
    "pad_token_id",
    "quantization_config",
    "transformers_version",
    "use_cache",
)
"""Settings of an architecture that say how it is loaded, trained or stopped; where tokens end an
answer is told with the prompts, dtype and quantisation by themselves."""
OF_ONE_CALL = ("truncation", "padding")
"""Settings that a call of a tokenizer leaves behind in its description."""


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """A quantised model in one file."""

    id: str
    """Hub id or folder that it was taken from."""
    name: str
    """Name there."""
    sha256: str
    """Digest of its content."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A causal language model that nothing trains, in eval mode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str | None
    window: int
    """Tokens that it can attend to."""
    fingerprint: str
    """Hash of all weights, see :mod:`deltamem.backbone.loading.fingerprint`."""
    template_kwargs: Mapping[str, object] = field(default_factory=dict)
    template_date: str = TEMPLATE_DATE
    """The day that chat templates take for today."""
    quantization: str | None = None
    file: GgufFile | None = None
    """The GGUF file that the weights were dequantised from; None where they are as they were."""

    @property
    def identity(self) -> BackboneIdentity:
        """All that decides the answers of this backbone: weights, settings, tokens of prompts."""
        return BackboneIdentity(
            model=self.origin["name"],
            model_revision=self.revision,
            model_fingerprint=self.fingerprint,
            model_architecture=self.architecture,
            model_prompts=self.prompt_format,
            model_quantization=self.quantization,
            model_file_sha256=None if self.file is None else self.file.sha256,
        )

    @cached_property
    def architecture(self) -> str:
        """sha256 over the settings of the architecture, those that change no answer left out."""
        settings = self.model.config.get_text_config().to_diff_dict()
        deciding = {
            k: v for k, v in settings.items() if not (k.startswith("_") or k in CHANGES_NO_ANSWER)
        }
        text = json.dumps(deciding, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def numerics(self) -> dict[str, str]:
        """Settings that may change the last digits of a result: numbers, attention, device."""
        return {
            "model_dtype": str(self.model.dtype).removeprefix("torch."),
            "model_attention": str(self.model.config._attn_implementation),
            "model_device": self.device.type,
        }

    @property
    def origin(self) -> dict[str, str | None]:
        """The origin of these weights, as files of what was trained on them state it.

        Of a folder only the last part: such files travel, and no other machine has its path.
        """
        path = Path(self.name)
        name = path.name if path.is_dir() else self.name
        return {"name": name, "revision": self.revision, "fingerprint": self.fingerprint}

    @property
    def tokenizer_description(self) -> dict[str, object]:
        """Vocabulary, merges, normalisers, added tokens; not how calls pad or truncate."""
        described = json.loads(self.tokenizer.backend_tokenizer.to_str())
        return {k: v for k, v in described.items() if k not in OF_ONE_CALL}

    @cached_property
    def tokenizer_sha(self) -> str:
        """sha256 over the tokenizer's description, which takes long to make of a large one."""
        text = json.dumps(self.tokenizer_description, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def prompt_format(self) -> str:
        """sha256 over the tokenizer, the chat template, its switches and its date."""
        content = {
            "tokenizer": self.tokenizer_description,
            "special": {k: str(v) for k, v in self.tokenizer.special_tokens_map.items()},
            "template": self.tokenizer.chat_template,
            "template_kwargs": dict(self.template_kwargs),
            "template_date": self.template_date,
            "stops": sorted(self.stop_ids),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return embedding_weight(self.model).device

    @cached_property
    def template(self) -> ChatTemplate:
        """The chat template with its switches and its date."""
        return chat_template(self.tokenizer, self.template_kwargs, self.template_date)

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every id that ends an answer: the generation config's, the tokenizer's, the template's.

        A tokenizer's end of sequence need not be what ends a turn of its own chat template.
        """
        configured = self.model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        own = (self.tokenizer.eos_token_id, self.template.end_of_turn)
        return frozenset(i for i in [*listed, *own] if i is not None)

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
        """Tokens of ``messages``; see :func:`deltamem.backbone.rendering.rendering.render`."""
        return render(
            self.tokenizer,
            messages,
            join=join,
            add_generation_prompt=add_generation_prompt,
            template_kwargs=self.template_kwargs,
            template_date=self.template_date,
        )

    def render_history(self, messages: Messages, *, join: str | None = None) -> Rendered:
        """Tokens of what came before a question; see :func:`render_history`."""
        return render_history(
            self.tokenizer,
            messages,
            join=join,
            template_kwargs=self.template_kwargs,
            template_date=self.template_date,
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated tokens, without stop and special tokens but thinking's, stripped."""
        return self.decode_raw(ids).strip()

    def decode_raw(self, ids: Sequence[int]) -> str:
        """The same with the white space around it."""
        kept = [token for token in ids if token not in self.stop_ids]
        return decode_with_tags(self.tokenizer, kept, tags=self._tags)

    @cached_property
    def _tags(self) -> dict[int, str]:
        return special_tags(self.tokenizer)
