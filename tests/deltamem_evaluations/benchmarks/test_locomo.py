"""LoCoMo: the released file, files of its format, and its scorer worked by hand."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_evaluations.benchmarks.locomo import COUNTS, SOURCE, Locomo
from deltamem_evaluations.metrics.not_told import NOT_TOLD


def conversation(**changes: Any) -> dict[str, Any]:
    content = {
        "speaker_a": "Ann",
        "speaker_b": "Bo",
        "session_1_date_time": "1 May 2023",
        "session_1": [
            {"speaker": "Ann", "dia_id": "D1:1", "text": "Hi Bo!"},
            {"speaker": "Bo", "dia_id": "D1:2", "text": "Look", "blip_caption": "a red kite"},
        ],
        "session_2_date_time": "2 May 2023",
        "session_10_date_time": "9 May 2023",
        "session_10": [{"speaker": "Ann", "dia_id": "D10:1", "text": "Bye"}],
        "session_3_date_time": "3 May 2023",
        "session_3": [],
    }
    questions = [
        {"question": "Multi?", "answer": "kite, boat", "evidence": ["D1:2"], "category": 1},
        {"question": "When?", "answer": 2022, "evidence": [], "category": 2},
        {"question": "Open?", "answer": "Likely yes; she said so", "category": 3},
        {"question": "Single?", "answer": "a red kite", "evidence": ["D1:2"], "category": 4},
        {"question": "Trap?", "adversarial_answer": "blue kite", "category": 5},
    ]
    return {"sample_id": "c1", "conversation": {**content, **changes}, "qa": questions}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Locomo]:
    def make(*rows: Any, **settings: Any) -> Locomo:
        path = tmp_path / "locomo.json"
        path.write_text(json.dumps(list(rows) or [conversation()]), encoding="utf-8")
        benchmark = Locomo(path=str(path), **settings)
        benchmark.load()
        return benchmark

    return make


def contents(benchmark: Locomo) -> list[str]:
    return [m["content"] for m in benchmark.history("c1").messages]


def test_the_released_file(locomo_file: Path) -> None:
    benchmark = Locomo(path=str(locomo_file))
    benchmark.load()
    counts = Counter(sample.category for sample in benchmark.samples())
    assert counts == COUNTS
    assert sum(counts.values()) == 1986
    assert benchmark.data().sha256 == SOURCE.sha256
    assert benchmark.data().deviations == ()
    assert len({s.history_id for s in benchmark.samples()}) == 10
    turns = [
        len(benchmark.history(h).messages) for h in {s.history_id for s in benchmark.samples()}
    ]
    assert min(turns) == 369 + 1
    assert max(turns) == 689 + 1


def test_the_first_conversations_alone(locomo_file: Path) -> None:
    benchmark = Locomo(path=str(locomo_file), conversations=2)
    benchmark.load()
    assert len(benchmark.samples()) == 304
    assert len({sample.history_id for sample in benchmark.samples()}) == 2
    assert "only the first 2 conversations are asked about" in benchmark.data().deviations
    whole = Locomo(path=str(locomo_file))
    whole.load()
    assert benchmark.samples() == whole.samples()[:304]
    assert benchmark.fingerprint() != whole.fingerprint()


def test_what_we_add_to_a_question_knows_no_answer(locomo_file: Path) -> None:
    """Within a category the words around the file's question are the same for every question."""
    benchmark = Locomo(path=str(locomo_file))
    benchmark.load()
    asked = [q for row in json.loads(locomo_file.read_text()) for q in row["qa"]]
    added: dict[int, set[str]] = {}
    for sample, row in zip(benchmark.samples(), asked, strict=True):
        if row["category"] != 5:
            around = sample.question.replace(row["question"], "")
            added.setdefault(row["category"], set()).add(around)
            assert sample.references == (str(row["answer"]),)
    assert {category: len(texts) for category, texts in added.items()} == {1: 1, 2: 1, 3: 1, 4: 1}


def test_perfect_answers_score_one(locomo_file: Path) -> None:
    benchmark = Locomo(path=str(locomo_file))
    benchmark.load()
    for sample in benchmark.samples():
        best = sample.references[0]
        if sample.category == 3:
            best = best.split(";")[0]
        (score,) = benchmark.score(sample, best).values()
        assert score == pytest.approx(1.0), sample


def test_histories_are_chronological(made: Callable[..., Locomo]) -> None:
    assert contents(made())[1:] == [
        'DATE: 1 May 2023\nCONVERSATION:\nAnn said, "Hi Bo!"',
        'Bo said, "Look" and shared a red kite.',
        'DATE: 9 May 2023\nCONVERSATION:\nAnn said, "Bye"',
    ]
    assert "Ann and Bo" in contents(made())[0]


def test_the_paper_shows_the_newest_session_first(made: Callable[..., Locomo]) -> None:
    shown = contents(made(protocol="paper"))
    assert ["Bye" in text for text in shown] == [False, True, False, False]
    assert made().fingerprint() != made(protocol="paper").fingerprint()
    assert made(protocol="paper").decoding(made().samples()[0]).temperature == 0.4
    assert made().decoding(made().samples()[0]).temperature == 0.0


@pytest.mark.parametrize(
    ("number", "prediction", "scores"),
    [
        (0, "A kite", {"f1": 0.5}),
        (0, "boats, kites", {"f1": 1.0}),
        (1, "2022", {"f1": 1.0}),
        (2, "likely yes", {"f1": 1.0}),
        (2, "likely yes; she said so", {"f1": 4 / 7}),
        (3, "\n\nThe RED kites.\nand more", {"f1": 1.0}),
        (3, "", {"f1": 0.0}),
        (3, "<think>blue?\n\nNo, red.</think>\n\na red kite", {"f1": 1.0}),
        (3, "blue?\nNo, red.</think>\na red kite", {"f1": 1.0}),
        (3, "<think>a red kite", {"f1": 0.0}),
        (4, "<think>not mentioned? It is.</think> blue kite", {"adversarial": 0.0}),
        (4, "No information available", {"adversarial": 1.0}),
        (4, "That is not mentioned.", {"adversarial": 1.0}),
        (4, "blue kite", {"adversarial": 0.0}),
    ],
)
def test_scores_by_hand(
    number: int, prediction: str, scores: dict[str, float], made: Callable[..., Locomo]
) -> None:
    """(2, "likely yes; she said so"): gold "Likely yes" is 2 of 5 tokens, F1 = 2·.4·1/1.4."""
    benchmark = made()
    assert benchmark.score(benchmark.samples()[number], prediction) == pytest.approx(scores)


@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
def test_adversarial_letters(protocol: str, made: Callable[..., Locomo]) -> None:
    benchmark = made(protocol=protocol)
    trap = benchmark.samples()[4]
    letters = trap.letters
    assert set(letters.values()) == {"No information available", "blue kite"}
    for letter, words in letters.items():
        assert f"({letter}) {words}" in trap.question
        for text in (f"({letter})", letter, f"**({letter})**", f"The answer is ({letter.upper()})"):
            right = float(words != "blue kite")
            assert benchmark.score(trap, text) == {"adversarial": right}
    for text in ("blue", "A blue kite", "apple", "Both"):
        assert benchmark.score(trap, text) == {"adversarial": 0.0}


def test_the_trap_is_shown_and_never_the_gold_answer(made: Callable[..., Locomo]) -> None:
    """Two released questions have both: "No" is right there, and "Yes" is what misleads."""
    both = {"question": "Hers?", "adversarial_answer": "Yes", "answer": "No", "category": 5}
    for protocol in ("benchmark", "paper"):
        (trap,) = made({**conversation(), "qa": [both]}, protocol=protocol).samples()
        assert sorted(trap.letters.values()) == ["No information available", "Yes"]


@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
def test_no_released_trap_scores(protocol: str, locomo_file: Path) -> None:
    """Word for word, and with an article or its letter in front; but two say "Not mentioned"."""
    benchmark = Locomo(path=str(locomo_file), protocol=protocol, categories=[5])
    benchmark.load()
    agreeing = []
    for sample in benchmark.samples():
        ((letter, trap),) = [option for option in sample.letters.items() if option[1] != NOT_TOLD]
        forms = (trap, f"A {trap}", f"({letter}) {trap}", f"**({letter})**", f"({letter})", letter)
        scores = {benchmark.score(sample, form)["adversarial"] for form in forms}
        if scores != {0.0}:
            agreeing.append(trap)
        (right,) = set("ab") - {letter}
        for form in (right, f"({right})", f"**({right})**", f"Answer: ({right})", NOT_TOLD):
            assert benchmark.score(sample, form) == {"adversarial": 1.0}
    assert agreeing == ["Not mentioned", "Not mentioned"]


def test_accents_are_taken_apart_in_the_paper_alone(made: Callable[..., Locomo]) -> None:
    """LoCoMo's scorer leaves them; the authors' takes them apart."""
    row = {"question": "Where?", "answer": "Ceann Sib\u00e9al", "category": 4}
    for protocol, f1 in (("benchmark", 0.5), ("paper", 1.0)):
        benchmark = made({**conversation(), "qa": [row]}, protocol=protocol)
        (sample,) = benchmark.samples()
        assert benchmark.score(sample, "Ceann Sibe\u0301al") == {"f1": f1}
        assert benchmark.score(sample, "Ceann Sib\u00e9al") == {"f1": 1.0}


def test_another_file_is_marked(made: Callable[..., Locomo]) -> None:
    deviations = made().data().deviations
    assert "the rows are not those of the released locomo10.json" in deviations
    assert any("1: 1, 2: 1" in d for d in deviations)


def test_category_selection(made: Callable[..., Locomo]) -> None:
    assert [s.category for s in made(categories=[2, 4]).samples()] == [2, 4]
    with pytest.raises(InvalidInput, match="bench.categories has 6"):
        Locomo(categories=[6])
    with pytest.raises(InvalidInput, match="bench.protocol is 'mine'"):
        Locomo(protocol="mine")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"conversation": {}, "qa": []}, "row 1: 'sample_id' is missing"),
        ({"sample_id": "x", "qa": []}, "row 1: 'conversation' is missing"),
        (
            {"sample_id": "x", "conversation": {}},
            "row 1: 'conversation.speaker_a' is missing .and 2 more",
        ),
        ({**conversation(), "qa": [{"category": 1}]}, r"'qa\[0\].question' is missing"),
        (
            {**conversation(), "qa": [{"question": "q", "category": 9, "answer": ""}]},
            r"'qa\[0\].category' is 9, and the categories are 1 to 5",
        ),
        (
            {**conversation(), "qa": [{"question": "q", "category": 4}]},
            r"'qa\[0\]' lacks an 'answer'",
        ),
        ("text", "row 1 holds text, not a row"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_rows_of_the_wrong_shape(row: Any, sentence: str, made: Callable[..., Locomo]) -> None:
    with pytest.raises(InvalidData, match=sentence):
        made(row)


def spoilt(place: str, value: Any) -> dict[str, Any]:
    """A conversation in which one field, named as in a message, holds something else."""
    row: Any = conversation()
    *path, last = [int(k) if k.isdigit() else k for k in re.findall(r"\w+", place)]
    at = row
    for key in path:
        at = at[key]
    at[last] = value
    return dict(row)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("conversation.session_1[0].speaker", None, "is null; text is expected"),
        ("conversation.session_1[0].speaker", " ", "is blank"),
        ("conversation.session_1[1].text", None, "is null; text is expected"),
        ("conversation.session_1[1].text", ["a"], "is a list; text is expected"),
        ("conversation.session_1[1]", "Hi", "is text (Hi); an object is expected"),
        ("conversation.session_1", "Hi", "is text (Hi); a list is expected"),
        ("conversation.session_1_date_time", 5, "is a number (5); text is expected"),
        ("conversation", [], "is a list; an object is expected"),
        ("qa[0].answer", ["kite"], "is a list; text or a number is expected"),
        ("qa[0].answer", {"a": 1}, "is an object; text or a number is expected"),
        ("qa[0].answer", True, "is true or false; text or a number is expected"),
        ("qa[0].answer", math.nan, "is a number (nan); text or a number is expected"),
        ("qa[0].category", True, "is true or false; a whole number is expected"),
        ("qa[0].category", "1", "is text (1); a whole number is expected"),
        ("qa[0].question", None, "is null; text is expected"),
        ("qa[0].evidence", "D1:2", "is text (D1:2); a list is expected"),
        ("qa[4].adversarial_answer", [], "is a list; text or a number is expected"),
        ("sample_id", None, "is null; text or a number is expected"),
    ],
    ids=str,
)
def test_a_field_that_does_not_fit(
    place: str, value: Any, said: str, made: Callable[..., Locomo], tmp_path: Path
) -> None:
    with pytest.raises(InvalidData) as fault:
        made(spoilt(place, value))
    assert str(fault.value) == f"{tmp_path / 'locomo.json'}, row 1: '{place}' {said}"


def test_what_the_release_and_tables_hold(made: Callable[..., Locomo]) -> None:
    """A session may have a date alone, a table has nulls for what a row lacks."""
    row = conversation(session_4=None, session_4_date_time=None, session_5_date_time="5 May")
    row["conversation"]["session_1"][0].update(blip_caption=None, img_url=None, query=None)
    row["qa"][3].update(answer=7.5, adversarial_answer=None, evidence=None)
    benchmark = made({**row, "event_summary": None})
    assert contents(benchmark) == contents(made())
    assert benchmark.samples()[3].references == ("7.5",)
    assert benchmark.samples()[3].evidence == []


def test_sessions_with_one_number(made: Callable[..., Locomo]) -> None:
    with pytest.raises(InvalidData, match="row 1: 'conversation' has session 1 twice"):
        made(conversation(session_01=[]))


def test_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="CC BY-NC 4.0.*HF_HUB_OFFLINE is set.*bench.path=FILE"):
        Locomo().load()
    with pytest.raises(Unavailable, match="nowhere.json: there is no such file"):
        Locomo(path="nowhere.json").load()
    (tmp_path / "locomo10.json").write_text("{}")
    with pytest.raises(InvalidData, match="holds no row"):
        Locomo().load()
