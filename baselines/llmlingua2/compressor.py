"""The LLMLingua-2 token classifier, as the package ``llmlingua`` 0.2.2 runs it, without its habits.

The package's own constructor downloads a tokenizer only to count with it, trusts code from the hub
and reseeds the whole process. Here words are counted by the tokenizer of the model that will read
the text, no remote code runs, and the random numbers of the process go on as if nothing had been
loaded. The compression itself is the package's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.retrieval.embedder import weights_sha
from deltamem.backbone.loading.hub import from_cache_or_hub
from deltamem.backbone.loading.soundness import check_loaded
from deltamem_base.faults import InvalidInput
from deltamem_base.hub import not_fetched
from deltamem_base.quiet import quiet_transformers

__all__ = ["Compressor", "load_compressor"]

FAMILIES = ("xlm-roberta-large", "bert-base-multilingual-cased")
"""The package tells by these parts of a model's path where a word begins."""
LENGTHS = (64, 128, 256, 512)
"""Texts are padded to the first of these that holds them; 512 is what the encoders take."""
SPECIALS = 2
FORCED = 100
"""Forced tokens that the package has room for."""


class Compressor:
    """Keeps the words of a text that matter most, whatever the question."""

    def __init__(
        self, pipeline: Any, *, rate: float, force_tokens: Sequence[str], **options: bool
    ) -> None:
        """``pipeline``: the package's object; the rest are its settings."""
        self._pipeline, self._rate = pipeline, rate
        self._force_tokens, self._options = list(force_tokens), options
        self.sha = weights_sha(pipeline.model)

    def __call__(self, texts: Sequence[str]) -> list[str | None]:
        """Each text by itself, compressed; None where the package cannot take it.

        It cannot take a text without a word that its tokenizer knows.
        """
        results: list[str | None] = [None if text.strip() else text for text in texts]
        lengths = [self._length(text) if text.strip() else 0 for text in texts]
        with _random_numbers_kept():
            for length in LENGTHS:
                chosen = [i for i, needed in enumerate(lengths) if needed == length]
                self._pipeline.max_seq_len = length
                for i, shorter in zip(chosen, self._run([texts[i] for i in chosen]), strict=True):
                    results[i] = shorter
        return results

    def _run(self, texts: Sequence[str]) -> list[str | None]:
        if not texts:
            return []
        try:
            found = self._pipeline.compress_prompt_llmlingua2(
                list(texts), rate=self._rate, force_tokens=self._force_tokens, **self._options
            )
        except IndexError as fault:
            if "out of range in self" in str(fault):  # of the encoder's embeddings, not of words
                raise
            if len(texts) == 1:
                return [None]
            return [result for text in texts for result in self._run([text])]
        return list(found["compressed_prompt_list"])

    def _length(self, text: str) -> int:
        """Padding that changes nothing: the package tokenises a text, joins it and does so again.

        Texts of more than one chunk are cut at the encoder's length, as the package cuts them.
        """
        tokenizer = self._pipeline.tokenizer
        for token, stand_in in zip(self._force_tokens, self._pipeline.added_tokens, strict=False):
            if len(tokenizer.tokenize(token)) != 1:
                text = text.replace(token, stand_in)
        tokens = tokenizer.tokenize(text)
        again = tokenizer.tokenize(tokenizer.convert_tokens_to_string(tokens))
        needed = max(len(tokens), len(again)) + SPECIALS
        return next((length for length in LENGTHS if needed <= length), LENGTHS[-1])


class _Counter:
    """Stands where the package has OpenAI's tokenizer, of which it only takes lengths."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


def load_compressor(
    id: str,
    *,
    revision: str | None,
    counter: Any,
    device: torch.device | str,
    rate: float,
    force_tokens: Sequence[str],
    **options: bool,
) -> Compressor:
    """Load a compressor from the hub's cache, the hub or a local folder.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository.
        counter: tokenizer of the model that reads the text.
        device: where the classifier runs.
        rate: share of the tokens to keep.
        force_tokens: what is kept wherever it stands.
        options: further settings of the package.

    Raises:
        Unavailable: the model is not here.
        InvalidInput: a name by which the package cannot tell the kind of model, a bad folder, or
            weights that are not whole.
    """
    from llmlingua import PromptCompressor

    if not any(family in id for family in FAMILIES):
        raise InvalidInput(
            f"the compressor is '{id}', and its kind is told by its name: the name must contain "
            + " or ".join(FAMILIES)
        )
    pipeline: Any = PromptCompressor.__new__(PromptCompressor)
    pipeline.model_name, pipeline.use_llmlingua2 = id, True
    pipeline.oai_tokenizer = _Counter(counter)
    with _random_numbers_kept(), quiet_transformers():
        _load(pipeline, id, str(device), revision)
        pipeline.init_llmlingua2(max_force_token=max(FORCED, len(force_tokens)))
    pipeline.model.eval().requires_grad_(False)
    return Compressor(pipeline, rate=rate, force_tokens=force_tokens, **options)


def _load(pipeline: Any, id: str, device: str, revision: str | None) -> None:
    def load(*, local_files_only: bool) -> None:
        options = {
            "trust_remote_code": False,
            "revision": revision,
            "local_files_only": local_files_only,
            "output_loading_info": True,
        }
        pipeline.load_model(id, device, options)
        pipeline.model, info = pipeline.model
        check_loaded(id, {**info, "unexpected_keys": ()})  # heads of what it was made from

    from_cache_or_hub(load, id, explain=partial(_explain, id), faults=(OSError, ValueError))


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """The package seeds python, numpy, torch and cuDNN with 42; put back what there was."""
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    hashing = os.environ.get("PYTHONHASHSEED")
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_rng_state(tensors)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        os.environ.pop("PYTHONHASHSEED", None)
        if hashing is not None:
            os.environ["PYTHONHASHSEED"] = hashing


def _explain(id: str, fault: Exception, why: str) -> Exception:
    if Path(id).is_dir():
        return InvalidInput(f"the folder {id} holds no compressor that can be loaded: {why}")
    return not_fetched(
        f"the compressor {id}",
        why,
        remedy=f"run `hf download {id}` where there is a network, or name a folder with "
        "method.compressor=FOLDER",
    )
