"""QASPER as training data: files of both official formats, bad ones, and one digest everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from qasper_files import FREE, OFFICIAL, asked, hub_rows

from deltamem.training import episodes_sha
from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_cli.training_data import QasperData

REJECTED = {
    "empty answer": 1,
    "empty question": 1,
    "no annotator": 1,
    "no text": 1,
    "question and answer above 1000 characters": 1,
    "unanswerable": 1,
}


def official_file(folder: Path) -> Path:
    path = folder / "qasper-train-v0.3.json"
    path.write_text(json.dumps(OFFICIAL, ensure_ascii=False), encoding="utf-8")
    return path


def parquet_folder(folder: Path) -> Path:
    """The layout of the hub's converted branch; other splits hold what must not be read."""
    for split, rows in {"train": hub_rows(), "validation": hub_rows()[:1]}.items():
        target = folder / "qasper" / split
        target.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), target / "0000.parquet")
    return folder / "qasper"


def jsonl_folder(folder: Path) -> Path:
    folder = folder / "rows"
    folder.mkdir()
    lines = [json.dumps(row) + "\n" for row in hub_rows()]
    (folder / "train-00000-of-00001.jsonl").write_text("".join(lines))
    (folder / "test-00000-of-00001.jsonl").write_text(lines[0])
    return folder


def source(path: Path | None, **changes: Any) -> QasperData:
    settings = {
        "revision": None,
        "split": "train",
        "size": None,
        "together": 1,
        "max_chars": 1000,
        "seed": 42,
    }
    return QasperData(path=str(path) if path else None, **{**settings, **changes})


@pytest.mark.parametrize("made", [official_file, parquet_folder, jsonl_folder])
def test_both_official_formats(made: Callable[[Path], Path], tmp_path: Path) -> None:
    data = source(made(tmp_path)).load()
    episodes = {episode.id: episode for episode in data.episodes}
    assert {name: e.asks[0].answer for name, e in episodes.items()} == {
        "free": "A  β-model",
        "spans": "one, two",
        "yes": "Yes",
        "no": "No",
    }
    assert [m["content"] for m in episodes["free"].written] == [
        "Long\n\nAn abstract.",
        "Introduction\n\nFirst par.",
        "Second 語.",
        "Third.",
        "End ::: Sub\n\n" + ("w " * 100).strip(),
    ]
    assert [m["content"] for m in episodes["yes"].written] == ["Short", "All of it."]
    assert {m["role"] for e in data.episodes for m in e.written} == {"user"}
    assert episodes["no"].asks[0].visible == [{"role": "user", "content": "What is no?"}]
    facts = data.source
    assert (facts["papers"], facts["questions"], facts["episodes"]) == (3, 10, 4)
    assert facts["rejected"] == REJECTED
    assert facts["sha256"] == episodes_sha(data.episodes)
    assert not data.held_out


def test_the_digest_is_that_of_canonical_lines(tmp_path: Path) -> None:
    """Written out by hand, and the same for all formats."""
    data = source(official_file(tmp_path), size=1).load()
    line = (
        r'{"asks":[{"answer":"No","visible":[{"content":"What is no?","role":"user"}]}],"id":"no",'
        r'"join":"\n\n","written":[{"content":"Short","role":"user"},'
        r'{"content":"All of it.","role":"user"}]}'
    )
    assert data.source["sha256"] == hashlib.sha256(f"{line}\n".encode()).hexdigest()
    digests = {
        source(made(tmp_path)).load().source["sha256"]
        for made in (official_file, parquet_folder, jsonl_folder)
    }
    assert len(digests) == 1


def test_the_shortest_in_an_order_of_the_seed(tmp_path: Path) -> None:
    path = official_file(tmp_path)

    def names(**changes: Any) -> list[str]:
        return [e.id for e in source(path, **changes).load().episodes]

    # of one paper the answered question decides: 11 + 2 and 12 + 3, then 14 + 8 and 13 + 10
    shortest = [["no"], ["no", "yes"], ["no", "spans", "yes"]]
    assert [sorted(names(size=n)) for n in (1, 2, 3)] == shortest
    by_hand = sorted(
        ("free", "no", "spans", "yes"), key=lambda n: hashlib.sha256(f"42:{n}".encode()).digest()
    )
    assert names() == names() == by_hand
    orders = {tuple(names(seed=seed)) for seed in range(8)}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(by_hand)}


def test_ties_go_by_the_id(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    paper = {**OFFICIAL["1911.2"], "qas": [asked(n, FREE) for n in ("c", "a", "b")]}
    path.write_text(json.dumps({"p": paper}))
    assert {e.id for e in source(path, size=2).load().episodes} == {"a", "b"}


def test_questions_of_one_id(data_folder: Path, tmp_path: Path) -> None:
    """The official fixture has one id for its four questions."""
    fixture = data_folder / "real" / "qasper_sample_small.json"
    if not fixture.is_file():
        pytest.skip(f"QASPER's fixture is not in {data_folder}")
    data = source(fixture).load()
    name = "753990d0b621d390ed58f20c4d9e4f065f0dc672"
    assert {e.id: (e.asks[0].visible[0]["content"], e.asks[0].answer) for e in data.episodes} == {
        name: ("What is the seed lexicon?", "a vocabulary"),
        f"{name}-2": ("Are there three?", "Yes"),
        f"{name}-4": ("Is this extractive?", "Conclusion paragraph"),
    }
    assert data.source["rejected"] == {"unanswerable": 1}
    paper = {**OFFICIAL["1911.2"], "qas": [asked("a", FREE)] * 2}
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"p": paper, "again": paper}))
    assert source(path).load().source["rejected"] == {"repeated": 3}


def test_too_few(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"size is 2219, and there are 4 episodes \(rejected: empty answer 1, "
    ):
        source(official_file(tmp_path), size=2219).load()
    with pytest.raises(InvalidInput, match="size is 0"):
        source(official_file(tmp_path), size=0).load()


def test_other_splits(tmp_path: Path) -> None:
    folder = parquet_folder(tmp_path)
    assert source(folder, split="validation").load().source["papers"] == 1
    with pytest.raises(InvalidData, match="has no row of the split 'test'"):
        source(folder, split="test").load()
    with pytest.raises(InvalidInput, match="split is 'dev'; choose one of train, validation, test"):
        source(folder, split="dev").load()
    with pytest.raises(Unavailable, match="training.data.path=nowhere: there is no such file"):
        source(Path("nowhere")).load()


def broken(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    papers = json.loads(json.dumps(OFFICIAL))
    change(papers)
    return papers


FREE_ANSWER = ("1911.1", "qas", 0, "answers", 1, "answer")


def put(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(papers: Any) -> None:
        for key in path[:-1]:
            papers = papers[key]
        papers[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put([], "1911.2", "title"), "row 2: 'title' is a list; text is expected"),
        (
            put("text", "1911.1", "full_text"),
            "row 1: 'full_text' is text (text); a list is expected",
        ),
        (
            put("text", "1911.1", "full_text", 0),
            "row 1: 'full_text[0]' is text (text); an object is expected",
        ),
        (
            put(3, "1911.1", "full_text", 1, "section_name"),
            "'full_text[1].section_name' is a number (3)",
        ),
        (
            put([None], "1911.1", "full_text", 1, "paragraphs"),
            "'full_text[1].paragraphs[0]' is null",
        ),
        (put(None, "1911.1", "qas"), "row 1: 'qas' is null; a list is expected"),
        (
            put({"question": ["a"], "question_id": []}, "1911.1", "qas"),
            "'qas' has lists that differ in length",
        ),
        (put(None, "1911.1", "qas", 1, "question"), "row 1: 'qas[1].question' is null; text"),
        (put({}, *FREE_ANSWER), "'qas[0].answers[1].answer.unanswerable' is missing (and 2 more"),
        (
            put("yes", *FREE_ANSWER, "yes_no"),
            "answer.yes_no' is text (yes); true or false is expected",
        ),
        (put([1], *FREE_ANSWER, "extractive_spans"), "answer.extractive_spans[0]' is a number (1)"),
        (put(None, *FREE_ANSWER[:-1]), "'qas[0].answers[1]' is null; an object is expected"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_wrong_shape_is_named(
    change: Callable[[dict[str, Any]], Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(broken(change)))
    with pytest.raises(InvalidData) as caught:
        source(path).load()
    assert str(caught.value).startswith(f"{path}, row ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


SHOW = ("training=qasper_8192", "training.data.size=null")


def test_two_processes_with_other_hash_seeds_agree(tmp_path: Path) -> None:
    path = official_file(tmp_path)
    seen = set()
    for hash_seed in ("0", "12345"):
        command = [sys.executable, "-m", "deltamem_cli", "show", *SHOW, "--json"]
        done = subprocess.run(
            [*command, f"training.data.path={path}"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    (shown,) = seen
    assert json.loads(shown)["source"]["sha256"] == source(path).load().source["sha256"]


def test_show(cli: Callable[..., Any]) -> None:
    words = (*SHOW, f"training.data.path={official_file(Path())}")
    shown = cli("show", *words)
    assert shown.code == 0, shown.err
    lines = dict(line.partition(" ")[::2] for line in shown.out.splitlines() if line)
    assert lines["rejected"].strip().startswith("1 empty answer, 1 empty question, ")
    assert lines["steps"].strip() == "1 of 32 episodes"
    assert "first episode: " in shown.out
    refused = cli("show", "training=qasper_8192", words[-1])
    assert (refused.code, refused.out) == (2, "")
    assert "size is 2219, and there are 4 episodes" in refused.err


def test_train_on_it(cli: Callable[..., Any]) -> None:
    """The paper's command, in small; what is on the card is what `show` prints."""
    path = official_file(Path())
    words = (*SHOW, f"training.data.path={path}", "training.batch_size=2")
    done = cli("train", "writer=ssw", *words, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["steps"] == 2
    card = (Path(summary["path"]) / "README.md").read_text()
    assert f"| sha256 | {source(path).load().source['sha256']} |" in card
    assert "| rejected | 1 empty answer, 1 empty question, " in card


def test_a_paper_is_one_episode_where_that_is_asked_for(tmp_path: Path) -> None:
    path = official_file(tmp_path)
    apart, joined = source(path).load(), source(path, together=16).load()
    asks = [(str(e.written), a) for e in apart.episodes for a in e.asks]
    assert all(len(e.asks) == 1 for e in apart.episodes)
    assert len(asks) > len(joined.episodes) == len({written for written, _ in asks})
    found = [(str(e.written), a) for e in joined.episodes for a in e.asks]
    assert sorted(found, key=str) == sorted(asks, key=str)
