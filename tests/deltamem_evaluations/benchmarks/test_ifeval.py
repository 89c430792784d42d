"""IFEval: both file formats, lm-eval's numbers, and what is missing said before any answer."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentence_splitter import write_splitter

from deltamem_base.assets.catalogue import PUNKT
from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmark import Scored
from deltamem_evaluations.benchmarks.ifeval import IFEval
from deltamem_evaluations.metrics.statistics import GroupMean
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run

ROWS: list[dict[str, Any]] = [
    {
        "key": 1000,
        "prompt": "  Write about a cat without commas, in *three* highlights, in 5 words. ",
        "instruction_id_list": [
            "punctuation:no_comma",
            "detectable_format:number_highlighted_sections",
            "length_constraints:number_words",
        ],
        "kwargs": [{}, {"num_highlights": 1}, {"relation": "at least", "num_words": 5}],
    },
    {
        "key": 1001,
        "prompt": "Antworte auf Deutsch, und nenne die Katze – „Mieze“.",
        "instruction_id_list": ["language:response_language", "keywords:existence"],
        "kwargs": [{"language": "de"}, {"keywords": ["Katze", "Mieze"]}],
    },
    {
        "key": 1002,
        "prompt": "Say it in at most two sentences, in JSON or not, all in small letters.",
        "instruction_id_list": [
            "length_constraints:number_sentences",
            "change_case:english_lowercase",
            "change_case:capital_word_frequency",
        ],
        "kwargs": [
            {"num_sentences": 3, "relation": "less than"},
            {},
            {"capital_frequency": 1, "capital_relation": "less than"},
        ],
    },
    {
        "key": 1003,
        "prompt": "Repeat this. Then answer.\n\n",
        "instruction_id_list": ["combination:repeat_prompt"],
        "kwargs": [{"prompt_to_repeat": "Repeat this. Then answer."}],
    },
]
RESPONSES = {
    1000: "The *cat* sat on the mat.",
    1001: "Die Katze heißt Minka und schläft den ganzen Tag auf dem Sofa.",
    1002: "Sure thing:\nit is a small cat. it sleeps all day on the sofa.",
    1003: "Of course.\nRepeat this. Then answer. Here it is.",
}
FOLLOWED = {
    1000: ([True, True, True], [True, True, True]),
    1001: ([True, False], [True, False]),
    1002: ([True, False, True], [True, True, True]),
    1003: ([False], [True]),
}
"""By reading: strict and loose. 1002 and 1003 become right without their first line."""


@pytest.fixture(scope="module")
def nltk_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_splitter(tmp_path_factory.mktemp("nltk_data"))


@pytest.fixture(autouse=True)
def _punkt(nltk_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("NLTK_DATA", str(nltk_data))


def official(rows: Sequence[Any], path: Path) -> Path:
    """A line per prompt, with the arguments that are set."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def hub(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Every argument of any instruction in every row, null where it is not set."""
    names = sorted({name for row in rows for kwargs in row["kwargs"] for name in kwargs})
    full = [
        {**row, "kwargs": [{n: kwargs.get(n) for n in names} for kwargs in row["kwargs"]]}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(full), path)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., IFEval]:
    def make(*rows: Any, **settings: Any) -> IFEval:
        path = official(rows or ROWS, tmp_path / "input.jsonl")
        benchmark = IFEval(path=str(path), **settings)
        benchmark.load()
        return benchmark

    return make


def scored(benchmark: IFEval, responses: dict[int, str]) -> list[Scored]:
    return [
        Scored(sample=s, scores=benchmark.score(s, responses[int(s.id)]))
        for s in benchmark.samples()
    ]


def test_verdicts_by_reading(made: Callable[..., IFEval]) -> None:
    benchmark = made()
    for sample in benchmark.samples():
        scores = benchmark.score(sample, RESPONSES[int(sample.id)])
        for mode, followed in zip(("strict", "loose"), FOLLOWED[int(sample.id)], strict=True):
            assert scores[f"prompt_{mode}"] == float(all(followed))
            assert scores[f"instruction_{mode}"] == pytest.approx(sum(followed) / len(followed))
            kinds = [scores[f"{mode}:{kind}"] for kind in sample.instructions]
            assert kinds == [float(yes) for yes in followed]


def test_the_means_are_those_of_lm_eval(made: Callable[..., IFEval], tmp_path: Path) -> None:
    """On many responses: also empty ones, and those of other prompts."""
    benchmark = made()
    from lm_eval.tasks.ifeval.utils import agg_inst_level_acc, process_results

    texts = [*RESPONSES.values(), "", "  \n", "ONE, TWO, *THREE*!", "ein Text, der lang ist."]
    for shift in range(len(texts)):
        answers = {row["key"]: texts[(i + shift) % len(texts)] for i, row in enumerate(ROWS)}
        theirs = [process_results(row, [answers[row["key"]]]) for row in ROWS]
        ours = benchmark.metrics(scored(benchmark, answers))
        for mode in ("strict", "loose"):
            by_prompt = [r[f"prompt_level_{mode}_acc"] for r in theirs]
            assert ours[f"prompt_{mode}"].mean == sum(by_prompt) / len(by_prompt)
            wanted = agg_inst_level_acc([r[f"inst_level_{mode}_acc"] for r in theirs])
            assert ours[f"instruction_{mode}"].mean == pytest.approx(wanted, abs=1e-12)


def test_instructions_weigh_the_same_and_prompts_are_clusters(made: Callable[..., IFEval]) -> None:
    """Strict: 3 + 1 + 2 + 0 of 9 instructions, and 1 of 4 prompts."""
    benchmark = made()
    metrics = benchmark.metrics(scored(benchmark, RESPONSES))
    assert list(metrics) == [
        "prompt_strict",
        "prompt_loose",
        "instruction_strict",
        "instruction_loose",
    ]
    strict = metrics["instruction_strict"]
    assert strict.mean == pytest.approx(6 / 9)
    assert (strict.n, strict.clusters, strict.resampled) == (9, 4, "histories")
    assert metrics["instruction_loose"].mean == pytest.approx(8 / 9)
    assert metrics["prompt_strict"].mean == 0.25
    assert metrics["prompt_loose"].mean == 0.75
    assert strict.groups["change_case:english_lowercase"].mean == 0.0
    # of one question there is nothing to resample: the interval is all that a score can be
    assert metrics["prompt_strict"].groups["punctuation:no_comma"] == GroupMean(
        mean=1.0, n=1, lo=0.0, hi=1.0
    )


def test_an_instruction_that_stands_twice(made: Callable[..., IFEval]) -> None:
    twice = {
        "key": 7,
        "prompt": "Say dog and cat",
        "instruction_id_list": ["keywords:existence", "keywords:existence"],
        "kwargs": [{"keywords": ["dog"]}, {"keywords": ["cat"]}],
    }
    benchmark = made(twice)
    metrics = benchmark.metrics(scored(benchmark, {7: "a dog"}))
    assert metrics["instruction_strict"].mean == 0.5
    assert metrics["instruction_strict"].groups["keywords:existence"].n == 2


def test_hub_rows_are_the_official_ones(made: Callable[..., IFEval], tmp_path: Path) -> None:
    from_hub = IFEval(path=str(hub(ROWS, tmp_path / "train-00000.parquet")))
    from_hub.load()
    assert from_hub.samples() == made().samples()
    assert from_hub.samples()[0].values == ROWS[0]["kwargs"]


def test_the_prompt_is_asked_stripped_and_kept_as_it_is(made: Callable[..., IFEval]) -> None:
    benchmark = made()
    sample = benchmark.samples()[3]
    assert sample.question == "Repeat this. Then answer."
    assert sample.prompt == "Repeat this. Then answer.\n\n"
    assert benchmark.history(sample.history_id).messages == ()


def test_scores_repeat_and_leave_the_random_generator_alone(made: Callable[..., IFEval]) -> None:
    """Without a letter lm-eval draws one: the row is marked, and the draw is seeded."""
    drawn = {
        "key": 5,
        "prompt": "Use it twice",
        "instruction_id_list": ["keywords:letter_frequency"],
        "kwargs": [{"letter": "", "let_frequency": 2, "let_relation": "at least"}],
    }
    benchmark = made(drawn)
    assert "1 instructions lack a value" in benchmark.data().deviations[1]
    sample = benchmark.samples()[0]
    random.seed(3)
    before = random.getstate()
    scores = {json.dumps(benchmark.score(sample, "abcdefgh")) for _ in range(20)}
    assert len(scores) == 1
    assert random.getstate() == before


@pytest.mark.parametrize("letter", ["", "ab", None])
def test_a_draw_is_one_and_the_same_in_both_modes(
    letter: str | None, made: Callable[..., IFEval]
) -> None:
    """Whatever was drawn, an answer that follows strictly follows loosely."""
    row = {"key": 5, "prompt": "Say it", "instruction_id_list": [], "kwargs": []}
    for _ in range(8):
        row["instruction_id_list"].append("keywords:letter_frequency")
        row["kwargs"].append({"letter": letter, "let_frequency": 1, "let_relation": "at least"})
    benchmark = made(row)
    assert "8 instructions lack a value" in benchmark.data().deviations[1]
    (sample,) = benchmark.samples()
    for text in "abcdefghijklmnopqrstuvwxyz":
        scores = benchmark.score(sample, f"{text} *{text}*\n{text}")
        assert scores["instruction_strict"] == scores["instruction_loose"]


@pytest.mark.parametrize(
    ("letter", "answer", "followed"),
    [
        ("#", "##", 1.0),
        ("#", "#x xylophone", 0.0),
        ("x", "#x xylophone", 1.0),
        ("É", "éÉ", 1.0),
        ("A", "aA", 1.0),
    ],
)
def test_characters_are_counted(
    letter: str, answer: str, followed: float, made: Callable[..., IFEval]
) -> None:
    row = {
        "key": 5,
        "prompt": "Say it",
        "instruction_id_list": ["keywords:letter_frequency"],
        "kwargs": [{"letter": letter, "let_frequency": 2, "let_relation": "at least"}],
    }
    benchmark = made(row)
    assert len(benchmark.data().deviations) == 1
    scores = benchmark.score(benchmark.samples()[0], answer)
    assert (scores["prompt_strict"], scores["prompt_loose"]) == (followed, followed)


def test_thinking_is_no_part_of_an_answer(made: Callable[..., IFEval]) -> None:
    """A comma in the thinking breaks no rule, and unfinished thinking follows none."""
    benchmark = made(ROWS[0])
    (sample,) = benchmark.samples()
    for thought in ("<think>\nno commas, then\n</think>\n\n", "no commas, then\n</think>\n\n"):
        assert benchmark.score(sample, thought + RESPONSES[1000])["prompt_strict"] == 1.0
    unfinished = benchmark.score(sample, f"<think>\n{RESPONSES[1000]}")
    assert set(unfinished.values()) == {0.0}


@pytest.mark.parametrize(
    ("instruction", "kwargs", "sentence"),
    [
        ("language:response_language", {"language": "xx"}, "language='xx': the languages are en, "),
        (
            "length_constraints:number_words",
            {"num_words": 9, "relation": "around"},
            "relation='around': The supported relation .* but around is given",
        ),
        ("length_constraints:number_words", {"num_words": "9", "relation": "at least"}, "='9'"),
        ("keywords:existence", {"keywords": ["c++", "("]}, "keywords="),
        ("keywords:existence", {"keywords": 3}, "keywords=3"),
        ("combination:repeat_prompt", {}, "no value"),
    ],
    ids=str,
)
def test_values_that_cannot_be_checked(
    instruction: str, kwargs: dict[str, Any], sentence: str, made: Callable[..., IFEval]
) -> None:
    """All of them used to end a run after its answers."""
    row = {"key": 5, "prompt": "x", "instruction_id_list": [instruction], "kwargs": [kwargs]}
    with pytest.raises(InvalidData, match=f"line 1: '{instruction}' does not take .*{sentence}"):
        made(row)


def test_another_size_is_marked(made: Callable[..., IFEval]) -> None:
    assert made().data().deviations == (
        "there are 4 prompts and 9 instructions instead of 541 and 834",
    )


def test_protocols(made: Callable[..., IFEval]) -> None:
    benchmark, paper = made(), made(protocol="paper")
    for made_one, tokens in ((benchmark, 1280), (paper, 1500)):
        decoding = made_one.decoding(made_one.samples()[0])
        assert (decoding.max_new_tokens, decoding.temperature) == (tokens, 0.0)
    assert benchmark.fingerprint() != paper.fingerprint()
    assert benchmark.fingerprint() == made().fingerprint()
    assert len(benchmark.protocol()["checkers"]["punkt_tab"]) == 16
    with pytest.raises(InvalidInput, match="bench.protocol is 'mine'"):
        IFEval(protocol="mine")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"key": None}, "line 1: 'key' is null; text or a number"),
        ({"prompt": 3}, "line 1: 'prompt' is a number"),
        ({"instruction_id_list": []}, "line 1: 'instruction_id_list' is empty"),
        (
            {"instruction_id_list": [["a"]], "kwargs": [{}]},
            r"line 1: 'instruction_id_list\[0\]' is a list",
        ),
        ({"kwargs": [{}]}, "line 1: there are 3 instructions and 1 'kwargs'"),
        ({"kwargs": [{}, "x", {}]}, r"line 1: 'kwargs\[1\]' is text \(x\); an object"),
        (
            {"kwargs": [{"num_words": 3}, {}, {}]},
            "'punctuation:no_comma' does not take 'num_words'",
        ),
        (
            {"instruction_id_list": ["a:b"], "kwargs": [{}]},
            "line 1: the instruction 'a:b' does not exist; there are keywords:existence, ",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_rows_of_the_wrong_shape(
    changes: dict[str, Any], sentence: str, made: Callable[..., IFEval]
) -> None:
    with pytest.raises(InvalidData, match=sentence):
        made({**ROWS[0], **changes})


def test_a_key_that_stands_twice(made: Callable[..., IFEval]) -> None:
    with pytest.raises(InvalidData, match="line 3: an earlier row has its id '1000'"):
        made(ROWS[0], ROWS[1], ROWS[0])


def test_no_sentence_splitter_is_said_and_nothing_downloaded(tmp_path: Path) -> None:
    """In a process of its own: importing lm-eval is what would download."""
    code = (
        "import sys\n"
        "import nltk\n"
        "nltk.data.path[:] = []\n"
        "nltk.download = lambda *a, **k: sys.exit('tried to download')\n"
        "from deltamem_evaluations.benchmarks.ifeval import IFEval\n"
        "from deltamem_base.faults import Unavailable\n"
        "try:\n"
        "    IFEval(path='nowhere.jsonl').load()\n"
        "except Unavailable as fault:\n"
        "    print(fault.exit_code, 'lm_eval' in sys.modules, fault)\n"
    )
    empty = dict.fromkeys(("NLTK_DATA", "DELTAMEM_DATA", "XDG_CACHE_HOME"), str(tmp_path))
    environment = {**os.environ, **empty}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith("4 False IFEval counts sentences with nltk's punkt_tab, which")
    assert "run `deltamem fetch data=punkt_tab`" in done.stdout
    assert "NLTK_DATA" in done.stdout


def test_a_damaged_sentence_splitter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizers" / "punkt_tab" / "english").mkdir(parents=True)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="punkt_tab, which is not on this machine"):
        IFEval(path="nowhere.jsonl").load()


def test_a_packed_sentence_splitter(
    nltk_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm-eval does not find it in a zip file and would download it again."""
    shutil.make_archive(str(tmp_path / "punkt_tab"), "zip", nltk_data / "tokenizers", "punkt_tab")
    (tmp_path / "tokenizers").mkdir()
    (tmp_path / "punkt_tab.zip").rename(tmp_path / "tokenizers" / "punkt_tab.zip")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="holds tokenizers/punkt_tab/english/, unpacked"):
        IFEval(path="nowhere.jsonl").load()


def test_the_splitter_is_found_in_the_data_folder(
    nltk_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NLTK_DATA")
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    (tmp_path / "nltk_data").symlink_to(nltk_data)
    benchmark = IFEval(path=str(official(ROWS, tmp_path / "input.jsonl")))
    benchmark.load()
    assert len(benchmark.samples()) == len(ROWS)


def test_the_splitter_is_found_where_it_was_fetched(
    nltk_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NLTK_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    PUNKT.place.parent.mkdir(parents=True)
    PUNKT.place.symlink_to(nltk_data)
    benchmark = IFEval(path=str(official(ROWS, tmp_path / "input.jsonl")))
    benchmark.load()
    assert len(benchmark.samples()) == len(ROWS)


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import deltamem_evaluations.benchmarks.ifeval.checkers as checkers

    monkeypatch.setattr(checkers, "PACKAGES", ("nltk", "no_such_package"))
    with pytest.raises(Unavailable, match=r"need no_such_package: pip install 'deltamem\[ifev"):
        IFEval(path="nowhere.jsonl").load()


def test_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="nowhere.jsonl: there is no such file"):
        IFEval(path="nowhere.jsonl").load()
    with pytest.raises(Unavailable, match="google/IFEval is not on this machine") as caught:
        IFEval().load()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("context", ["visible", "none"])
def test_from_end_to_end(
    context: str, made: Callable[..., IFEval], tiny: Any, tmp_path: Path
) -> None:
    benchmark = made(*ROWS[:2])
    with SampleStore(tmp_path / context, key="k") as store:
        answered = run(benchmark, Frozen(tiny, context=context), store, plan=Plan())
        rows = dict(store.lines)
    assert [s.sample.id for s in answered] == ["1000", "1001"]
    assert all(row.cut_side is None and row.original_tokens == 0 for row in rows.values())
    assert set(benchmark.metrics(answered)) >= {"prompt_strict", "instruction_loose"}
