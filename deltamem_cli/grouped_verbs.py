"""The help of ``deltamem``: its verbs in groups, by what a person is about to do."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from typer.core import TyperGroup

__all__ = ["GroupedVerbs"]

EXAMPLE = ": deltamem "
"""Parts the sentence of a verb from its example, which the help of the verb itself shows."""


class GroupedVerbs(TyperGroup):
    """Lists verbs under the titles that they were registered with, whole sentences each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups in the order of their verbs.

        Args:
            ctx: of the call.
            formatter: takes the sections.
        """
        width = max(map(len, self.commands))
        for title, verbs in groupby(self.commands.values(), key=_group):
            with formatter.section(title):
                formatter.write_dl([(f"{v.name:<{width}}", _sentence(v.help or "")) for v in verbs])


def _group(verb: Any) -> str:
    title: str = verb.rich_help_panel
    return title


def _sentence(text: str) -> str:
    """The first sentence of a help text, without its example."""
    return text.partition("\n\n")[0].replace("\n", " ").partition(EXAMPLE)[0].rstrip(".")
