"""Writers as plain values and back: the ``writer`` node of an adapter folder.

    {"name": "segment", "num_states": 1, "unit": "message"}

A file names no class. Its name is looked up among the writers that this program has imported, then
among our own modules, then among installed plug-ins: entry points of the group
``deltamem.writers``, whose names are those of their writers.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import entry_points

import deltamem.writers as package
from deltamem.writers.writer import KNOWN, Writer
from deltamem_base.faults import InvalidInput, first_line
from deltamem_base.typed_json import typed

__all__ = ["PLUG_INS", "check_stored_whole", "stored_writer", "writer_class", "writer_of"]

PLUG_INS = "deltamem.writers"
"""Group of entry points under which a package registers its writers."""


def stored_writer(writer: Writer) -> dict[str, object]:
    """The plain values that stand for a writer in a file."""
    fields: dict[str, object] = json.loads(json.dumps(asdict(writer)))
    return {"name": writer.name, **fields}


def writer_of(node: Mapping[str, object]) -> Writer:
    """The writer that plain values stand for; see :func:`stored_writer`.

    Raises:
        InvalidInput: a name that no writer here has.
        InvalidData: fields that are not those of its class.
    """
    name = node.get("name")
    if not isinstance(name, str):
        raise InvalidInput(f"the writer has the name {name!r}; it must be text")
    fields = {key: value for key, value in node.items() if key != "name"}
    return typed(fields, writer_class(name), where=f"the writer '{name}'")


def writer_class(name: str) -> type[Writer]:
    """The class of writers with a name.

    Raises:
        InvalidInput: no writer has it, or the plug-in that brings it cannot be imported.
    """
    if name not in KNOWN:
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    if name not in KNOWN:
        for entry in entry_points(group=PLUG_INS, name=name):
            try:
                entry.load()
            except Exception as fault:
                raise InvalidInput(
                    f"the plug-in {entry.value} that brings the writer '{name}' cannot be imported "
                    f"({first_line(fault)})"
                ) from fault
    if name not in KNOWN:
        raise InvalidInput(
            f"there is no writer '{name}'; choose one of {', '.join(sorted(KNOWN))}, or "
            "install the package that brings it or import its module first"
        )
    return KNOWN[name]


def check_stored_whole(writer: Writer) -> None:
    """Refuse a writer that a file could not give back, before anything is trained with it.

    Raises:
        InvalidInput: a field that holds no plain value, or one that comes back as another.
    """
    try:
        same = typed(asdict(writer), type(writer), where="writer") == writer
    except Exception as fault:
        raise InvalidInput(
            f"the writer '{writer.name}' cannot be stored with its adapter: its fields must be "
            f"numbers, text, booleans, null, or tuples of them ({first_line(fault)})"
        ) from fault
    if not same:
        raise InvalidInput(
            f"the writer '{writer.name}' cannot be stored with its adapter: {writer!r} comes back "
            "as another value"
        )
