"""HotpotQA: files of every form that the release has, prompts, scores, and a whole run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shown_tokens import shown_tokens

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmarks.hotpotqa import SYSTEM, HotpotQA
from deltamem_evaluations.data.sources import MANIFEST, fetched_folder
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run

PASSAGES: list[tuple[str, list[str]]] = [
    ("Ärö (island)", [" Ärö lies in the sea. ", "", " ", "It has {braces} & 3 ports."]),
    ("Bo Ek", ["Bo Ek was born on Ärö."]),
    ("Nothing", []),
]
SHOWN = [
    "Passage 1 - Ärö (island):\nÄrö lies in the sea. It has {braces} & 3 ports.",
    "Passage 2 - Bo Ek:\nBo Ek was born on Ärö.",
    "Passage 3 - Nothing:",
]
FACTS = [("Bo Ek", 0), ("Ärö (island)", 2), ("Bo Ek", 0)]


def official(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "_id": f"5a{number}",
        "question": f"Where was Bo Ek born, {number}?",
        "answer": "Ärö",
        "type": "bridge",
        "level": "hard",
        "supporting_facts": [list(fact) for fact in FACTS],
        "context": [[title, sentences] for title, sentences in PASSAGES],
    }
    return {**row, **changes}


def hub(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        **official(number),
        "id": f"5a{number}",
        "supporting_facts": {"title": [t for t, _ in FACTS], "sent_id": [i for _, i in FACTS]},
        "context": {"title": [t for t, _ in PASSAGES], "sentences": [s for _, s in PASSAGES]},
    }
    del row["_id"]
    return {**row, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in official().items() if key != name}


def loaded(path: Path, **settings: Any) -> HotpotQA:
    benchmark = HotpotQA(path=str(path), **settings)
    benchmark.load()
    return benchmark


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., HotpotQA]:
    def make(*rows: Any, **settings: Any) -> HotpotQA:
        path = tmp_path / "hotpot.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        return loaded(path, **settings)

    return make


def test_every_form_gives_the_same_samples(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (tmp_path / "official.json").write_text(json.dumps([official(1), official(2)]))
    (tmp_path / "by_id.json").write_text(json.dumps({"5a1": hub(1), "5a2": hub(2)}))
    lines = [json.dumps(hub(i), ensure_ascii=False) for i in (1, 2)]
    (tmp_path / "hub.jsonl").write_text("\n".join(lines), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([hub(1)]), folder / "validation-00000-of-00002.parquet")
    pq.write_table(pa.Table.from_pylist([hub(2)]), folder / "validation-00001-of-00002.parquet")
    forms = [
        loaded(tmp_path / name) for name in ("official.json", "by_id.json", "hub.jsonl", "rows")
    ]
    first = forms[0]
    assert [s.id for s in first.samples()] == ["5a1", "5a2"]
    for other in forms[1:]:
        assert other.samples() == first.samples()
        assert other.history("5a2") == first.history("5a2")
        assert other.protocol() == first.protocol()


def test_a_sample_in_full(made: Callable[..., HotpotQA]) -> None:
    benchmark = made(official())
    (sample,) = benchmark.samples()
    assert sample.question == "Question: Where was Bo Ek born, 1?\nAnswer:"
    assert sample.references == ("Ärö",)
    assert sample.groups == ("bridge", "hard")
    assert sample.metadata == {"supporting_titles": ["Bo Ek", "Ärö (island)"]}
    history = benchmark.history(sample.history_id)
    assert history.messages[0] == {"role": "system", "content": SYSTEM}
    assert [m["content"] for m in history.messages[1:]] == SHOWN
    assert [m["title"] for m in history.messages[1:]] == [title for title, _ in PASSAGES]
    assert {m["role"] for m in history.messages[1:]} == {"user"}


def test_the_question_ends_the_turn_of_the_passages(
    tiny: Any, made: Callable[..., HotpotQA]
) -> None:
    benchmark = made(official())
    (sample,) = benchmark.samples()
    history = benchmark.history(sample.history_id)
    turn = {"role": "user", "content": sample.question}
    text = tiny.render([*history.messages, turn], join=history.join).text
    user = "\n\n".join([*SHOWN, sample.question])
    assert text == (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n")


def test_what_copies_in_the_wild_lack(made: Callable[..., HotpotQA]) -> None:
    rows = [
        without("_id"),
        {"question": "How many?", "answer": 7, "context": []},
        official(3, answer=2.5, supporting_facts=None, type=None, context=hub()["context"]),
        hub(4, context={"title": [], "sentences": []}, _id=""),
    ]
    samples = made(*rows).samples()
    assert [s.id for s in samples] == ["row-1", "row-2", "5a3", "5a4"]
    assert [s.references for s in samples] == [("Ärö",), ("7",), ("2.5",), ("Ärö",)]
    assert [s.groups for s in samples] == [("bridge", "hard"), (), ("hard",), ("bridge", "hard")]
    assert samples[1].metadata == samples[2].metadata == {"supporting_titles": []}
    for history_id in ("row-2", "5a4"):
        assert len(made(*rows).history(history_id).messages) == 1


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (without("question"), "row 2: 'question' is missing"),
        (without("answer"), "row 2: 'answer' is missing"),
        (without("context"), "row 2: 'context' is missing"),
        (official(answer=None), "row 2: 'answer' is null; text or a number is expected"),
        (official(answer=True), "row 2: 'answer' is true or false; text or a number"),
        (official(answer=["yes"]), "row 2: 'answer' is a list"),
        (official(context="text"), r"row 2: 'context' is text \(text\); a list is expected"),
        (official(context=[["title"]]), r"row 2: 'context\[0\]\[1\]' is missing"),
        (
            official(context=[*official()["context"], "text"]),
            r"row 2: 'context\[3\]' is text \(text\); a pair is expected",
        ),
        (official(context=[["title", "text"]]), r"row 2: 'context\[0\]\[1\]' is text"),
        (official(context=[[None, []]]), r"row 2: 'context\[0\]\[0\]' is null; text is expected"),
        (official(context=[["title", [7]]]), r"row 2: 'context\[0\]\[1\]\[0\]' is a number \(7\)"),
        (hub(context={"title": ["a"]}), "row 2: 'context' lacks a list of 'title' or 'sentences'"),
        (
            hub(context={"title": ["a"], "sentences": []}),
            "row 2: 'context' has 1 of 'title' and 0 of 'sentences'",
        ),
        (
            official(supporting_facts=[["a", 0, 1]]),
            r"row 2: 'supporting_facts\[0\]' does not fit: Tuple",
        ),
        (official(supporting_facts="a"), "row 2: 'supporting_facts' is text"),
        (official(0), "row 2: an earlier row has its id '5a0' already"),
        ("text", "row 2 holds text, not a row"),
    ],
    ids=lambda value: str(value)[-50:],
)
def test_rows_of_the_wrong_shape(
    row: Any, sentence: str, made: Callable[..., HotpotQA], tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=sentence) as fault:
        made(official(0), row)
    assert str(tmp_path / "hotpot.json") in str(fault.value)


def test_a_line_of_the_wrong_shape(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(hub())}\n\n{json.dumps(without('answer'))}\n")
    with pytest.raises(InvalidData, match=r"rows\.jsonl, line 3: 'answer' is missing"):
        loaded(path)


def test_another_size_is_marked(tmp_path: Path) -> None:
    """The released number of questions is not, one less is."""
    rows = [official(i, context=PASSAGES[:2]) for i in range(7405)]
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    whole.write_text(json.dumps(rows))
    part.write_text(json.dumps(rows[1:]))
    assert loaded(whole).data().deviations == ()
    assert loaded(part).data().deviations == (
        "HotpotQA has 7,404 questions instead of the 7,405 of the release",
    )


VALIDATION = "HotpotQA has {} questions instead of the 7,405 of the release"
EASIER = "{} of {} questions are not of the level 'hard', as in HotpotQA's training split"
TORN = (
    "{} of {} questions lack a passage that their answer follows from, as in HotpotQA's fullwiki "
    "setting"
)


@pytest.mark.parametrize(
    ("name", "subset", "differences"),
    [
        ("hotpotqa_dev_100.json", "distractor, validation", []),
        ("hotpotqa_train_100.json", "distractor, train", [EASIER.format(84, 100)]),
    ],
)
def test_real_files_are_named_for_what_they_are(
    name: str, subset: str, differences: list[str], data_folder: Path
) -> None:
    """All rows are read; only those of the validation split are stamped as such."""
    path = data_folder / "real" / name
    if not path.is_file():
        pytest.skip(f"the real HotpotQA files are not in {data_folder}")
    benchmark = loaded(path)
    assert len(benchmark.samples()) == 100
    assert benchmark.data().subset == benchmark.protocol()["setting"] == subset
    assert list(benchmark.data().deviations) == [*differences, VALIDATION.format(100)]


@pytest.mark.parametrize(
    ("changes", "subset", "difference"),
    [
        ({}, "distractor, validation", None),
        ({"context": PASSAGES[1:]}, "fullwiki, validation", TORN.format(1, 2)),
        ({"level": "medium"}, "distractor, train", EASIER.format(1, 2)),
        ({"supporting_facts": None}, "passages unknown, validation", "1 of 2 questions do not say"),
        ({"supporting_facts": []}, "passages unknown, validation", "1 of 2 questions do not say"),
        ({"level": None}, "distractor, split unknown", "1 of 2 questions state no level"),
    ],
    ids=str,
)
def test_setting_and_split_are_told_from_the_rows(
    changes: dict[str, Any], subset: str, difference: str | None, made: Callable[..., HotpotQA]
) -> None:
    """Whatever the file is called, and in either form."""
    assert made(official(), hub(2)).data().deviations == (VALIDATION.format(2),)
    benchmark = made(official(), official(2, **changes))
    assert benchmark.data().subset == subset
    *differences, size = benchmark.data().deviations
    assert size == VALIDATION.format(2)
    assert [text[: len(difference or "")] for text in differences] == [difference] * len(changes)
    if changes:
        assert benchmark.fingerprint() != made(official(), official(2)).fingerprint()


def test_a_fetched_folder_and_no_data_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    benchmark = HotpotQA()
    with pytest.raises(Unavailable, match=r"hotpotqa/hotpot_qa is not on.*bench.path=FILE"):
        benchmark.load()
    folder = fetched_folder(benchmark.source)
    (folder / "distractor").mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist([hub()]), folder / "distractor" / "validation-00000-of-00001.parquet"
    )
    (folder / MANIFEST).write_text(json.dumps({"revision": "abc123"}))
    benchmark.load()
    assert [s.id for s in benchmark.samples()] == ["5a1"]
    assert benchmark.data().revision == "abc123"
    with pytest.raises(Unavailable, match="nowhere.json"):
        HotpotQA(path="nowhere.json").load()


def test_the_gold_changes_no_prompt(made: Callable[..., HotpotQA]) -> None:
    """Answer, supporting facts, type and level are for the scorer; nothing asked shows them."""
    one = made(official())
    other = made(official(answer="Zzyzx", supporting_facts=[["Nothing", 0]], type="Zzyzx"))
    assert one.history("5a1") == other.history("5a1")
    assert one.samples()[0].question == other.samples()[0].question
    asked = [other.samples()[0].question, *(m["content"] for m in other.history("5a1").messages)]
    assert "Zzyzx" in other.samples()[0].references
    assert not any("Zzyzx" in text for text in asked)


@pytest.mark.parametrize(
    ("reference", "prediction", "benchmark", "paper"),
    [
        ("yes", "yes they are", (0.0, 0.0), (0.0, 0.5)),
        ("yes", "Yes.", (1.0, 1.0), (1.0, 1.0)),
        ("USA", "The U.S.A.", (1.0, 1.0), (0.0, 0.0)),
        ("York, England", "\n  York England \nbecause it is", (1.0, 1.0), (1.0, 1.0)),
        ("Ärö", "on Ärö", (0.0, 2 / 3), (0.0, 2 / 3)),
        (7, "7", (1.0, 1.0), (1.0, 1.0)),
        ("Ärö", "", (0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_scores_by_hand(
    reference: Any,
    prediction: str,
    benchmark: tuple[float, float],
    paper: tuple[float, float],
    made: Callable[..., HotpotQA],
) -> None:
    for protocol, (em, f1) in (("benchmark", benchmark), ("paper", paper)):
        made_one = made(official(answer=reference), protocol=protocol)
        scores = made_one.score(made_one.samples()[0], prediction)
        assert scores == pytest.approx({"em": em, "f1": f1})


def test_protocols_have_fingerprints_of_their_own(made: Callable[..., HotpotQA]) -> None:
    settings: list[dict[str, Any]] = [{}, {"protocol": "paper"}, {"max_new_tokens": 64}]
    prints = [made(official(), **s).fingerprint() for s in settings]
    assert len(set(prints)) == 3
    assert made(official()).fingerprint() == prints[0]
    assert made(official(answer="Oslo")).fingerprint() != prints[0]
    for protocol in ("benchmark", "paper"):
        benchmark = made(official(), protocol=protocol)
        decoding = benchmark.decoding(benchmark.samples()[0])
        assert (decoding.max_new_tokens, decoding.temperature) == (32, 0.0)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InvalidInput, match="bench.protocol is 'mine'; choose one of benchmark"):
        HotpotQA(protocol="mine")
    with pytest.raises(InvalidInput, match="bench.max_new_tokens is 0"):
        HotpotQA(max_new_tokens=0)


@pytest.mark.parametrize("context", ["visible", "none"])
def test_a_run_from_end_to_end(
    context: str, tiny: Any, made: Callable[..., HotpotQA], tmp_path: Path
) -> None:
    """Three questions of four, one of them without passages; the prompts are counted by hand."""
    benchmark = made(official(1), official(2, context=[]), hub(3), official(4), max_new_tokens=4)
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Frozen(tiny, context=context), store, plan=Plan(limit=3))
        rows = dict(store.lines)
    assert [s.sample.id for s in scored] == sorted(rows) == ["5a1", "5a2", "5a3"]
    for sample in benchmark.samples()[:3]:
        row = rows[sample.id]
        assert row.prompt_tokens == shown_tokens(benchmark, sample, tiny, context=context)
        assert row.scores == benchmark.score(sample, row.prediction)
        assert row.cut_side is None
    metrics = benchmark.metrics(scored)
    assert set(metrics) == {"em", "f1"}
    assert metrics["em"].groups["bridge"].n == 3
