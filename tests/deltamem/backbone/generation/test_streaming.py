"""Streamed pieces are the decoded answer, whatever the tokens and whatever the tokenizer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem.backbone import Backbone, TextStream


def metaspace() -> Any:
    """Words that carry their space as SentencePiece has it, and bytes for all else."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += ["<eos>", "▁Oslo", "▁is", "▁", "é", "日", ".", "▁▁", "x"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


@pytest.fixture(scope="module", params=["byte-level", "metaspace"])
def backbone(request: pytest.FixtureRequest, tiny: Any) -> Any:
    if request.param == "byte-level":
        return tiny
    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=256))
    return Backbone(
        model=model, tokenizer=metaspace(), name="m", revision=None, window=9, fingerprint=""
    )


def pieces_of(backbone: Any, ids: list[int]) -> list[str]:
    told: list[str] = []
    stream = TextStream(backbone, told.append)
    for token in ids:
        stream.push(token)
    stream.close()
    return told


def tokens(backbone: Any) -> st.SearchStrategy[list[int]]:
    """Any tokens; of a tokenizer with byte fallback, bytes that make whole characters."""
    size = len(backbone.tokenizer)
    if backbone.tokenizer.convert_ids_to_tokens(65) != "<0x41>":
        return st.lists(st.integers(0, size - 1) | st.integers(size - 9, size - 1))
    characters = st.characters(exclude_categories=("Cs",)).map(lambda c: list(c.encode()))
    words = st.integers(256, size - 1).map(lambda token: [token])
    return st.lists(characters | words).map(lambda parts: [t for part in parts for t in part])


def test_pieces_are_the_answer(backbone: Any) -> None:
    @settings(max_examples=400)
    @given(tokens(backbone))
    def check(ids: list[int]) -> None:
        told = pieces_of(backbone, ids)
        assert "".join(told) == backbone.decode(ids)
        assert "" not in told

    check()


@settings(max_examples=100)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_no_piece_ends_within_a_character(text: str, tiny: Any) -> None:
    ids = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    told = pieces_of(tiny, ids)
    assert "".join(told) == tiny.decode(ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in told)


def test_pieces_come_as_soon_as_they_can(tiny: Any) -> None:
    told: list[str] = []
    stream = TextStream(tiny, told.append)
    after = []
    for token in tiny.tokenizer(" Oslo  é.", add_special_tokens=False)["input_ids"]:
        stream.push(token)
        after.append("".join(told))
    assert after[0] == "Oslo"
    assert after[-1] == "Oslo  é."
    assert after == sorted(after, key=len)
