"""How a GGUF file's tokenizer cuts a text into words before its merges apply.

The file only names the rule (``tokenizer.ggml.pre``). transformers knows some of the names and
takes GPT-2's rule for every other one, so that blanks before a digit, for example, become tokens
that the model never saw there. A name that is known neither there nor here is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["set_word_rule"]

BYTE_PAIRS = "gpt2"
"""Kind of tokenizer to which the rule belongs."""
BY_DIGIT = ("smollm", "starcoder", "refact", "command-r")
"""Names of GPT-2's rule after every digit has been cut off; see llama.cpp, src/llama-vocab.cpp."""
AS_GPT2 = ("gpt-2", "phi-2", "olmo", "mpt")
"""Names of GPT-2's rule itself."""


def set_word_rule(
    path: Path, tokenizer: PreTrainedTokenizerBase, *, kind: str | None, rule: str | None
) -> None:
    """Give a tokenizer the rule that its file names.

    Args:
        path: of the file, for a sentence.
        tokenizer: as transformers made it; changed in place.
        kind: what the file says of its kind, ``tokenizer.ggml.model``.
        rule: what the file says of the rule, ``tokenizer.ggml.pre``.

    Raises:
        InvalidInput: a rule that is not known.
    """
    from tokenizers import pre_tokenizers as rules

    if kind != BYTE_PAIRS:
        return
    gpt2 = rules.ByteLevel(add_prefix_space=False, use_regex=True)
    backend = tokenizer.backend_tokenizer
    if rule in BY_DIGIT:
        backend.pre_tokenizer = rules.Sequence([rules.Digits(individual_digits=True), gpt2])
    elif rule not in AS_GPT2 and _rule_of(backend) == _plain(gpt2):
        raise InvalidInput(
            f"{path} cuts text into words by the rule '{rule}' (tokenizer.ggml.pre), "
            "which is not supported: use the model's safetensors files with model.id=ID"
        )


def _rule_of(backend: Any) -> Any:
    return json.loads(backend.to_str())["pre_tokenizer"]


def _plain(rule: Any) -> Any:
    return json.loads(rule.__getstate__())
