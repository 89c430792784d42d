"""SQuAD as training data: a paragraph written once, questions drawn, whole articles held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from good_rows import CASES
from test_squad_benchmark import article, hub_rows, official, question

from deltamem.training import Episode, episodes_sha
from deltamem.training.collate import collate
from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_cli.training_data import SquadData
from deltamem_evaluations.benchmarks.squad import NO_ANSWER, Squad

ARTICLES, PARAGRAPHS, ANSWERABLE = 16, 646, 2910
"""As counted in the real file."""


def source(path: Path | None, **changes: Any) -> SquadData:
    settings = {
        "revision": None,
        "split": "train",
        "questions": None,
        "unanswerable": False,
        "visible": False,
        "max_chars": 1200,
        "held_out": 0,
        "seed": 42,
    }
    return SquadData(path=str(path) if path else None, **{**settings, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "squad.json").write_text(json.dumps(official()))
    return tmp_path / "squad.json"


def asked(episode: Episode) -> list[tuple[str, str]]:
    return [(ask.visible[-1]["content"], ask.answer) for ask in episode.asks]


def test_a_paragraph_is_one_episode_with_all_its_questions(path: Path) -> None:
    first, second = source(path).load().episodes
    assert (first.id, second.id) == ("Normans/1", "Bo_Ek/1")
    assert sorted(asked(first)) == [
        ("Question: Where is Normandy?\nAnswer:", "France"),
        ("Question: Who came?\nAnswer:", "Rollo"),
    ]
    assert [m["role"] for m in first.written] == ["system", "user"]
    assert "Rollo came" in first.written[1]["content"]
    assert all(ask.visible[0] == first.written[0] for ask in first.asks)


@pytest.mark.parametrize("visible", [False, True])
@pytest.mark.parametrize("unanswerable", [False, True])
def test_episodes_are_worded_as_the_benchmark_words_them(
    visible: bool, unanswerable: bool, path: Path, tiny: Any
) -> None:
    """To the token: what is written, and what stands before the answer in either context."""
    benchmark = Squad(path=str(path), unanswerable=unanswerable)
    benchmark.load()
    data = source(path, visible=visible, unanswerable=unanswerable).load()
    by_question = {s.asked: s for s in benchmark.samples()}
    for episode in data.episodes:
        history = benchmark.history(episode.id)
        written = tiny.render_history(episode.written, join=episode.join)
        assert written.ids == tiny.render_history(history.messages, join=history.join).ids
        for ask in episode.asks:
            sample = next(s for q, s in by_question.items() if q in ask.visible[-1]["content"])
            shown = history.messages if visible else history.messages[:1]
            turn = {"role": "user", "content": sample.question}
            wanted = tiny.render([*shown, turn], join=history.join, add_generation_prompt=True)
            assert tiny.render(ask.visible, add_generation_prompt=True).ids == wanted.ids
            assert ask.answer == sample.references[0]
    answers = {answer for episode in data.episodes for _, answer in asked(episode)}
    assert (NO_ANSWER in answers) == unanswerable


def test_a_history_is_written_once_for_its_questions(path: Path, tiny: Any) -> None:
    data = source(path).load()
    batch = collate(tiny, data.episodes, segment_unit=None, write_length=256, read_length=256)
    assert (len(batch.write_ids), len(batch.read_ids)) == (2, 3)


def test_questions_are_drawn_by_the_seed(tmp_path: Path) -> None:
    questions = [question(f"q{i}", f"What is {i}?", str(i)) for i in range(40)]
    path = tmp_path / "squad.json"
    path.write_text(json.dumps([article("A", ("Numbers.", questions))]))
    whole = {text for text, _ in asked(source(path).load().episodes[0])}
    assert len(whole) == 40
    drawn = [asked(source(path, questions=4, seed=seed).load().episodes[0]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(found) == 4 and {text for text, _ in found} < whole for found in drawn)
    # the first ones of a paragraph are no likelier than others
    some = [asked(source(path, questions=4, seed=seed).load().episodes[0]) for seed in range(200)]
    means = sum(int(answer) for found in some for _, answer in found) / 800
    assert abs(means - 19.5) < 1.5  # of a uniform draw, 0.41 at one standard error


def test_whole_articles_are_held_out(tmp_path: Path) -> None:
    parts = [
        article(title, *((f"{title} {i}.", [question(f"{title}{i}", "?", "x")]) for i in (1, 2)))
        for title in ("A", "B", "C")
    ]
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(parts))
    data = source(path, held_out=1).load()
    assert [e.id for e in data.episodes] == ["A/1", "A/2", "B/1", "B/2"]
    assert [e.id for e in data.held_out] == ["C/1", "C/2"]
    assert (data.source["articles"], data.source["held-out articles"]) == (2, 1)
    with pytest.raises(
        InvalidInput,
        match=r"squad.json has 3 articles that can be used and .*held_out=3 leaves none",
    ):
        source(path, held_out=3).load()


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    parts = [
        article(
            "A",
            ("long " * 100, [question("1", "?", "x")]),
            ("Short.", [question("2", "?")]),
            ("Good.", [question("3", "?", "x")]),
        )
    ]
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(parts))
    data = source(path, max_chars=100).load()
    assert [e.id for e in data.episodes] == ["A/3"]
    assert data.source["rejected"] == {
        "no question that it answers": 1,
        "paragraph above 100 characters": 1,
    }
    assert (data.source["paragraphs"], data.source["episodes"], data.source["questions"]) == (
        3,
        1,
        1,
    )


def test_every_form_is_one_data_set(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "squad_v2"
    folder.mkdir(parents=True)
    for split, rows in {"train": hub_rows(), "validation": hub_rows()[:1]}.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")
    made = [source(place, seed=7).load() for place in (path, tmp_path / "rows")]
    assert made[0].episodes == made[1].episodes
    assert made[0].source["sha256"] == made[1].source["sha256"] == episodes_sha(made[0].episodes)
    assert source(tmp_path / "rows", split="validation").load().source["episodes"] == 1


def test_files_that_cannot_be_used(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"training.data.split is 'test'; choose one of train"):
        source(path, split="test").load()
    with pytest.raises(Unavailable, match=r"training.data.path=no.json: there is no such file"):
        source(Path("no.json")).load()
    (tmp_path / "train.jsonl").write_text(json.dumps(CASES["hotpotqa"].rows[0]))
    with pytest.raises(InvalidData, match=r"train.jsonl.*'"):
        source(tmp_path / "train.jsonl").load()
    folder = tmp_path / "rows"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(hub_rows()), folder / "validation-00000.parquet")
    with pytest.raises(InvalidData, match=r"rows has no row of the split 'train'"):
        source(folder).load()


def test_the_real_file(data_folder: Path) -> None:
    path = data_folder / "real" / "squad2_dev.json"
    if not path.is_file():
        pytest.skip(f"the real SQuAD file is not in {data_folder}")
    data = source(path, max_chars=10_000).load()
    assert (data.source["articles"], data.source["paragraphs"]) == (ARTICLES, PARAGRAPHS)
    assert data.source["questions"] == ANSWERABLE
    held = source(path, max_chars=10_000, held_out=3).load()
    assert {e.id.rpartition("/")[0] for e in held.held_out}.isdisjoint(
        e.id.rpartition("/")[0] for e in held.episodes
    )
    assert len(held.episodes) + len(held.held_out) == len(data.episodes)
