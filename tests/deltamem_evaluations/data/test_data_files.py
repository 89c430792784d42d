"""Every benchmark that reads files: all forms are one data set, ids are one thing's, and any row
is read or named."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from good_rows import CASES, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_splitter import write_splitter

from deltamem_base.faults import InvalidData
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.benchmarks.locomo import CONTENT, SOURCE, Locomo
from deltamem_evaluations.benchmarks.recall import Recall

each = pytest.mark.parametrize("name", CASES)
CHOICES = {"source", "instruction_id_list", "relation", "question_type", "role"}
"""Fields that hold one of a few words, of which a longer one is none."""


@pytest.fixture(scope="module", autouse=True)
def _splitter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        folder = write_splitter(tmp_path_factory.mktemp("nltk_data"))
        patch.setenv("NLTK_DATA", str(folder))
        yield


def loaded(case: Case, path: Path) -> Benchmark:
    benchmark = case.make(path=str(path))
    benchmark.load()
    return benchmark


def as_lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def forms(case: Case, folder: Path) -> Iterator[Path]:
    """The rows in every form of file and under other names."""
    texts = {
        "official.json": json.dumps(case.rows),
        "indented.json": json.dumps(case.rows, indent=2, ensure_ascii=False),
        "list named lines.jsonl": json.dumps(case.rows),
        "indented list named lines.jsonl": json.dumps(case.rows, indent=2),
        "lines.jsonl": as_lines(case.rows),
        "lines named list.json": as_lines(case.rows),
        "marked.json": "\ufeff" + json.dumps(case.rows),
        "other keys first.json": json.dumps([dict(reversed(row.items())) for row in case.rows]),
        "hub.json": json.dumps(case.hub),
        "hub.jsonl": as_lines(case.hub),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        yield folder / name
    pq.write_table(pa.Table.from_pylist(case.hub), folder / "hub.parquet")
    yield folder / "hub.parquet"


@each
def test_all_forms_are_one_data_set(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    made = [loaded(case, path) for path in forms(case, tmp_path)]
    first = made[0]
    assert len(first.samples()) >= len(case.rows)
    for other in made[1:]:
        assert other.fingerprint() == first.fingerprint()
        assert other.data().content == first.data().content
        assert other.samples() == first.samples()
        for sample in first.samples():
            assert other.history(sample.history_id) == first.history(sample.history_id)
    assert len({benchmark.data().sha256 for benchmark in made}) > 5


@each
def test_a_single_row_in_either_form(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for file in ("row.json", "row.jsonl"):
        (tmp_path / file).write_text(json.dumps(case.rows[0]))
    one, other = (loaded(case, tmp_path / file) for file in ("row.json", "row.jsonl"))
    assert one.fingerprint() == other.fingerprint()
    assert one.data().content != loaded(case, next(forms(case, tmp_path))).data().content


def asked(benchmark: Benchmark) -> list[Any]:
    """All that is written, asked and scored."""
    return [(sample, benchmark.history(sample.history_id)) for sample in benchmark.samples()]


@each
def test_other_content_is_another_data_set(name: str, tmp_path: Path) -> None:
    """Whatever text of a row is changed that a prompt or a score is made of."""
    case = CASES[name]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(case.rows))
    before = loaded(case, path)
    changed: list[Place] = []
    for place in walk(case.rows[0]):
        text = at(case.rows[0], place)
        if not isinstance(text, str) or CHOICES & {*place}:
            continue
        rows = copy.deepcopy(case.rows)
        put(rows[0], place, f"{text} Zzyzx")
        path.write_text(json.dumps(rows))
        after = loaded(case, path)
        if asked(after) != asked(before):
            changed.append(place)
            assert after.fingerprint() != before.fingerprint(), place
    assert changed


def test_the_released_rows_in_another_form(locomo_file: Path, tmp_path: Path) -> None:
    rows = json.loads(locomo_file.read_text())
    (tmp_path / "mine.json").write_text(as_lines(rows), encoding="utf-8")
    released, mine = Locomo(path=str(locomo_file)), Locomo(path=str(tmp_path / "mine.json"))
    for benchmark in (released, mine):
        benchmark.load()
        assert benchmark.data().content == CONTENT
        assert benchmark.data().deviations == ()
    assert mine.fingerprint() == released.fingerprint()
    assert released.data().sha256 == SOURCE.sha256 != mine.data().sha256


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.id is not None])
def test_an_id_that_stands_twice(name: str, tmp_path: Path) -> None:
    """Also where what is asked of the two has nothing in common."""
    case = CASES[name]
    assert case.id is not None
    again = {**case.rows[2], case.id: case.rows[0][case.id], "qa": []}
    (tmp_path / "rows.jsonl").write_text(as_lines([*case.rows[:2], again]))
    with pytest.raises(InvalidData, match=r"line 3: an earlier row has its id '.*' already"):
        loaded(case, tmp_path / "rows.jsonl")


def test_two_keys_of_one_object_lose_no_row(tmp_path: Path) -> None:
    row = json.dumps(CASES["hotpotqa"].rows[0])
    (tmp_path / "rows.json").write_text(f'{{"a": {row}, "a": {row}}}')
    with pytest.raises(InvalidData, match=r"rows.json, line 1: an object has the key 'a' twice"):
        loaded(CASES["hotpotqa"], tmp_path / "rows.json")


@pytest.mark.parametrize("setting", [{"facts": [1, 1]}, {"kinds": ["update", "update"]}])
def test_histories_made_twice(setting: dict[str, Any]) -> None:
    with pytest.raises(InvalidData, match=r"bench.facts=.*: an earlier row has its id 'test-"):
        Recall(**setting).load()


def test_nothing_to_ask(tmp_path: Path) -> None:
    row = {**CASES["locomo"].rows[0], "qa": []}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    with pytest.raises(InvalidData, match=r"locomo10.json holds no question to ask"):
        loaded(CASES["locomo"], tmp_path / "rows.json")


Place = tuple[str | int, ...]


def walk(value: Any, place: Place = ()) -> Iterator[Place]:
    """The place of every value inside another."""
    inner: dict[Any, Any] = {}
    if isinstance(value, dict | list):
        inner = value if isinstance(value, dict) else dict(enumerate(value))
    for key, child in inner.items():
        yield (*place, key)
        yield from walk(child, (*place, key))


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def put(value: Any, place: Place, new: Any) -> None:
    at(value, place[:-1])[place[-1]] = new


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["\ud800", " ", "conv-2"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["speaker", "title", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@each
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_row_is_read_or_named(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """A field of a good row is dropped or holds something else, in either form."""
    case = CASES[name]
    rows = copy.deepcopy(data.draw(st.sampled_from([case.rows, case.hub])))
    place = data.draw(st.sampled_from(list(walk(rows[1]))))
    if data.draw(st.booleans()):
        del at(rows[1], place[:-1])[place[-1]]
    else:
        put(rows[1], place, data.draw(JSON))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        benchmark = loaded(case, path)
    except InvalidData as fault:
        assert "rows.jsonl, line " in str(fault)
        return
    benchmark.fingerprint()
    for sample in benchmark.samples():
        benchmark.history(sample.history_id)
        benchmark.decoding(sample)
        benchmark.score(sample, "A: Bo, a red kite")
