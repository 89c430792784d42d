"""LLMLingua-2: what is left out, what stays, and that loading it changes nothing else."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from deltamem import InvalidInput
from deltamem_base.faults import Unavailable
from deltamem_baselines.llmlingua2.llmlingua2 import LLMLingua2
from deltamem_baselines.llmlingua2.verbatim import verbatim
from deltamem_evaluations.sample import Cut, Decoding, History, Prompt

FORCED = ("\n", ".", "?", "!")
SHORT = Decoding(max_new_tokens=2)

TEXTS = (
    "Today Ada is in Oslo. Today Ben is with Clara.",
    "Is room 42 free? The bus was late!\n\nHey Mel, good to see you in 1999.",
    "Caroline said that Mel is late. " * 12,
    "Today room 42 is free. Today Ben is in room 8. " * 70,
)
"""Of every length that is padded alike, the last of several chunks."""


def write(method: LLMLingua2, texts: Any, **own: Any) -> Any:
    messages = tuple(t if isinstance(t, dict) else {"role": "user", "content": t} for t in texts)
    (report,) = method.write([History(messages=messages, join="\n", **own)])
    return report


def contents(method: LLMLingua2) -> list[str]:
    return [message["content"] for message in method.state_dict()["messages"][0]]


def wide(tiny: Any) -> Any:
    return replace(tiny, window=10_000)


def words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in part)


def test_it_keeps_words_in_their_order_and_what_is_forced(tiny: Any, compressor: str) -> None:
    method = LLMLingua2(wide(tiny), compressor=compressor, drop_consecutive=False)
    report = write(method, TEXTS)
    for text, shorter in zip(TEXTS, contents(method), strict=True):
        assert 0 < len(words(shorter)) < len(words(text))
        assert is_subsequence(words(shorter), words(text))
        for sign in FORCED:
            assert shorter.count(sign) == text.strip().count(sign)
    # of the texts without template; the package stays below the rate, but what is forced adds
    before = sum(len(tiny.tokenizer(text).input_ids) for text in TEXTS)
    after = sum(len(tiny.tokenizer(text).input_ids) for text in contents(method))
    assert (report.written_tokens, report.realised_rate) == (after, after / before)
    assert 0.3 < report.realised_rate < 0.65
    assert report.kept_whole == 0
    assert report.shown_tokens < report.original_tokens


def test_a_lower_rate_keeps_less_of_the_same(tiny: Any, compressor: str) -> None:
    shown = []
    for rate in (0.8, 0.5, 0.33):
        method = LLMLingua2(
            wide(tiny), compressor=compressor, rate=rate, force_tokens=(), drop_consecutive=False
        )
        report = write(method, TEXTS[:2])
        assert report.realised_rate <= rate + 0.1  # few words: a single one is a tenth
        shown.append([words(text) for text in contents(method)])
    for more, less in pairwise(shown):
        for whole, part in zip(more, less, strict=True):
            assert len(part) < len(whole)
            assert is_subsequence(part, whole)


def test_digits_can_be_kept(tiny: Any, compressor: str) -> None:
    kept = []
    for force in (False, True):
        method = LLMLingua2(wide(tiny), compressor=compressor, rate=0.33, force_reserve_digit=force)
        write(method, TEXTS)
        kept.append(len(re.findall(r"\d", "".join(contents(method)))))
    digits = len(re.findall(r"\d", "".join(TEXTS)))
    assert kept[0] < kept[1]
    if "bert-base" in Path(compressor).name:  # a tiny unigram word can begin with a bare "▁"
        assert kept[1] == digits


def test_it_is_what_the_package_makes_of_each_text(
    tiny: Any, compressor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package as it is, but for the download: its own constructor and its own padding."""
    import llmlingua.prompt_compressor as package

    class Counter:
        def encode(self, text: str) -> list[int]:
            return list(tiny.tokenizer(text, add_special_tokens=False).input_ids)

    monkeypatch.setattr(package.tiktoken, "encoding_for_model", lambda name: Counter())
    seeds = random.getstate(), np.random.get_state(), torch.get_rng_state()
    original = package.PromptCompressor(
        compressor, "cpu", {"trust_remote_code": False}, use_llmlingua2=True
    )
    random.setstate(seeds[0])
    np.random.set_state(seeds[1])
    torch.set_rng_state(seeds[2])
    os.environ.pop("PYTHONHASHSEED", None)
    wanted = [
        original.compress_prompt_llmlingua2(
            [text], rate=0.5, force_tokens=list(FORCED), drop_consecutive=True
        )["compressed_prompt"].strip()
        for text in TEXTS
    ]
    method = LLMLingua2(wide(tiny), compressor=compressor)
    write(method, TEXTS)
    assert [text.strip() for text in contents(method)] == wanted


def test_texts_without_words_it_knows(tiny: Any, compressor: str) -> None:
    """Blank ones go, as do ones of a single word; those it cannot take stay whole and count."""
    method = LLMLingua2(wide(tiny), compressor=compressor)
    report = write(method, ["", "  \n", "Ω ℵ", "Today Ada is late. Is Ben?"])
    assert "Ω ℵ" not in contents(method) or report.kept_whole == 1
    assert contents(method)[-1].endswith("?")
    if "bert-base" in Path(compressor).name:
        assert contents(method)[0] == "Ω ℵ"
        assert report.kept_whole == 1


def test_titles_speakers_and_dates_stay(tiny: Any, compressor: str) -> None:
    passage = {"role": "user", "content": f"Passage 1 - Ada of Oslo:\n{TEXTS[0]}"}
    passage["title"] = "Ada of Oslo"
    turn = {"role": "user", "content": f"DATE: 8 May\nCaroline said, {TEXTS[0]}"}
    turn |= {"preamble": "DATE: 8 May\n", "speaker": "Caroline"}
    method = LLMLingua2(wide(tiny), compressor=compressor, rate=0.3)
    system = {"role": "system", "content": TEXTS[0]}
    write(method, [system, passage, turn])
    first, second, third = contents(method)
    assert first == TEXTS[0]
    assert second.startswith("Passage 1 - Ada of Oslo")
    assert third.startswith("DATE: 8 May\nCaroline")
    assert len(second) + len(third) < len(passage["content"] + turn["content"]) - 40
    assert method.state_dict()["messages"][0][2]["speaker"] == "Caroline"


def test_what_says_whose_a_text_is() -> None:
    assert verbatim({"content": "Hello"}) == ""
    assert verbatim({"content": "Ben, says Ada", "speaker": "Ada"}) == ""
    assert verbatim({"content": "Text\nof Ada", "title": "Ada"}) == ""
    assert verbatim({"content": "Ada: hi", "speaker": "Ada", "preamble": "DATE\n"}) == "Ada"


def test_rate_one_needs_no_compressor(tiny: Any) -> None:
    method = LLMLingua2(wide(tiny), rate=1.0, compressor="nowhere")
    report = write(method, ["", *TEXTS])
    assert contents(method) == ["", *TEXTS]
    assert report.realised_rate == 1
    assert report.shown_tokens == report.original_tokens
    assert method.describe().settings["compressor_sha"] is None


def test_what_does_not_fit_is_cut_on_the_side_of_the_benchmark(tiny: Any, compressor: str) -> None:
    small = replace(tiny, window=80)
    for side, kept in (("start", "Ben"), ("end", "Ada")):
        method = LLMLingua2(
            small, compressor=compressor, rate=0.9, force_tokens=(".", "Ada", "Ben")
        )
        texts = [f"{name} is late." for name in ["Ada"] * 20 + ["Ben"] * 20]
        report = write(method, texts, cut=Cut(side=side), reserve=20)
        assert report.cut_side == side
        assert report.shown_tokens <= 60
        shown = [m["content"] for m in method.state_dict()["shown"][0]]
        assert all(kept in text for text in shown)
        (answer,) = method.answer([Prompt(question="Who?", history=0, seed=0)], SHORT)
        assert answer.prompt_tokens > report.shown_tokens


def test_the_random_numbers_of_the_process_go_on(tiny: Any, compressor: str) -> None:
    def state() -> tuple[Any, ...]:
        arrays = np.random.get_state()
        return (
            random.getstate(),
            arrays[1].tolist(),
            arrays[2],
            torch.get_rng_state().tolist(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            os.environ.get("PYTHONHASHSEED"),
        )

    before = state()
    method = LLMLingua2(tiny, compressor=compressor)
    assert state() == before
    write(method, TEXTS[:2])
    assert state() == before


def test_what_is_not_here(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="hf download microsoft/llmlingua-2-xlm.*=FOLDER") as e:
        LLMLingua2(tiny)
    assert e.value.exit_code == 4
    with pytest.raises(Unavailable, match="or train one here with `deltamem train method=llmling"):
        LLMLingua2(tiny, compressor="some/model")
    folder = tmp_path / "xlm-roberta-large"
    folder.mkdir()
    with pytest.raises(InvalidInput, match="holds no compressor"):
        LLMLingua2(tiny, compressor=str(folder))


def test_settings_that_do_not_exist(tiny: Any) -> None:
    for rate in (0.0, 1.5):
        with pytest.raises(InvalidInput, match=f"rate is {rate}; use 0.01 to 1"):
            LLMLingua2(tiny, rate=rate)
    with pytest.raises(InvalidInput, match="context is 'none'"):
        LLMLingua2(tiny, context="none", rate=1.0)


def test_the_description_tells_compressors_apart(
    tiny: Any, compressor_folder: Callable[[str], Path]
) -> None:
    names = ("tiny-bert-base-multilingual-cased", "tiny-xlm-roberta-large")
    shas = {
        LLMLingua2(tiny, compressor=str(compressor_folder(name)))
        .describe()
        .deciding["compressor_sha"]
        for name in (*names, *names)
    }
    assert len(shas) == len(names)


def test_a_classifier_that_is_not_whole_is_refused(
    tiny: Any, compressor: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(compressor, tmp_path / Path(compressor).name)
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InvalidInput, match="lack 1 tensors .* drawn at random: classifier.weight"):
        LLMLingua2(tiny, compressor=str(folder))


def test_an_encoder_of_another_kind_is_refused(tiny: Any, compressor: str, tmp_path: Path) -> None:
    """The kind stands in the folder's settings, whatever the folder is called."""
    other = shutil.copytree(compressor, tmp_path / "any-name")
    assert compressed_alike(tiny, compressor, str(other))
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    config = DistilBertConfig(vocab_size=200, dim=32, hidden_dim=64, n_heads=2, n_layers=1)
    DistilBertForTokenClassification(config).save_pretrained(other)
    with pytest.raises(InvalidInput, match="distilbert, but .* only reads those of xlm-roberta"):
        LLMLingua2(tiny, compressor=str(other))


def compressed_alike(tiny: Any, one: str, two: str) -> bool:
    shown = []
    for name in (one, two):
        method = LLMLingua2(wide(tiny), compressor=name)
        write(method, TEXTS)
        shown.append(contents(method))
    return shown[0] == shown[1]
