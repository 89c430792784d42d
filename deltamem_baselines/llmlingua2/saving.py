"""A trained compressor as a folder: that of a trained baseline, and one that others can load.

baseline.json          what every trained baseline says of itself, the sizes, what was measured
model.safetensors      the weights, by the names of transformers' ``BertForTokenClassification``
config.json, tokenizer.json, tokenizer_config.json     for the package ``llmlingua``
README.md              the card
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from deltamem.backbone import Backbone
from deltamem.backbone.loading.placement import on_device
from deltamem_base.typed_json import typed
from deltamem_base.whole_files import write_json, write_text
from deltamem_baselines.llmlingua2.encoder import (
    PIECES_CONFIG,
    TOKENIZER,
    Shape,
    classifier,
    read_pieces,
)
from deltamem_baselines.trained.weights import MODEL, SETTINGS, load_weights, save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["NAME", "Learnt", "Start", "TrainedCompressor", "load_trained", "save_compressor"]

NAME = "llmlingua2"
Start = Literal["pretrained", "scratch"]
"""Beginning of a training: from an encoder that knows the language, or from nothing."""
FOR_THE_PACKAGE = (
    "the package llmlingua tells a kind of model by its path: a copy of this folder loads there as "
    "…/bert-base-multilingual-cased"
)


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """How a compressor was trained, and what came of it on text that it never saw."""

    start: Start
    kept: float
    """Share of the words of a text that its teacher keeps."""
    retention: float | None
    """Share of the words that it keeps by itself; None where no text was held out."""
    agreement: float | None
    """Share of the words on which it decides as its teacher does; None likewise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedCompressor:
    """A compressor that was trained here, loaded."""

    model: PreTrainedModel
    pieces: PreTrainedTokenizerBase
    """Tokenizer of the classifier."""
    learnt: Learnt
    sha: str
    """sha256 of the stored weights."""
    pieces_sha: str
    """sha256 of the stored word pieces."""
    parameters: int


def save_compressor(
    model: PreTrainedModel,
    pieces: PreTrainedTokenizerBase,
    folder: Path,
    *,
    shape: Shape,
    learnt: Learnt,
    backbone: Backbone,
    card: Mapping[str, object],
) -> Path:
    """Write ``folder``; the card comes last.

    Args:
        model: the classifier.
        pieces: its tokenizer.
        folder: made where it is missing.
        shape: the classifier's sizes.
        learnt: how it was trained.
        backbone: its teacher.
        card: facts for the card.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    write_text(folder / "config.json", model.config.to_json_string())
    write_text(folder / TOKENIZER, pieces.backend_tokenizer.to_str(pretty=True))
    write_json(folder / "tokenizer_config.json", PIECES_CONFIG)
    return save_weights(
        model,
        folder,
        method=NAME,
        settings=asdict(shape),
        backbone=backbone,
        card={**asdict(learnt), **card, "elsewhere": FOR_THE_PACKAGE},
        learnt=asdict(learnt),
        file=MODEL,
    )


def load_trained(folder: str, backbone: Backbone) -> TrainedCompressor:
    """Read what :func:`save_compressor` wrote.

    Raises:
        Unavailable: the folder holds no weights.
        InvalidInput: weights of another method or backbone, or damaged files.
    """
    weights = load_weights(folder, method=NAME, backbone=backbone)
    file = str(weights.folder / SETTINGS)
    shape = typed(weights.settings, Shape, where=file)
    learnt = typed(weights.learnt, Learnt, where=file)
    with torch.device("meta"):  # sizes that are not the file's would take any amount of memory
        weights.check(classifier(shape))
    model = weights.make(lambda _, **sizes: classifier(shape), None)
    return TrainedCompressor(
        model=on_device(model, backbone.device).eval(),
        pieces=read_pieces(weights.folder, vocabulary=shape.vocabulary),
        learnt=learnt,
        sha=weights.sha,
        pieces_sha=hashlib.sha256((weights.folder / TOKENIZER).read_bytes()).hexdigest(),
        parameters=sum(weight.numel() for weight in model.parameters()),
    )
