"""MemoryBank: the curve of forgetting, days and their summaries, dense retrieval, reinforcement."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from deltamem import InvalidInput
from deltamem_base.assets.catalogue import MINILM
from deltamem_base.faults import Unavailable
from deltamem_baselines.memorybank.days import (
    Document,
    Segmentation,
    make_days,
    make_documents,
    neighbours,
)
from deltamem_baselines.memorybank.forgetting import Forgetting, Strength, day_numbers, retention
from deltamem_baselines.memorybank.memorybank import MemoryBank
from deltamem_baselines.memorybank.summaries import DAY, Summariser
from deltamem_baselines.retrieval.embedder import load_embedder
from deltamem_baselines.retrieval.units import shown, split_units
from deltamem_evaluations.sample import Decoding, History, Prompt

CLOSE = 1e-6
"""Float32 means of a few hundred hidden values in another order or with other padding."""
SHORT = Decoding(max_new_tokens=2)
SMALL = {"summary_tokens": 12}

DATES = ("8 May, 2023", "9 May, 2023", "20 May, 2023")
PLACES = (("Oslo", "Rome", "Bern", "Kiel"), ("Lima", "Doha"), ("Bari", "Cork", "Lyon"))
SYSTEM = {"role": "system", "content": "Be brief."}


def talk() -> list[dict[str, str]]:
    """Three dated sessions of four, two and three turns."""
    messages = []
    for number, (date, places) in enumerate(zip(DATES, PLACES, strict=True), 1):
        preamble = f"DATE: 1:56 pm on {date}\nCONVERSATION:\n"
        for i, place in enumerate(places):
            name = "AB"[i % 2]
            messages.append(
                {
                    "role": "user",
                    "content": f"{'' if i else preamble}{name}: Today {name} is in {place}.",
                    "speaker": name,
                    "session": str(number),
                    "preamble": preamble,
                }
            )
    return messages


def bank(tiny: Any, encoder: Path, messages: Sequence[Any] | None = None, **own: Any) -> MemoryBank:
    made = MemoryBank(tiny, embedder=str(encoder), **{**SMALL, **own})
    made.write([History(messages=(SYSTEM, *(messages or talk())), join="\n")])
    return made


def prompt(question: str) -> Prompt:
    return Prompt(question=question, history=0, seed=0)


def seen(made: MemoryBank, question: str) -> str:
    ids, _, _ = made.fit(prompt(question), SHORT)
    text: str = made.backbone.tokenizer.decode(ids)
    return text


# forgetting


@given(st.floats(0, 50), st.floats(0.01, 50), st.integers(1, 9))
def test_retention_falls_with_time_and_rises_with_strength(
    days: float, more: float, strength: int
) -> None:
    assert retention(0, strength) == 1
    now = retention(days, strength)
    assert retention(days + more, strength) <= now <= retention(days, strength + 1)
    assert retention(days, strength, time_scale=5) >= now


def test_the_published_code_forgets_the_strong_sooner() -> None:
    weak, strong = (round(retention(7, s, decay="legacy"), 3) for s in (1, 3))
    assert (weak, strong) == (0.247, 0.015)
    weak, strong = (round(retention(7, s), 4) for s in (1, 3))
    assert (weak, strong) == (0.0009, 0.097)


def test_as_many_are_forgotten_as_the_curve_says() -> None:
    forgets = Forgetting(time_scale=5, seed=3)
    kept = [forgets.keeps(f"memory {i}", Strength(last=0), now=4) for i in range(10_000)]
    error = 4 * (0.25 / 10_000) ** 0.5  # four standard errors of a share, at most
    assert abs(sum(kept) / len(kept) - retention(4, 1, time_scale=5)) < error


def test_what_is_forgotten_stays_forgotten() -> None:
    forgets = Forgetting(time_scale=5)
    for i in range(200):
        kept = [forgets.keeps(f"{i}", Strength(last=0), now=day) for day in range(12)]
        assert kept == sorted(kept, reverse=True)
        assert kept[0]
    other = Forgetting(time_scale=5, seed=1)
    ids = [f"{i}" for i in range(50)]
    draws = [[f.keeps(i, Strength(last=0), now=4) for i in ids] for f in (forgets, other)]
    assert draws[0] != draws[1]


def test_a_recall_makes_stronger_and_fresh() -> None:
    assert Strength(last=3).recalled(8) == Strength(last=8, strength=2)


def test_when_days_were() -> None:
    labels = ["DATE: 1:56 pm on 8 May, 2023", "on 2023-05-10", "May 21st 2023", "2023/6/1 (Thu)"]
    first, *rest = day_numbers(labels, [None] * 4)
    assert [number - first for number in rest] == [2, 13, 24]
    assert day_numbers(["Day 1", "8 May 2023"], ["4", "2"]) == [4, 2]
    assert day_numbers(["Day 1", "31 June 2023"], ["a", None]) == [0, 1]
    with pytest.raises(InvalidInput, match="decay is 'fast'; choose one of paper, legacy"):
        Forgetting(decay="fast")
    with pytest.raises(InvalidInput, match="time_scale is 0"):
        Forgetting(time_scale=0)


# the embedder


def test_vectors_are_means_over_tokens(encoder_folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    embed = load_embedder(str(encoder_folder), device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder)
    model = AutoModel.from_pretrained(encoder_folder).eval()
    texts = ["Today Ada is in Oslo.", "", "The bus was late. " * 3]
    vectors = embed(texts)
    with torch.no_grad():
        for text, vector in zip(texts, vectors, strict=True):
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            wanted = torch.nn.functional.normalize(hidden.mean(0), dim=0)
            torch.testing.assert_close(vector, wanted, atol=CLOSE, rtol=CLOSE)
    assert embed([]).shape[0] == 0


def test_long_texts_are_read_to_their_end(encoder_folder: Path) -> None:
    """In windows of 64 tokens with the encoder's special ones, averaged over all tokens."""
    embed = load_embedder(str(encoder_folder), device="cpu")
    text = " ".join(["late"] * 150)
    ids = embed.tokenizer(text, add_special_tokens=False).input_ids
    assert len(ids) > 2 * 62
    hidden = []
    with torch.no_grad():
        for start in range(0, len(ids), 62):
            row = torch.tensor([[2, *ids[start : start + 62], 3]])
            hidden.append(embed.model(input_ids=row).last_hidden_state[0])
    wanted = torch.nn.functional.normalize(torch.cat(hidden).mean(0), dim=0)
    torch.testing.assert_close(embed([text])[0], wanted, atol=CLOSE, rtol=CLOSE)
    other = embed([text + " Oslo"])[0]
    assert not torch.allclose(other, wanted, atol=1e-4)


def test_embedders_that_are_not_here(
    encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Unavailable, match="run `deltamem fetch model=minilm`") as fault:
        load_embedder(None, device="cpu")
    assert fault.value.exit_code == 4
    with pytest.raises(Unavailable, match="the embedder nowhere is not a folder"):
        load_embedder("nowhere", device="cpu")
    with pytest.raises(InvalidInput, match="holds no text encoder"):
        load_embedder(str(tmp_path), device="cpu")
    folder = shutil.copytree(encoder_folder, tmp_path / "partial")
    tensors = load_file(encoder_folder / "model.safetensors")
    pooled = [name for name in tensors if name.startswith("pooler.")]
    save_file({n: w for n, w in tensors.items() if n not in pooled}, folder / "model.safetensors")
    assert load_embedder(str(folder), device="cpu")(["Oslo"]).shape[0] == 1
    query = "encoder.layer.0.attention.self.query.weight"
    save_file({n: w for n, w in tensors.items() if n != query}, folder / "model.safetensors")
    with pytest.raises(InvalidInput, match=f"lack 1 tensors .* drawn at random: {query}"):
        load_embedder(str(folder), device="cpu")


def test_another_encoder_in_the_place_of_the_released_one(
    encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(encoder_folder, MINILM.place)
    with pytest.raises(Unavailable, match="damaged .*: run `deltamem fetch model=minilm` again"):
        load_embedder(None, device="cpu")


# days and documents


def starts(text: str) -> list[int]:
    """Every word is a token."""
    return [i for i, c in enumerate(text) if c != " " and (i == 0 or text[i - 1] == " ")]


def days_of(messages: Any, **sizes: int) -> Any:
    segments = Segmentation(**{"day_tokens": 12, "document_tokens": 6, **sizes})
    return make_days(messages, segments, token_starts=starts)


def test_a_session_is_a_day_and_its_pairs_are_documents() -> None:
    days = days_of(talk(), document_tokens=50)
    assert [len(day.units) for day in days] == [2, 1, 2]
    assert [day.number - days[0].number for day in days] == [0, 1, 12]
    assert days[1].label == "DATE: 1:56 pm on 9 May, 2023"
    documents = make_documents(talk(), days, ["one", "", "three"])
    texts = [document.text for document in documents]
    assert texts[0] == "DATE: 1:56 pm on 8 May, 2023\nSummary: one"
    assert texts[2] == (
        "DATE: 1:56 pm on 8 May, 2023\nCONVERSATION:\nA: Today A is in Bern.\n"
        "B: Today B is in Kiel."
    )
    assert [document.day for document in documents] == [0, 0, 0, 1, 2, 2, 2]


def test_days_of_other_histories() -> None:
    assert days_of([]) == []
    passages = [{"role": "user", "content": "a b c d e f g", "title": "a"}] * 3
    (only,) = days_of(passages)
    assert len(only.units) == 3
    assert not only.text
    dialogue = [{"role": r, "content": "a b c"} for r in ("user", "assistant") * 5]
    days = days_of(dialogue)
    assert [len(day.units) for day in days] == [2, 2, 1]
    assert all(day.paired for day in days)
    text = [{"role": "user", "content": "a b. " * 10}, {"role": "user", "content": "c d."}]
    days = days_of(text)
    assert [len(day.units) for day in days] == [4, 1]
    assert [day.label for day in days] == ["Day 1", "Day 2"]
    assert not any(day.paired for day in days)


def test_neighbours_of_a_hit() -> None:
    unit: Any = object()
    made = [
        Document(day=d, text=t, unit=unit) for d, t in zip([0, 0, 0, 0, 1], "abcde", strict=True)
    ]
    made.insert(0, Document(day=0, text="s"))
    alive = [True] * 6

    def around(hit: int, *, chars: int, gone: Sequence[int] = ()) -> list[int]:
        return neighbours(made, hit, alive=[i not in gone for i in range(6)], chars=chars)

    assert around(2, chars=2) == [2, 3]
    assert around(2, chars=3) == [2, 3, 1]
    assert around(2, chars=99) == [2, 3, 1, 4]
    assert around(2, chars=99, gone=[3]) == [2, 1]
    assert around(5, chars=99) == [5]
    assert around(2, chars=0) == [2]
    assert len(alive) == len(made)


# the method


def test_ranking_is_by_cosine(tiny: Any, encoder_folder: Path) -> None:
    made = bank(tiny, encoder_folder, summaries=False, k=3, neighbour_chars=0)
    embed = load_embedder(str(encoder_folder), device="cpu")
    days = make_days(talk(), Segmentation(), token_starts=made.token_starts)
    texts = [d.text for d in make_documents(talk(), days, [""] * 3)]
    for question in ("Where is A?", "Kiel", "Today B is in Doha. The bus was late."):
        query = embed([question])[0]
        likeness = [float(torch.dot(query, embed([text])[0])) for text in texts]
        best = sorted(sorted(range(len(texts)), key=lambda i: -likeness[i])[:3])
        recalled = made.recall(0, question)
        text = " ".join(message["content"] for message in recalled.show(recalled.count))
        places = [word for group in PLACES for word in group if word in text]
        wanted = [w for g in PLACES for w in g if any(w in texts[i] for i in best)]
        assert places == wanted
        assert "Summary" not in text


def test_a_planted_text_is_found_and_dated(tiny: Any, encoder_folder: Path) -> None:
    made = bank(tiny, encoder_folder, summaries=False, k=1, neighbour_chars=0)
    text = seen(
        made,
        "DATE: 1:56 pm on 9 May, 2023 CONVERSATION: A: Today A is in Lima. B: Today B is in Doha.",
    )
    assert (
        "<|im_start|>user\nDATE: 1:56 pm on 9 May, 2023\nCONVERSATION:\nA: Today A is in Lima."
        in text
    )
    assert "Oslo" not in text
    assert "Cork" not in text


def test_the_prompt(tiny: Any, encoder_folder: Path) -> None:
    """Overview, then day by day its summary and its turns, then the question."""
    made = bank(tiny, encoder_folder, k=8)
    state = made.state_dict()
    days = [day.text for day in days_of(talk(), document_tokens=50)]
    notes = [state["summaries"][text] for text in days]
    (overview,) = [s for text, s in state["summaries"].items() if text not in days]
    assert all(notes)
    content = f"Summary of all days: {overview}"
    messages = talk()
    for date, note, number in zip(DATES, notes, "123", strict=True):
        own = [m["content"] for m in messages if m["session"] == number]
        content += f"\nDATE: 1:56 pm on {date}\nSummary: {note}\n" + "\n".join(own)
    wanted = tiny.render(
        [SYSTEM, {"role": "user", "content": f"{content}\nWhere is A?"}], add_generation_prompt=True
    )
    assert seen(made, "Where is A?") == wanted.text


def test_summaries_that_a_day_and_a_history_have(tiny: Any, encoder_folder: Path) -> None:
    one = bank(tiny, encoder_folder, talk()[:4])
    (note,) = one.state_dict()["summaries"].values()
    text = seen(one, "Where is A?")
    assert text.count("Summary") == text.count(f"Summary of all days: {note}") == 1
    passages = [{"role": "user", "content": f"{t} is here.", "title": t} for t in "abc"]
    assert not bank(tiny, encoder_folder, passages).state_dict()["summaries"]
    off = bank(tiny, encoder_folder, summaries=False)
    assert not off.state_dict()["summaries"]
    assert off.describe().settings["summary_tokens"] == 0


def test_only_days_that_changed_are_summarised_again(tiny: Any, encoder_folder: Path) -> None:
    made = MemoryBank(tiny, embedder=str(encoder_folder), **SMALL)
    messages = talk()
    made.write([History(messages=(SYSTEM, *messages[:5]), join="\n")])
    first = made.state_dict()["summaries"]
    (report,) = made.write([History(messages=tuple(messages[5:]), join="\n")])
    second = made.state_dict()["summaries"]
    new = [summary for text, summary in second.items() if text not in first]
    assert len(new) == 3  # the second day, the third, and the overview
    contents = [m["content"] for m in messages[5:]]
    tokens = [len(tiny.tokenizer(t).input_ids) for t in (*contents, *new)]
    assert report.written_tokens == sum(tokens)


def test_texts_longer_than_the_window_are_summarised_in_parts(tiny: Any) -> None:
    """Of whole sentences, and the parts' summaries together once more."""
    text = " ".join(f"Today Ada is in room {i}." for i in range(200))
    small = replace(tiny, window=400)

    def token_starts(text: str) -> list[int]:
        encoded = tiny.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return [start for start, _ in encoded["offset_mapping"]]

    assert len(token_starts(text)) > 4 * small.window
    summarise = Summariser(small, max_tokens=8, token_starts=token_starts)
    short, long, again = summarise(["Today Ada is in Oslo.", text, "Today Ada is in Oslo."], DAY)
    assert short == again == summarise(["Today Ada is in Oslo."], DAY)[0]
    messages = [{"role": "user", "content": text}]
    units = split_units(messages, "chunk", size=summarise.room, token_starts=token_starts)
    parts = [shown(messages, [unit])[0]["content"] for unit in units]
    assert len(parts) > 4
    assert long == summarise(["\n".join(summarise(parts, DAY))], DAY)[0]
    with pytest.raises(InvalidInput, match="a window of 150 tokens is too small"):
        Summariser(replace(tiny, window=150), max_tokens=40, token_starts=token_starts)
    with pytest.raises(InvalidInput, match="summary_tokens is 0"):
        Summariser(tiny, max_tokens=0, token_starts=token_starts)


def test_the_forgotten_is_not_shown(tiny: Any, encoder_folder: Path) -> None:
    """After eleven days next to nothing of the first two is left, nor are their summaries."""
    off = seen(bank(tiny, encoder_folder, k=20), "Where is A?")
    on = seen(bank(tiny, encoder_folder, k=20, forgetting=True), "Where is A?")
    assert all(place in off for group in PLACES for place in group)
    assert [place for group in PLACES for place in group if place in on] == list(PLACES[2])
    assert off.count("Summary: ") == 3
    assert on.count("Summary: ") == 1
    assert on.count("Summary of all days") == 1
    slow = Forgetting(time_scale=1e9)
    assert (
        seen(bank(tiny, encoder_folder, k=20, forgetting=True, forgets=slow), "Where is A?") == off
    )


def test_a_day_keeps_its_summary_while_a_turn_is_left(tiny: Any, encoder_folder: Path) -> None:
    for seed in range(8):
        forgets = Forgetting(time_scale=12, seed=seed)
        text = seen(bank(tiny, encoder_folder, k=20, forgetting=True, forgets=forgets), "Where?")
        for date, places in zip(DATES, PLACES, strict=True):
            held = any(place in text for place in places)
            assert held == (f"{date}\nSummary: " in text)


def test_reinforcement_lasts_and_is_saved(tiny: Any, encoder_folder: Path) -> None:
    settings = {"k": 1, "neighbour_chars": 0, "forgetting": True, "reinforce": True}
    made = bank(tiny, encoder_folder, forgets=Forgetting(time_scale=1e9), **settings)
    assert not any(made.state_dict()["recalled"])
    question = prompt("Today A is in Bern.")
    made.answer([question, question], SHORT)
    ((recalled,),) = ([dict(r) for r in made.state_dict()["recalled"]],)
    ((last, strength),) = recalled.values()
    assert strength == 3
    assert last == max(day.number for day in days_of(talk()))
    other = MemoryBank(
        tiny, embedder=str(encoder_folder), forgets=Forgetting(time_scale=1e9), **SMALL, **settings
    )
    other.load_state_dict(made.state_dict())
    assert other.state_dict()["recalled"] == [recalled]


def test_what_was_recalled_outlives_the_rest(tiny: Any, encoder_folder: Path) -> None:
    """Written a day at a time: with its day recalled in between, a turn survives more draws."""

    def survives(recall: bool, seed: int) -> bool:
        forgets = Forgetting(time_scale=6, seed=seed)
        made = MemoryBank(
            tiny,
            embedder=str(encoder_folder),
            summaries=False,
            neighbour_chars=0,
            forgetting=True,
            forgets=forgets,
            reinforce=True,
        )
        messages = talk()
        made.write([History(messages=tuple(messages[:6]), join="\n")])
        if recall:
            made.answer([prompt("Where is A?")], SHORT)
        made.write([History(messages=tuple(messages[6:]), join="\n")])
        return "Oslo" in seen(made, "Where is A?")

    plain, stronger = ([survives(recall, seed) for seed in range(12)] for recall in (False, True))
    assert all(not before or after for before, after in zip(plain, stronger, strict=True))
    assert sum(stronger) > sum(plain)


def test_settings_that_make_no_sense(tiny: Any, encoder_folder: Path) -> None:
    wrong: Mapping[str, tuple[dict[str, Any], str]] = {
        "context": ({"context": "visible"}, "leave context at auto"),
        "k": ({"k": 0}, "k is 0"),
        "reinforce": ({"reinforce": True}, "add forgetting=true"),
    }
    for settings, message in wrong.values():
        with pytest.raises(InvalidInput, match=message):
            MemoryBank(tiny, embedder=str(encoder_folder), **settings)
    with pytest.raises(InvalidInput, match="document_tokens 0; use at least 1"):
        Segmentation(document_tokens=0)
