"""Tiny encoders of the kinds that textual memories use, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

SENTENCES = (
    "Today Ada is in Oslo. Today Ben is with Clara.",
    'Caroline said, "Hey Mel! Good to see you!"',
    "DATE: 1:56 pm on 8 May, 2023 CONVERSATION: room 42 is free?",
    "The bus was late; unbelievably, the understatement of 1999.",
) * 10

SPECIALS = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "xlm": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
}
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.5,  # wide, or all words would be of the same weight
}
COMPRESSORS = ("tiny-bert-base-multilingual-cased", "tiny-xlm-roberta-large")


def word_pieces() -> Any:
    """A cased WordPiece tokenizer as BERT has it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing
    from transformers import BertTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=SPECIALS["bert"], show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=False)


def unigrams() -> Any:
    """A Unigram tokenizer as XLM-R has it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=SPECIALS["xlm"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    begin, pad, end, unknown, mask = SPECIALS["xlm"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        unk_token=unknown,
        pad_token=pad,
        mask_token=mask,
        cls_token=begin,
        sep_token=end,
    )


def save(folder: Path, model_class: str, config: Any, tokenizer: Any) -> Path:
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    getattr(transformers, model_class)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text encoder of two layers that takes 64 tokens."""
    from transformers import BertConfig

    tokenizer = word_pieces()
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **SIZES)
    return save(tmp_path_factory.mktemp("encoder") / "tiny", "BertModel", config, tokenizer)


@pytest.fixture(scope="session")
def compressor_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Token classifiers of the two kinds that LLMLingua-2 has, by their names."""
    from transformers import BertConfig, XLMRobertaConfig

    root = tmp_path_factory.mktemp("compressors")
    bert, xlm = (root / name for name in COMPRESSORS)
    pieces, grams = word_pieces(), unigrams()
    save(
        bert,
        "BertForTokenClassification",
        BertConfig(vocab_size=len(pieces), max_position_embeddings=512, num_labels=2, **SIZES),
        pieces,
    )
    save(
        xlm,
        "XLMRobertaForTokenClassification",
        XLMRobertaConfig(
            vocab_size=len(grams),
            max_position_embeddings=514,
            num_labels=2,
            type_vocab_size=1,
            pad_token_id=1,
            **SIZES,
        ),
        grams,
    )
    return lambda name: root / name


@pytest.fixture(params=COMPRESSORS)
def compressor(request: pytest.FixtureRequest, compressor_folder: Callable[[str], Path]) -> str:
    return str(compressor_folder(request.param))
