"""A model that somebody holds already, as a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.loading.fingerprint import fingerprint
from deltamem.backbone.loading.soundness import check_tokenizer, check_vocabulary, window_of
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["as_backbone"]


def as_backbone(
    model: PreTrainedModel | Backbone, tokenizer: PreTrainedTokenizerBase | None = None
) -> Backbone:
    """A model with its tokenizer as a backbone; the model itself is not changed.

    Its weights are hashed once, about a second for each gigabyte.

    Args:
        model: a causal language model of transformers, or a backbone, which is returned as it is.
        tokenizer: that of the model.

    Raises:
        InvalidInput: something that is no such model, weights without values, no tokenizer, or one
            that does not fit.
    """
    if isinstance(model, Backbone):
        return model
    if not all(hasattr(model, name) for name in ("config", "get_decoder", "generate")):
        raise InvalidInput(
            f"{type(model).__name__} is not a causal language model of transformers: "
            "pass what AutoModelForCausalLM.from_pretrained returns, or a Backbone"
        )
    name = str(model.config.name_or_path or type(model).__name__)
    if tokenizer is None:
        raise InvalidInput(f"{name} came without its tokenizer: give it as the next argument")
    check_tokenizer(name, tokenizer)
    check_vocabulary(name, tokenizer, model.config)
    return Backbone(
        model=model,
        tokenizer=tokenizer,
        name=name,
        revision=getattr(model.config, "_commit_hash", None),
        window=window_of(name, model.config),
        fingerprint=fingerprint(model),
    )
