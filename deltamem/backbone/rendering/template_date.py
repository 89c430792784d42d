"""The day that a chat template takes for today: fixed, or a prompt would change overnight.

Templates ask by ``strftime_now("%d %B %Y")``, a function that transformers gives them and that
cannot be handed over as an argument. A macro of that name in front of the template comes first.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from deltamem_base.faults import InvalidInput

__all__ = ["TEMPLATE_DATE", "check_date", "dated_template"]

TEMPLATE_DATE = "2025-07-01"
"""Any day would do; it is a part of what identifies a prompt."""
DATE_FORMAT = "%Y-%m-%d"
FUNCTION = "strftime_now"
DIRECTIVES = "aAbBcdfGHIjmMpSuUVwWxXyYzZ"
"""Letters of strftime; ``-`` before a letter drops the leading zero."""
PERCENT = "\ue002"
"""Stands for a doubled percent sign while the others are replaced."""


def check_date(date: str) -> None:
    """Refuse what is not a date.

    Raises:
        InvalidInput: not of the form YYYY-MM-DD, or no day of the calendar.
    """
    try:
        datetime.strptime(date, DATE_FORMAT)
    except ValueError as fault:
        raise InvalidInput(
            f"template_date is '{date}'; use a day such as {TEMPLATE_DATE}"
        ) from fault


@lru_cache(maxsize=16)
def dated_template(template: str, date: str) -> str:
    """The template with ``date``, midnight, in the place of now; itself if it never asks."""
    if FUNCTION not in template:
        return template
    day = datetime.strptime(date, DATE_FORMAT)
    values = {f"%{letter}": day.strftime(f"%{letter}") for letter in DIRECTIVES}
    values |= {f"%-{key[1]}": v.lstrip("0") or "0" for key, v in values.items() if v.isdigit()}
    replaced = [("%%", PERCENT), *values.items(), (PERCENT, "%")]
    chain = "".join(f" | replace('{old}', '{new}')" for old, new in replaced)
    # the line feed after a block is not a part of the text
    macro = f"{{% macro {FUNCTION}(format) %}}{{{{ format{chain} }}}}{{% endmacro %}}\n"
    return macro + template
