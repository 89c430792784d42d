"""Whether a model's files fit each other: what would end in a traceback or in a wrong number.

Every check looks at what is loaded already and raises one sentence. Loading a backbone runs all of
them, and so does :func:`deltamem.backbone.model_faults`, which loads no weight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem.backbone.loading.weight_files import refuse_pointers
from deltamem_base.faults import InvalidInput, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

__all__ = [
    "check_config",
    "check_folder",
    "check_loaded",
    "check_tokenizer",
    "check_vocabulary",
    "window_of",
]

PROBE = "Where is Ada today?"
"""Text of which every tokenizer of a language model makes tokens."""
NAMED = 3
"""Tensors that a sentence names of those that are wrong."""


def check_folder(id: str) -> None:
    """Refuse a folder with pointers in place of files, or with weights that belong to others.

    Raises:
        InvalidInput: with the first such file; a hub id is let pass.
    """
    folder = Path(id)
    if not folder.is_dir():
        return
    refuse_pointers(sorted(p for p in folder.iterdir() if p.suffix != ".safetensors"))
    if (folder / "adapter_config.json").is_file():
        raise InvalidInput(
            f"{folder} holds a PEFT adapter (adapter_config.json): merge it into its model with "
            "PEFT's merge_and_unload and name the merged folder"
        )


def check_config(id: str, config: PreTrainedConfig) -> None:
    """Refuse settings with which no model can be made, or none that can be used here.

    Raises:
        InvalidInput: a padding id beyond the vocabulary, weights in files of another name, or an
            architecture without a window.
    """
    for part in (config, config.get_text_config()):
        pad, rows = getattr(part, "pad_token_id", None), getattr(part, "vocab_size", None)
        if isinstance(pad, int) and isinstance(rows, int) and not -rows <= pad < rows:
            raise InvalidInput(
                f"the config.json of {id} has pad_token_id {pad}, but the vocabulary has only "
                f"{rows} tokens: correct it there"
            )
    if getattr(config, "transformers_weights", None) is not None:
        raise InvalidInput(
            f"the config.json of {id} has its weights in {config.transformers_weights} "
            "(transformers_weights): save the model again, so that they are in "
            "model.safetensors"
        )
    window_of(id, config)


def window_of(id: str, config: PreTrainedConfig) -> int:
    """How many tokens a model attends to.

    Raises:
        InvalidInput: its architecture has no such limit, for it is no transformer.
    """
    text = config.get_text_config()
    window = getattr(text, "max_position_embeddings", None)
    if not isinstance(window, int) or window < 1:
        raise InvalidInput(
            f"{id} is of the architecture {text.model_type}, whose configuration states "
            "no context length (max_position_embeddings): use a transformer with "
            "separate q_proj, k_proj, v_proj and o_proj"
        )
    return window


def check_tokenizer(id: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that makes no tokens, or whose chat template cannot be chosen.

    Raises:
        InvalidInput: no fast tokenizer, an empty one, or named templates without a default.
    """
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise InvalidInput(
            f"{id} has no fast tokenizer (tokenizer.json): save one there with "
            "save_pretrained of its AutoTokenizer"
        )
    try:
        tokens = tokenizer(PROBE, add_special_tokens=False).input_ids
    except Exception as fault:  # its settings are text of anybody's, and it checks none of them
        raise InvalidInput(
            f"the tokenizer of {id} cannot tokenise a text ({first_line(fault)}): put "
            "its own tokenizer.json and tokenizer_config.json there"
        ) from fault
    if not tokens:
        raise InvalidInput(
            f"{id} has no tokenizer that can tokenise a text: put its tokenizer.json "
            "and tokenizer_config.json there"
        )
    named = tokenizer.chat_template
    if isinstance(named, Mapping) and "default" not in named:
        raise InvalidInput(
            f"the tokenizer of {id} has chat templates called {', '.join(sorted(named))} and none "
            "called default: write the one to use into chat_template.jinja"
        )


def check_vocabulary(id: str, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    """Refuse a tokenizer whose tokens have no embedding.

    Some released models name a few tokens beyond it that no text contains; these are let pass.

    Raises:
        InvalidInput: the padding token, the vocabulary or the chat template goes beyond it.
    """
    rows = config.get_text_config().vocab_size
    pad = tokenizer.pad_token_id
    if pad is not None and pad >= rows:
        raise InvalidInput(
            f"the tokenizer of {id} pads with {tokenizer.pad_token} (id {pad}), and the model has "
            f"embeddings of {rows} tokens: name another pad_token in tokenizer_config.json"
        )
    largest = max([tokenizer.vocab_size - 1, *_prompt(tokenizer)])
    if largest >= rows:
        raise InvalidInput(
            f"the tokenizer of {id} makes tokens up to id {largest}, and its "
            f"config.json has a vocab_size of {rows}: one of the two belongs to another "
            "model"
        )


def _prompt(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens of a short prompt by the chat template; none without one, or if it refuses."""
    from jinja2 import TemplateError

    with suppress(TemplateError, ValueError, TypeError):
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": PROBE}], tokenize=False, add_generation_prompt=True
        )
        ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return ids
    return []


def check_loaded(id: str, info: Mapping[str, Any]) -> None:
    """Refuse a model with weights that are not those of its files.

    Args:
        id: hub id or folder.
        info: what transformers reports with ``output_loading_info``; buffers that it knows to be in
            old files are not among its unexpected keys.

    Raises:
        InvalidInput: tensors that are missing and would be drawn at random, that nothing takes, or
            that have another shape.
    """
    for differing, sentence in (
        ("missing_keys", "lack {} tensors of its architecture, which would be drawn at random"),
        ("unexpected_keys", "hold {} tensors that its architecture does not take"),
    ):
        if info[differing]:
            raise InvalidInput(
                f"the weights of {id} {sentence.format(len(info[differing]))}: "
                + _first(info[differing])
            )
    if info["mismatched_keys"]:
        shapes = [
            f"{name} is {tuple(stored)} instead of {tuple(wanted)}"
            for name, stored, wanted in info["mismatched_keys"]
        ]
        raise InvalidInput(
            f"the weights of {id} have other shapes than its config.json says in {len(shapes)} "
            f"tensors: {_first(shapes)}"
        )
    if info.get("error_msgs"):
        raise InvalidInput(f"the weights of {id} cannot be loaded: {info['error_msgs'][0]}")


def _first(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and others"
