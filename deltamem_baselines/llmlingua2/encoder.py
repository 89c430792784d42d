"""The compressor's network and its word pieces: a BERT encoder with a head that keeps or drops.

    pretrained   the encoder of a folder, all-MiniLM-L6-v2 where none is named, or its first layers
    scratch      a small one; its word pieces are the words and letters of the training text

What is saved is a folder of transformers' ``BertForTokenClassification``, the kind of model that
the released LLMLingua-2 classifiers are. It is read here by its tensors alone: no class is looked
up by a name in the folder, and nothing in it is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Interval
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from deltamem_base.faults import InvalidData, InvalidInput, first_line
from deltamem_base.json_text import parse_json, read_text
from deltamem_base.typed_json import typed

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertForTokenClassification, PreTrainedTokenizerFast

__all__ = [
    "MINILM",
    "PIECES_CONFIG",
    "SMALL",
    "TOKENIZER",
    "Shape",
    "classifier",
    "new_pieces",
    "pretrained_tensors",
    "read_pieces",
    "stored_shape",
]

TOKENIZER = "tokenizer.json"
PAD, UNKNOWN, BEGIN, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIALS = (PAD, UNKNOWN, BEGIN, END, MASK)
PIECES_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": PAD,
    "unk_token": UNKNOWN,
    "cls_token": BEGIN,
    "sep_token": END,
    "mask_token": MASK,
}
"""Content of ``tokenizer_config.json``, for transformers."""
CONTINUES = "##"
INSIDE = "bert."
"""Prefix of the encoder's tensors in a model with a head."""
POOLER = "pooler."
LABELS = {0: "drop", 1: "keep"}
"""Labels of a word, in the order in which the package reads them."""
SEEN = 2
"""Times that a word has to stand in the text to be a piece of its own."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a BERT encoder."""

    vocabulary: Annotated[int, Interval(ge=1, le=2**20)]
    width: Annotated[int, Interval(ge=1, le=2**13)]
    layers: Annotated[int, Interval(ge=1, le=2**7)]
    heads: Annotated[int, Interval(ge=1, le=2**7)]
    inner: Annotated[int, Interval(ge=1, le=2**15)]
    positions: Annotated[int, Interval(ge=8, le=2**15)]


MINILM = Shape(vocabulary=30_522, width=384, layers=6, heads=12, inner=1536, positions=512)
"""all-MiniLM-L6-v2."""
SMALL = Shape(vocabulary=2048, width=128, layers=2, heads=4, inner=512, positions=512)
"""The encoder that starts from nothing."""
KEYS = {
    "vocab_size": "vocabulary",
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "inner",
    "max_position_embeddings": "positions",
}
"""The names of transformers for these sizes."""


def classifier(shape: Shape) -> BertForTokenClassification:
    """A token classifier without dropout, its weights drawn from the process's random numbers.

    Raises:
        InvalidInput: a width that the heads cannot share.
    """
    from transformers import BertConfig, BertForTokenClassification

    if shape.width % shape.heads:
        raise InvalidInput(f"an encoder {shape.width} wide cannot have {shape.heads} heads")
    sizes = {name: getattr(shape, own) for name, own in KEYS.items()}
    config = BertConfig(
        **sizes,
        id2label=LABELS,
        label2id={label: i for i, label in LABELS.items()},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=SPECIALS.index(PAD),
        architectures=["BertForTokenClassification"],
    )
    return BertForTokenClassification(config)


def stored_shape(folder: Path) -> Shape:
    """The sizes that the ``config.json`` of an encoder says.

    Raises:
        InvalidInput: another kind of model, or a size that is missing or out of range.
    """
    file = folder / "config.json"
    content = parse_json(read_text(file), where=str(file))
    if not isinstance(content, dict) or content.get("model_type") != "bert":
        raise InvalidInput(f"{file} is not of a BERT encoder; name a folder that holds one")
    sizes = {own: content[name] for name, own in KEYS.items() if name in content}
    return typed(sizes, Shape, where=str(file))


def pretrained_tensors(folder: Path, shape: Shape) -> Mapping[str, Tensor]:
    """The encoder's tensors of a folder, under their names in a classifier, as float32.

    Args:
        folder: with ``model.safetensors``.
        shape: how many of its layers are wanted, and how large they have to be.

    Raises:
        InvalidInput: damaged weights, or tensors that are missing or of another shape.
    """
    try:
        stored = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as fault:
        raise InvalidInput(
            f"{folder} holds no encoder that can be read: {first_line(fault)}"
        ) from fault
    own = {INSIDE + name.removeprefix(INSIDE): tensor.float() for name, tensor in stored.items()}
    with torch.device("meta"):
        wanted = classifier(shape).state_dict()
    for name, tensor in wanted.items():
        if name.startswith(INSIDE) and (name not in own or own[name].shape != tensor.shape):
            found = f"is {tuple(own[name].shape)}" if name in own else "is missing"
            raise InvalidInput(f"{folder}: {name} {found}; it must be {tuple(tensor.shape)}")
    return {name: own[name] for name in wanted if name in own}


def read_pieces(folder: Path, *, vocabulary: int) -> PreTrainedTokenizerFast:
    """The word-piece tokenizer of a folder, without its settings for cutting and padding.

    Args:
        folder: with ``tokenizer.json``.
        vocabulary: how many pieces the encoder has embeddings of.

    Raises:
        InvalidInput: none there, a damaged one, one without BERT's special tokens, or of another
            vocabulary.
    """
    from tokenizers import Tokenizer

    file = folder / TOKENIZER
    try:
        read = Tokenizer.from_str(read_text(file))
    except InvalidData:
        raise
    except Exception as fault:  # tokenizers raises bare exceptions of files that do not fit
        raise InvalidInput(
            f"{file} holds no tokenizer that can be read: {first_line(fault)}"
        ) from fault
    known = read.get_vocab(with_added_tokens=False)
    missing = [token for token in SPECIALS if token not in known]
    if missing:
        raise InvalidInput(
            f"{file} has no {missing[0]}: a BERT tokenizer has {', '.join(SPECIALS)}"
        )
    count = read.get_vocab_size(with_added_tokens=True)
    numbers = set(read.get_vocab(with_added_tokens=True).values())
    if numbers != set(range(count)) or count > vocabulary:
        raise InvalidInput(
            f"{file} has {count} word pieces with ids up to {max(numbers)}, but the encoder has "
            f"{vocabulary}, with ids from 0: one of the two belongs to another model"
        )
    read.no_truncation()
    read.no_padding()
    return _fast(read)


def new_pieces(texts: Iterable[str], *, size: int) -> PreTrainedTokenizerFast:
    """A cased word-piece tokenizer of a text: its letters, and the words that it repeats.

    A function of the text alone.

    Args:
        texts: what it is made from.
        size: pieces at most, special ones included.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    splitter, words = pre_tokenizers.BertPreTokenizer(), Counter[str]()
    for text in texts:
        words.update(word for word, _ in splitter.pre_tokenize_str(text))
    letters = sorted({letter for word in words for letter in word})
    pieces = [*SPECIALS, *letters, *(CONTINUES + letter for letter in letters)]
    often = sorted((w for w, n in words.items() if n >= SEEN), key=lambda w: (-words[w], w))
    known = list(dict.fromkeys([*pieces, *often]))[:size]
    made = Tokenizer(models.WordPiece({p: i for i, p in enumerate(known)}, unk_token=UNKNOWN))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = splitter
    made.decoder = decoders.WordPiece()
    made.add_special_tokens(list(SPECIALS))
    return _fast(made)


def _fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    names = {key: token for key, token in PIECES_CONFIG.items() if key.endswith("_token")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
