"""SQuAD: files of every form, prompts, scores, articles that are left out, and a whole run."""

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
from deltamem_evaluations.benchmarks.squad import NO_ANSWER, SYSTEM, Squad
from deltamem_evaluations.data.sources import MANIFEST, fetched_folder
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run

NORMANS = " Rollo came to Normandy, which lies in France. It has {braces} & ports. "
SHORT = "  Bo lives there."


def question(name: str, text: str, *answers: Any, **fields: Any) -> dict[str, Any]:
    found = [{"text": answer, "answer_start": 0} for answer in answers]
    return {"id": name, "question": text, "answers": found, **fields}


def article(title: str | None, *paragraphs: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    named = {} if title is None else {"title": title}
    return {**named, "paragraphs": [{"context": c, "qas": list(q)} for c, q in paragraphs]}


def official() -> dict[str, Any]:
    """Two articles; the middle question has no answer."""
    normans = [
        question("q1", "Who came?", "Rollo", "Rollo", "a Rollo"),
        question("q2", "Who left?", is_impossible=True, plausible_answers=[{"text": "Rollo"}]),
        question("q3", " Where is Normandy? ", "France", is_impossible=False),
    ]
    return {
        "version": "v2.0",
        "data": [
            article("Normans", (NORMANS, normans)),
            article("Bo_Ek", (SHORT, [question("q4", "Who?", "Bo")])),
        ],
    }


def hub_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": q["id"],
            "title": a["title"],
            "context": p["context"],
            "question": q["question"],
            "answers": {
                "text": [answer["text"] for answer in q["answers"]],
                "answer_start": [answer["answer_start"] for answer in q["answers"]],
            },
        }
        for a in official()["data"]
        for p in a["paragraphs"]
        for q in p["qas"]
    ]


def loaded(path: Path, **settings: Any) -> Squad:
    benchmark = Squad(path=str(path), **settings)
    benchmark.load()
    return benchmark


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Squad]:
    def make(content: Any = None, **settings: Any) -> Squad:
        path = tmp_path / "squad.json"
        path.write_text(json.dumps(official() if content is None else content))
        return loaded(path, **settings)

    return make


def test_every_form_gives_the_same_samples(tmp_path: Path) -> None:
    document = official()
    lines = [json.dumps(row, ensure_ascii=False) for row in document["data"]]
    (tmp_path / "document.json").write_text(json.dumps(document, indent=1))
    (tmp_path / "bare.json").write_text(json.dumps({"data": document["data"]}))
    (tmp_path / "list.json").write_text(json.dumps(document["data"]))
    (tmp_path / "lines.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "by_id.json").write_text(json.dumps({r["id"]: r for r in hub_rows()}))
    folder = tmp_path / "plain_text"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(hub_rows()), folder / "validation-00000-of-00001.parquet")
    names = ("document.json", "bare.json", "list.json", "lines.jsonl", "by_id.json", "plain_text")
    for unanswerable, ids in ((False, ["q1", "q3", "q4"]), (True, ["q1", "q2", "q3", "q4"])):
        first, *others = (loaded(tmp_path / name, unanswerable=unanswerable) for name in names)
        assert [s.id for s in first.samples()] == ids
        for other in others:
            assert other.samples() == first.samples()
            assert other.history("Normans/1") == first.history("Normans/1")
            assert other.fingerprint() == first.fingerprint()


def test_a_sample_in_full(tiny: Any, made: Callable[..., Squad]) -> None:
    benchmark = made()
    one, other, _ = benchmark.samples()
    assert one.history_id == other.history_id == "Normans/1"
    assert other.question == "Question: Where is Normandy?\nAnswer:"
    assert (one.references, one.groups) == (("Rollo", "a Rollo"), ())
    history = benchmark.history("Normans/1")
    passage = {"role": "user", "content": NORMANS.strip(), "title": "Normans"}
    assert history.messages == ({"role": "system", "content": SYSTEM}, passage)
    turn = {"role": "user", "content": other.question}
    text = tiny.render([*history.messages, turn], join=history.join).text
    user = f"{NORMANS.strip()}\n\n{other.question}"
    assert text == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"


def test_what_a_paragraph_does_not_answer(made: Callable[..., Squad]) -> None:
    """Left out and said to be; or asked, with an answer of its own that the directions name."""
    without, whole = made(), made(unanswerable=True)
    assert without.data().deviations[0] == (
        "1 questions that their paragraph does not answer are not asked"
    )
    assert [s.groups for s in whole.samples()] == [
        (kind,) for kind in ("answerable", "unanswerable", "answerable", "answerable")
    ]
    assert whole.samples()[1].references == (NO_ANSWER,)
    assert NO_ANSWER in whole.history("Normans/1").messages[0]["content"]
    assert NO_ANSWER not in without.history("Normans/1").messages[0]["content"]
    answered, none = whole.samples()[:2]
    for text, scores in {
        NO_ANSWER: (0, 1),
        "the passage does not say\nat all": (0, 1),
        "": (0, 1),
        "Rollo": (1, 0),
    }.items():
        found = whole.score(answered, text)["em"], whole.score(none, text)["em"]
        assert found == scores, text
    assert len({without.fingerprint(), whole.fingerprint()}) == 2


def test_a_paragraph_stands_once_with_all_its_questions(made: Callable[..., Squad]) -> None:
    """Also where it comes twice, and where an article has no title."""
    parts = [
        article(
            "Normans", ("One.", [question("a", "A?", 1)]), ("Two.", [question("b", "B?", "x")])
        ),
        article("Normans", ("One.", [question("c", "C?", "y")]), ("Three.", [])),
        article(None, ("One.", [question("d", "D?", "z")])),
        article(None, ("Four.", [question("e", "E?", "z")])),
    ]
    benchmark = made(parts)
    assert [(s.id, s.history_id) for s in benchmark.samples()] == [
        ("a", "Normans/1"),
        ("c", "Normans/1"),
        ("b", "Normans/2"),
        ("d", "untitled/1"),
        ("e", "untitled/2"),
    ]
    assert benchmark.samples()[0].references == ("1",)
    assert "title" not in benchmark.history("untitled/2").messages[1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([{"title": "x"}], r"row 1: 'id' is missing \(and 3 more faults\)"),
        ({"data": "x"}, r"line 1: 'data' is text \(x\); a list is expected"),
        ({"data": [{"title": 7, "paragraphs": []}]}, r"'data\[0\].title' is a number \(7\)"),
        (
            [article("A", ("x", [{"id": "1", "question": "?"}]))],
            r"row 1: 'paragraphs\[0\].qas\[0\].answers' is missing",
        ),
        ([article("A", ("x", [question("1", " ", "y")]))], r"qas\[0\].question' is blank"),
        ([article("A", (" ", []))], r"paragraphs\[0\].context' is blank"),
        ([{**hub_rows()[0], "answers": {"text": "x"}}], "'answers' has no list among its columns"),
        (
            [{**hub_rows()[0], "answers": {"text": ["x"], "answer_start": []}}],
            "'answers' has lists that differ in length",
        ),
        ([hub_rows()[0], hub_rows()[0]], "an earlier question has its id 'q1'"),
        ([article("A", ("x", []))], "holds no question to ask"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_rows_of_the_wrong_shape(content: Any, sentence: str, made: Callable[..., Squad]) -> None:
    with pytest.raises(InvalidData, match=sentence):
        made(content)


def test_articles_of_another_file_are_left_out(made: Callable[..., Squad], tmp_path: Path) -> None:
    """By title, however its words are parted, and by the text of any of its paragraphs."""
    whole = made()
    for other, kept in {
        "title": ([article("NORMANS", ("Another.", []))], ["q4"]),
        "words": ([article("Bo Ek", ("Another.", []))], ["q1", "q3"]),
        "paragraph": ([article("Else", (f"{SHORT} \n", []))], ["q1", "q3"]),
        "hub": ([hub_rows()[0]], ["q4"]),
        "nothing": ([article("Else", ("Another.", []))], ["q1", "q3", "q4"]),
    }.values():
        path = tmp_path / "trained on.json"
        path.write_text(json.dumps(other))
        apart = made(excluding=str(path))
        assert [s.id for s in apart.samples()] == kept
        left = 2 - len({s.history_id for s in apart.samples()})
        assert f"{left} of 2 paragraphs are left out, whose articles trained on.json has" in (
            apart.data().deviations
        )
        assert (apart.fingerprint() == whole.fingerprint()) == (left == 0)
    (tmp_path / "both.json").write_text(json.dumps(official()))
    with pytest.raises(InvalidData, match=r"both.json holds every article that is asked about"):
        made(excluding=str(tmp_path / "both.json"))
    with pytest.raises(Unavailable, match=r"bench.excluding=no.json: there is no such file"):
        made(excluding="no.json")


def test_what_is_left_is_the_same_however_it_was_left_out(
    made: Callable[..., Squad], tmp_path: Path
) -> None:
    """A file without the articles, and the whole file less them, are one data set."""
    (tmp_path / "trained on.json").write_text(json.dumps([official()["data"][0]]))
    apart = made(excluding=str(tmp_path / "trained on.json"))
    assert made(official()["data"][1:]).fingerprint() == apart.fingerprint()


def test_the_real_files(data_folder: Path) -> None:
    """What is asked after a training on one of them: 838 questions about 160 paragraphs."""
    trained = data_folder / "real" / "squad2_dev.json"
    asked = data_folder / "real" / "xquad_en.json"
    if not (trained.is_file() and asked.is_file()):
        pytest.skip(f"the real SQuAD files are not in {data_folder}")
    benchmark = loaded(asked, excluding=str(trained))
    samples = benchmark.samples()
    assert len(samples) == 838
    assert len({s.history_id for s in samples}) == 160
    assert len({s.title for s in samples}) == 32
    assert benchmark.data().deviations == (
        "80 of 240 paragraphs are left out, whose articles squad2_dev.json has",
        "there are 838 questions instead of the 10,570 of SQuAD 1.1's validation split",
    )
    sizes = {False: 2910, True: 6078}
    for unanswerable, size in sizes.items():
        whole = loaded(trained, unanswerable=unanswerable)
        assert len(whole.samples()) == size
        assert len({s.history_id for s in whole.samples()}) == 646


def test_the_size_of_the_release_is_none_to_mark(tmp_path: Path) -> None:
    rows = [question(f"q{i}", "Who?", "Bo") for i in range(10_570)]
    (tmp_path / "whole.json").write_text(json.dumps([article("Bo", (SHORT, rows))]))
    assert loaded(tmp_path / "whole.json").data().deviations == ()


def test_a_fetched_folder_and_no_data_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    benchmark = Squad()
    with pytest.raises(Unavailable, match=r"rajpurkar/squad is not on.*bench.path=FILE"):
        benchmark.load()
    folder = fetched_folder(benchmark.source) / "plain_text"
    folder.mkdir(parents=True)
    for split, rows in {"validation": hub_rows(), "train": hub_rows()[:1]}.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")
    (folder.parent / MANIFEST).write_text(json.dumps({"revision": "abc123"}))
    benchmark.load()
    assert [s.id for s in benchmark.samples()] == ["q1", "q3", "q4"]
    assert benchmark.data().revision == "abc123"


@pytest.mark.parametrize(
    ("prediction", "em", "f1"),
    [
        ("Rollo.", 1, 1),
        ("\n  a rollo \nbecause", 1, 1),
        ("It was Rollo", 0, 1 / 2),
        ("", 0, 0),
    ],
)
def test_scores_by_hand(prediction: str, em: float, f1: float, made: Callable[..., Squad]) -> None:
    benchmark = made()
    found = benchmark.score(benchmark.samples()[0], prediction)
    assert found == pytest.approx({"em": em, "f1": f1})


def test_no_room_for_an_answer() -> None:
    with pytest.raises(InvalidInput, match="bench.max_new_tokens is 0"):
        Squad(max_new_tokens=0)


@pytest.mark.parametrize("context", ["visible", "none"])
def test_a_run_from_end_to_end(
    context: str, tiny: Any, made: Callable[..., Squad], tmp_path: Path
) -> None:
    benchmark = made(max_new_tokens=4)
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Frozen(tiny, context=context), store, plan=Plan())
        rows = dict(store.lines)
    for sample in benchmark.samples():
        shown = shown_tokens(benchmark, sample, tiny, context=context)
        assert rows[sample.id].prompt_tokens == shown
        assert rows[sample.id].scores == benchmark.score(sample, rows[sample.id].prediction)
    metrics = benchmark.metrics(scored)
    assert set(metrics) == {"em", "f1"}
    assert (metrics["f1"].n, metrics["f1"].clusters) == (3, 2)
