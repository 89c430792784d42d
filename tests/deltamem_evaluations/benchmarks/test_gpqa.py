"""GPQA: files with the release's columns, the order of options, the scorer, and a whole run.

All questions here are made up; none of the release's may be written down.
"""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toys import IDENTITY, made_with

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmarks.gpqa import COLUMNS, GPQA
from deltamem_evaluations.data.sources import MANIFEST, fetched_folder
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Sample

OPTIONS = ("Zirconium, 2 eV", "Yttrium;\n3 eV", "Xenon {4} eV", "Wolfram “5” eV")
QUESTION = "Which μ-metal,\nof all, glows?"
ORDERS = {("rec1", 42): "3102", ("rec2", 42): "3120", ("rec1", 7): "3210"}
"""Which column stands under A to D, from the rule typed into another interpreter:
``o = [0, 1, 2, 3]; random.Random(int(md5(f"{r}:{s}".encode()).hexdigest()[:8], 16)).shuffle(o)``.
"""


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "Record ID": f"rec{number}",
        "Question": f"{QUESTION} {number}",
        **dict(zip(COLUMNS, OPTIONS, strict=True)),
        "High-level domain": "Physics",
        "Subdomain": "Optics",
        "Canary String": "unread",
    }
    return {**row, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in record().items() if key != name}


def loaded(path: Path, **settings: Any) -> GPQA:
    benchmark = GPQA(path=str(path), **settings)
    benchmark.load()
    return benchmark


def write_csv(path: Path, *rows: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., GPQA]:
    def make(*rows: Any, **settings: Any) -> GPQA:
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        return loaded(path, **settings)

    return make


def test_every_form_gives_the_same_samples(tmp_path: Path) -> None:
    rows = [record(1), record(2)]
    write_csv(tmp_path / "gpqa_diamond.csv", *rows)
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-00000-of-00001.parquet")
    forms = [loaded(path) for path in sorted(tmp_path.iterdir())]
    for other in forms[1:]:
        assert other.samples() == forms[0].samples()
        assert other.protocol() == forms[0].protocol()


def test_the_diamond_set_among_the_others(tmp_path: Path) -> None:
    """The authors' archive holds larger sets and a list of experts beside it."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    write_csv(folder / "gpqa_diamond.csv", record(1))
    write_csv(folder / "gpqa_main.csv", record(1), record(2))
    write_csv(folder / "gpqa_experts.csv", {"Name": "unread"})
    assert [s.id for s in loaded(tmp_path).samples()] == ["rec1"]
    (folder / "gpqa_diamond.csv").unlink()
    with pytest.raises(InvalidData, match=r"gpqa_experts\.csv, line 2: 'Question' is missing"):
        loaded(tmp_path)  # the larger sets are not taken for the diamond set in silence


@pytest.mark.parametrize(("key", "order"), ORDERS.items(), ids=str)
def test_the_order_of_options(key: tuple[str, int], order: str, made: Callable[..., GPQA]) -> None:
    name, seed = key
    (sample,) = made(record(**{"Record ID": name}), seed=seed).samples()
    assert sample.order == [COLUMNS[int(i)] for i in order]
    assert sample.correct == "ABCD"[order.index("0")]
    assert sample.references == (sample.correct,)
    lines = [f"({x}) {OPTIONS[int(i)]}" for x, i in zip("ABCD", order, strict=True)]
    assert f"{QUESTION} 1\n\n" + "\n".join(lines) + "\n\n" in sample.question


def test_orders_depend_on_record_and_seed_only(made: Callable[..., GPQA]) -> None:
    rows = [record(i) for i in range(200)]
    forward = {s.id: s for s in made(*rows).samples()}
    backward = {s.id: s for s in made(*rows[::-1]).samples()}
    assert forward == backward
    other = {s.id: s for s in made(*rows, seed=1).samples()}
    moved = sum(forward[i].order != other[i].order for i in forward)
    assert moved > 150  # 23/24 of 200 on average
    letters = Counter(s.references[0] for s in forward.values())
    assert set(letters) == set("ABCD")
    assert max(letters.values()) < 80  # 50 on average; 80 is five standard deviations above


def test_what_a_copy_may_lack(made: Callable[..., GPQA]) -> None:
    rows = [
        {**without("Record ID"), "Correct Answer": 5, "Incorrect Answer 1": 0.5},
        record(2, **{"High-level domain": None, "Subdomain": None}),
    ]
    bare, second = made(*rows).samples()
    assert bare == made(*rows[::-1]).samples()[1]
    assert f"({bare.references[0]}) 5\n" in bare.question
    assert ") 0.5\n" in bare.question
    assert bare.groups == ("Physics",)
    assert second.groups == ()
    assert second.subdomain is None


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (without("Question"), "row 2: 'Question' is missing"),
        (without("Incorrect Answer 3"), "row 2: 'Incorrect Answer 3' is missing"),
        (record(**{"Correct Answer": None}), "row 2: 'Correct Answer' is null; text or a number"),
        (record(**{"Correct Answer": ["x"]}), "row 2: 'Correct Answer' is a list"),
        (record(Question=" \n"), "row 2: 'Question' is empty"),
        (record(9), "row 2: an earlier row has its id 'rec9' already"),
        (7, "row 2 holds a number, not a row"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_rows_of_the_wrong_shape(
    row: Any, sentence: str, made: Callable[..., GPQA], tmp_path: Path
) -> None:
    """Named by file and row, and never with what they hold."""
    with pytest.raises(InvalidData, match=sentence) as fault:
        made(record(9), row)
    assert str(tmp_path / "rows.json") in str(fault.value)
    assert not any(text in str(fault.value) for text in (QUESTION, *OPTIONS))


def test_another_size_is_marked(made: Callable[..., GPQA]) -> None:
    rows = [record(i) for i in range(198)]
    assert made(*rows).data().deviations == ()
    assert made(*rows[1:]).data().deviations == (
        "GPQA has 197 questions instead of the 198 of the release",
    )


def test_a_fetched_folder_and_no_data_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    benchmark = GPQA()
    licence = r"Idavidrein/gpqa is gated.*https://huggingface.co/datasets/Idavidrein/gpqa"
    with pytest.raises(Unavailable, match=licence) as fault:
        benchmark.load()
    assert fault.value.exit_code == 4
    folder = fetched_folder(benchmark.source)
    folder.mkdir(parents=True)
    write_csv(folder / "gpqa_diamond.csv", record())
    (folder / MANIFEST).write_text(json.dumps({"revision": "abc123"}))
    for found in (benchmark, GPQA(path=str(folder))):
        found.load()
        assert [s.id for s in found.samples()] == ["rec1"]
        assert found.data().revision == "abc123"


@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
def test_the_gold_changes_no_prompt(protocol: str, made: Callable[..., GPQA]) -> None:
    """With another option correct and the same order on show, the question is the same."""
    (one,) = made(record(), protocol=protocol).samples()
    turned = dict(zip(COLUMNS, (*OPTIONS[1:], OPTIONS[0]), strict=True))
    shown = [dict(zip(COLUMNS, OPTIONS, strict=True))[name] for name in one.order]
    same_order = [
        sample
        for seed in range(200)
        for sample in made(record(**turned), protocol=protocol, seed=seed).samples()
        if [turned[name] for name in sample.order] == shown
    ]
    assert same_order
    for sample in same_order:
        assert sample.question == one.question
        assert sample.references != one.references


@pytest.mark.parametrize(
    ("prediction", "letter"),
    [
        ("The answer is {x}", "x"),
        ("the correct answer is ({x})", "x"),
        ("Final answer is: ({x})", "x"),
        ("The correct answer is: {x}", "x"),
        (r"answer: \text{{{x}}}", "x"),
        ('{{"answer": "{x}"}}', "x"),
        ("First ({y}), but no.\nThe correct answer is ({x}).", "x"),
        ("First ({x}), but no.\nThe correct answer is ({y}).", "y"),
        ("Answer: a compound", None),
        ("<think>the answer is {y}</think>\n\n{x}", "x"),
        ("the answer is {y}</think>\n\n{x}", "x"),
        ("<think>the answer is {x}</think>I cannot tell", None),
        ("<think>The answer is ({x}). But", None),
        ("I cannot tell", None),
        ("", None),
    ],
)
def test_scores_by_hand(prediction: str, letter: str | None, made: Callable[..., GPQA]) -> None:
    """The first five are phrasings of which the authors' extractor finds no letter, and it takes
    "Answer: a compound" for A; an answer without a letter is wrong, and counted apart."""
    benchmark = made(*[record(i) for i in range(12)])
    for sample in benchmark.samples():
        x = sample.references[0]
        y = "B" if x != "B" else "C"
        scores = benchmark.score(sample, prediction.format(x=x, y=y))
        assert scores == {"accuracy": float(letter == "x"), "parsed": float(letter is not None)}


def test_protocols_have_fingerprints_of_their_own(made: Callable[..., GPQA]) -> None:
    settings: list[dict[str, Any]] = [{}, {"protocol": "paper"}, {"seed": 1}, {"max_new_tokens": 9}]
    prints = [made(record(), **s).fingerprint() for s in settings]
    assert len(set(prints)) == len(settings)
    assert made(record()).fingerprint() == prints[0]
    assert made(record(2)).fingerprint() != prints[0]
    for protocol in ("benchmark", "paper"):
        benchmark = made(record(), protocol=protocol)
        decoding = benchmark.decoding(benchmark.samples()[0])
        assert (decoding.max_new_tokens, decoding.temperature) == (8192, 0.0)
    paper = made(record(), protocol="paper").samples()[0].question
    assert paper.endswith('{"answer": "X"}')
    assert f"\nA. {OPTIONS[3]}\nB. {OPTIONS[1]}\nC. {OPTIONS[0]}\nD. {OPTIONS[2]}\n" in paper


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InvalidInput, match="bench.protocol is 'mine'; choose one of benchmark"):
        GPQA(protocol="mine")
    with pytest.raises(InvalidInput, match="bench.max_new_tokens is 0"):
        GPQA(max_new_tokens=0)


@pytest.mark.parametrize("context", ["visible", "none"])
def test_a_run_from_end_to_end(
    context: str,
    tiny: Any,
    made: Callable[..., GPQA],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Both contexts ask the same, as there is no history; nothing of it is logged or published."""
    caplog.set_level(logging.DEBUG)
    benchmark = made(*[record(i) for i in range(4)], max_new_tokens=4)
    assert benchmark.confidential
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Frozen(tiny, context=context), store, plan=Plan(limit=3))
        rows = dict(store.lines)
    assert [s.sample.id for s in scored] == list(rows) == ["rec0", "rec1", "rec2"]
    for sample in benchmark.samples()[:3]:
        check_row(benchmark, sample, rows[sample.id], tiny)
    made_record = make_record(
        benchmark,
        scored,
        rows,
        expected=3,
        cell=replace(IDENTITY, limited=True),
        path="x",
        made=made_with(),
    )
    assert made_record.metrics["parsed"].n == 3
    assert made_record.metrics["accuracy"].groups["Physics"].n == 3
    assert made_record.deviations[0].startswith("GPQA has 4 questions")
    printed = capfd.readouterr()
    seen = [json.dumps(made_record.to_json(), ensure_ascii=False), caplog.text, *printed]
    assert not any(text in part for part in seen for text in (QUESTION, *OPTIONS))


def check_row(benchmark: GPQA, sample: Sample, row: SampleLine, tiny: Any) -> None:
    turn = {"role": "user", "content": sample.question}
    assert row.prompt_tokens == len(tiny.render([turn], add_generation_prompt=True).ids)
    assert row.original_tokens == row.shown_tokens == 0
    assert row.scores == benchmark.score(sample, row.prediction)
