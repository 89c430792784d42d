"""A LLMLingua-2 token classifier, as the package ``llmlingua`` 0.2.2 runs it, without its habits.

The package's own constructor downloads a tokenizer only to count with it, trusts code from the hub
and reseeds the whole process. Here words are counted by the tokenizer of the model that will read
the text, no remote code runs, and the random numbers of the process go on as if nothing had been
loaded. The compression itself is the package's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deltamem.backbone import Backbone, weight_files
from deltamem.backbone.loading.hub import from_cache_or_hub
from deltamem.backbone.loading.soundness import check_loaded
from deltamem_base.faults import InvalidInput
from deltamem_base.hub import not_fetched
from deltamem_base.quiet import quiet_transformers
from deltamem_baselines.llmlingua2.saving import NAME, TrainedCompressor
from deltamem_baselines.llmlingua2.spelling import (
    BEFORE_LABEL,
    BETWEEN_WORDS,
    changes_spelling,
    kept_of_labels,
    respelt,
)
from deltamem_baselines.retrieval.embedder import weights_sha

if TYPE_CHECKING:
    from llmlingua import PromptCompressor
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "Compression",
    "Compressor",
    "absent_compressor",
    "released_compressor",
    "trained_compressor",
]

FAMILIES = {"xlm-roberta": "xlm-roberta-large", "bert": "bert-base-multilingual-cased"}
"""Kind of encoder -> the part of a model's path by which the package tells where a word begins."""
LENGTHS = (64, 128, 256, 512)
"""Texts are padded to the first of these that holds them; 512 is what the encoders take."""
SPECIALS = 2
FORCED = 100
"""Forced tokens that the package has room for."""


@dataclass(frozen=True, kw_only=True)
class Compression:
    """Settings of the package."""

    rate: float
    """Share of the tokens to keep."""
    force_tokens: Sequence[str]
    """Kept wherever they stand."""
    force_reserve_digit: bool
    """Whether what has a digit is kept."""
    drop_consecutive: bool
    """Whether one is kept of forced tokens that come to stand side by side."""


class Compressor:
    """Keeps the words of a text that matter most, whatever the question."""

    def __init__(self, pipeline: PromptCompressor, settings: Compression) -> None:
        """``pipeline``: the package's object."""
        self._pipeline, self._settings = pipeline, settings
        self._restores = changes_spelling(pipeline.tokenizer)
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
        if self._restores and len(texts) > 1:  # the package labels the words of all texts as one
            return [result for text in texts for result in self._run([text])]
        try:
            found = self._pipeline.compress_prompt_llmlingua2(
                list(texts),
                return_word_label=self._restores,
                word_sep=BETWEEN_WORDS,
                label_sep=BEFORE_LABEL,
                **asdict(self._settings),
            )
        except IndexError as fault:
            if "out of range in self" in str(fault):  # of the encoder's embeddings, not of words
                raise
            if len(texts) == 1:
                return [None]
            return [result for text in texts for result in self._run([text])]
        return (
            [self._restored(texts[0], found)]
            if self._restores
            else list(found["compressed_prompt_list"])
        )

    def _restored(self, text: str, found: Mapping[str, Any]) -> str:
        return respelt(
            text,
            kept_of_labels(found["fn_labeled_original_prompt"]),
            tokenizer=self._pipeline.tokenizer,
            forced=self._settings.force_tokens,
        )

    def _length(self, text: str) -> int:
        """Padding that changes nothing: the package tokenises a text, joins it and does so again.

        Texts of more than one chunk are cut at the encoder's length, as the package cuts them.
        """
        tokenizer = self._pipeline.tokenizer
        for token, stand_in in zip(
            self._settings.force_tokens, self._pipeline.added_tokens, strict=False
        ):
            if len(tokenizer.tokenize(token)) != 1:
                text = text.replace(token, stand_in)
        tokens = tokenizer.tokenize(text)
        again = tokenizer.tokenize(tokenizer.convert_tokens_to_string(tokens))
        needed = max(len(tokens), len(again)) + SPECIALS
        return next((length for length in LENGTHS if needed <= length), LENGTHS[-1])


class _Counter:
    """Stands where the package has OpenAI's tokenizer, of which it only takes lengths."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


def absent_compressor(id: str, *, revision: str | None) -> str | None:
    """The sentence for a compressor whose weights are not on this machine; None where they are."""
    if weight_files(id, revision=revision):
        return None
    return str(_explain(id, FileNotFoundError(), "the folder has no weights"))


def released_compressor(
    id: str, *, revision: str | None, backbone: Backbone, settings: Compression
) -> Compressor:
    """Load a compressor from the hub's cache, the hub or a local folder.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository.
        backbone: whose tokenizer counts; the classifier runs on its device.
        settings: of the package.

    Raises:
        Unavailable: the model is not here.
        InvalidInput: an encoder of another kind, a bad folder, or weights that are not whole.
    """
    pipeline = _pipeline(backbone)
    device = str(backbone.device)

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

    with _random_numbers_kept(), quiet_transformers():
        from_cache_or_hub(load, id, explain=partial(_explain, id), faults=(Exception,))
    return _ready(pipeline, id, settings)


def trained_compressor(
    trained: TrainedCompressor, *, backbone: Backbone, settings: Compression
) -> Compressor:
    """A compressor that was trained here, in the hands of the package.

    Args:
        trained: loaded already; the package looks for nothing.
        backbone: whose tokenizer counts.
        settings: of the package.
    """
    pipeline = _pipeline(backbone)
    pipeline.model, pipeline.tokenizer = trained.model, trained.pieces
    pipeline.device, pipeline.context_idxs = str(backbone.device), []
    pipeline.max_position_embeddings = trained.model.config.max_position_embeddings
    return _ready(pipeline, "", settings)


def _pipeline(backbone: Backbone) -> PromptCompressor:
    """The package's object before it has a model, without its constructor."""
    from llmlingua import PromptCompressor

    pipeline: PromptCompressor = PromptCompressor.__new__(PromptCompressor)
    pipeline.use_llmlingua2 = True
    pipeline.oai_tokenizer = _Counter(backbone.tokenizer)
    return pipeline


def _ready(pipeline: PromptCompressor, id: str, settings: Compression) -> Compressor:
    kind = pipeline.model.config.model_type
    if kind not in FAMILIES:
        raise InvalidInput(
            f"the compressor {id} has an encoder of the kind {kind}, but the package llmlingua "
            f"only reads those of {' and '.join(FAMILIES)}"
        )
    pipeline.model_name = FAMILIES[kind]
    with _random_numbers_kept(), quiet_transformers():
        pipeline.init_llmlingua2(max_force_token=max(FORCED, len(settings.force_tokens)))
    pipeline.model.eval().requires_grad_(False)
    return Compressor(pipeline, settings)


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
        remedy=f"run `hf download {id}` where there is a network, name a folder with "
        f"method.compressor=FOLDER, or train one here with `deltamem train method={NAME}`",
    )
