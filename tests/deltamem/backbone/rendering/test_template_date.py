"""A chat template's today: what Python's own strftime says of that day, whatever is asked."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deltamem import InvalidInput
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE, check_date, dated_template

TALK = [{"role": "user", "content": "x"}]
LETTERS = "aAbBcdfGHIjmMpSuUVwWxXyYzZ%"


def rendered(tokenizer: Any, template: str, day: str) -> str:
    made = dated_template(template, day)
    return tokenizer.apply_chat_template(TALK, tokenize=False, chat_template=made)


@settings(max_examples=12)
@given(
    day=st.dates(date(1970, 1, 1)),
    parts=st.lists(
        st.sampled_from([f"%{c}" for c in LETTERS]) | st.sampled_from([" ", "d", "B", ", "]),
        min_size=1,
        max_size=8,
    ),
)
@example(day=date(2024, 2, 29), parts=[f"%{c}|" for c in LETTERS])
@example(day=date(2025, 1, 5), parts=["%%d", "%%%d", "%", "%"])
def test_any_format_of_any_day(day: Any, parts: list[str], tiny: Any) -> None:
    asked = "".join(parts)
    wanted = datetime(day.year, day.month, day.day).strftime(asked)
    template = f"{{% set now = strftime_now('{asked}') %}}<{{{{ now }}}}>"
    assert rendered(tiny.tokenizer, template, day.isoformat()) == f"<{wanted}>"


def test_without_leading_zeros(tiny: Any) -> None:
    template = "{{ strftime_now('%-d.%-m.%Y, %-H') }}"
    assert rendered(tiny.tokenizer, template, "2025-07-01") == "1.7.2025, 0"


@pytest.mark.parametrize("start", ["", "\n", "  ", "\n  "])
def test_nothing_else_of_the_template_changes(start: str, tiny: Any) -> None:
    """Compared with the same template where the day is written out."""
    body = "{% if true %}\n  a\n    {% endif %}\nb {{ strftime_now('%Y') }}\n"
    plain = start + body.replace("strftime_now('%Y')", "'2025'")
    wanted = tiny.tokenizer.apply_chat_template(TALK, tokenize=False, chat_template=plain)
    assert rendered(tiny.tokenizer, start + body, "2025-07-01") == wanted


def test_a_template_that_never_asks_is_left_alone() -> None:
    assert dated_template("{{ messages }}", "2025-07-01") == "{{ messages }}"


def test_dates() -> None:
    check_date(TEMPLATE_DATE)
    for day in ("2025-02-30", "today", "2025"):
        with pytest.raises(InvalidInput, match=f"template_date is '{day}'; use a day such as"):
            check_date(day)
