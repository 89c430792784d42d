"""Overrides are read by Hydra's own parser as the values that were written."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from deltamem_cli.errors import UsageError
from deltamem_cli.settings.grammar import key_of, read, value_of, word, write, write_bare

HARD = st.text("ab1',\"\\[]{}()=:./$+~ \t\n\r#%@?é\u2028\x00")
"""What has a meaning in the grammar, in a shell or in a terminal."""
TEXT = st.text(st.characters(exclude_categories=("Cs",))) | HARD
NUMBERS = st.integers() | st.floats(allow_nan=False)
AS_TEXT = NUMBERS.map(str) | st.sampled_from(["null", "True", "NaN", "-inf", "1_000", "0x1", ""])
KEYS = st.from_regex(r"[a-z_][a-z0-9_.-]*", fullmatch=True).filter(
    lambda key: key not in ("null", "true", "false", "inf", "nan")
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | AS_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def parsed(override: str) -> Any:
    return OverridesParser.create().parse_override(override)


@given(VALUES)
@example("it's \\")
@example("a\\'b, c")
@example("${model.id}")
@example([["", "1"], {"a": {"b": [None, "null"]}}])
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    for text in (write(value), write_bare(value)):
        override = parsed(f"a.b={text}")
        assert not override.is_sweep_override()
        found = override.value()
        assert (found, type(found)) == (value, type(value))
        assert read(text) == value


@given(KEYS, VALUES)
def test_a_word_has_the_key_and_the_value(key: str, value: Any) -> None:
    for sign in ("", "+", "++"):
        override = sign + word(key, value)
        assert (key_of(override), value_of(override)) == (key, value)


def test_quotes_stand_only_where_they_are_needed() -> None:
    assert word("bench.path", "data/a-1.json") == "bench.path=data/a-1.json"
    assert word("bench.path", "my data.json") == "bench.path='my data.json'"
    assert word("system", "True") == "system='True'"
    assert word("seed", "7") == "seed='7'"
    assert word("bench.facts", [1, 2]) == "bench.facts=[1,2]"


@pytest.mark.parametrize("text", ["a,b", "[a", "'a", "choice(1,2)", "é"])
def test_what_is_no_single_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="value"):
        read(text)


@pytest.mark.parametrize("key", ["a b", "1", "null", "é", "a:b", "", 1])
def test_a_key_without_a_way_to_write_it_is_refused(key: Any) -> None:
    with pytest.raises(UsageError, match="cannot be the key"):
        write({key: 1})
