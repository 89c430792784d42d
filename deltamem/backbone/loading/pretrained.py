"""The parts of a pretrained model, each checked: its weights, its tokenizer, its architecture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from deltamem.backbone.loading.hub import pretrained_from_cache_or_hub
from deltamem.backbone.loading.soundness import (
    check_config,
    check_folder,
    check_loaded,
    check_tokenizer,
)
from deltamem.backbone.loading.weight_files import check_weight_files, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["load_config", "load_tokenizer", "pretrained_model"]


def pretrained_model(id: str, *, revision: str | None = None, **options: Any) -> PreTrainedModel:
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


def load_tokenizer(id: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
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


def load_config(id: str, *, revision: str | None = None) -> PreTrainedConfig:
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
