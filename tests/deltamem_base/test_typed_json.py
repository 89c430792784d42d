"""Every file that is not what its type says is one sentence: the key, the value, the rule."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval
from hypothesis import given
from hypothesis import strategies as st

from deltamem_base.faults import InvalidData
from deltamem_base.typed_json import read_typed, typed, typed_text


@dataclass(frozen=True, kw_only=True)
class Part:
    sizes: tuple[int, ...]
    kind: Literal["wide", "deep"] = "wide"


@dataclass(frozen=True, kw_only=True)
class Whole:
    rank: Annotated[int, Interval(ge=1, le=1024)] = 8
    alpha: Annotated[float, Ge(0)] = 1.0
    on: bool = True
    name: str | None = None
    parts: tuple[Part, ...] = ()
    free: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"rank": 0}', "rank is 0; it must be at least 1"),
        ('{"rank": 1e400}', "rank is Infinity; it must be a whole number"),
        ('{"rank": true}', "rank is true; it must be a whole number"),
        ('{"rank": 99999999999999999999}', "rank is 99999999999999999999; it must be at most 1024"),
        ('{"alpha": NaN}', "alpha is NaN; it must be a finite number"),
        ('{"on": "x"}', 'on is "x"; it must be true or false'),
        ('{"name": 5}', "name is 5; it must be text"),
        ('{"parts": [{"sizes": [1, "2"]}]}', r'parts\[0\].sizes\[1\] is "2"; it must be a whole'),
        ('{"parts": [{}]}', r"the key parts\[0\].sizes is missing"),
        ('{"parts": [{"sizes": [], "kind": "z"}]}', "kind is \"z\"; it must be 'wide' or 'deep'"),
        ('{"mystery": 1, "puzzle": 2}', r"the key mystery is unknown \(and 1 more\)"),
        ("[1]", "the content is a list; it must be an object"),
        ("[" * 100_000, "the JSON is nested too deeply"),
        ('{"free": {"a": ' + "[" * 500 + "]" * 500 + "}}", "the JSON is nested too deeply"),
        ('{"rank": 8, "rank": 9}', "the key 'rank' twice"),
        ('{"name": "' + "é" * 90 + '", "rank": "' + "x" * 900 + '"}', 'rank is "x{59}…; it must'),
        ("{", "this is not JSON"),
    ],
)
def test_what_does_not_fit_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InvalidData, match=sentence) as fault:
        read_typed(path, Whole)
    assert str(fault.value).startswith(str(path))
    assert "\n" not in str(fault.value)


NUMBERS = st.floats(0, allow_nan=False, allow_infinity=False)
WHOLES = st.builds(
    Whole,
    rank=st.integers(1, 1024),
    alpha=NUMBERS,
    on=st.booleans(),
    name=st.none() | st.text(st.characters(exclude_categories=("Cs",))),
    parts=st.lists(
        st.builds(Part, sizes=st.lists(st.integers()).map(tuple), kind=st.just("deep"))
    ).map(tuple),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(WHOLES)
def test_what_was_written_is_read(whole: Whole) -> None:
    assert typed_text(json.dumps(asdict(whole)), Whole, where="f") == whole


@given(st.dictionaries(st.sampled_from([*asdict(Whole()), "other"]), PLAIN))
def test_anything_is_read_or_refused(content: Any) -> None:
    try:
        made = typed(content, Whole, where="f")
    except InvalidData:
        return
    assert {key: value for key, value in content.items() if key in ("rank", "on", "name")} == {
        key: getattr(made, key) for key in content if key in ("rank", "on", "name")
    }
    assert "other" not in content
