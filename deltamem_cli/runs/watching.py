"""Write a history of a stored run again, and watch the memory at every turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_method, load_model
from deltamem_cli.settings.compose import method_settings
from deltamem_cli.settings.from_record import rebuild
from deltamem_cli.settings.instantiate import build, check_types

if TYPE_CHECKING:
    from deltamem.memory.inspection import TurnNumbers
    from evaluations.records.record import Record

__all__ = ["Turns", "turns_of_run"]

Turns = Sequence["TurnNumbers"]


def turns_of_run(
    record: Record, settings: Sequence[str] = (), *, history: str | None = None
) -> tuple[str, Turns]:
    """Write one history of a run again, with its own settings, and watch every turn.

    Args:
        record: of the run.
        settings: words of ``deltamem eval`` that the record cannot give, such as folders.
        history: its id; None is the first.

    Returns:
        The id of the history, and the numbers of each turn.

    Raises:
        UsageError: a method without a state, another adapter, backbone or benchmark than the
            record's, or a history that the run did not ask about.
    """
    if not method_settings(record.method).needs_adapter:
        raise UsageError(
            f"{record.cell} is a run of method={record.method}, which has no memory state; inspect "
            "one of method=delta_mem"
        )
    return rebuild(record, settings, lambda config: _watch(config, record, history))


def _watch(config: Any, record: Record, history: str | None) -> tuple[str, Turns]:
    from evaluations.runner import run_history

    check_types(config)
    benchmark = build(config.bench)
    benchmark.load()
    _same("benchmark (protocol and data)", benchmark.fingerprint(), record.fingerprint)
    backbone = load_model(config)
    method = assemble_method(config, backbone)
    stored = record.provenance["method"]
    _same("backbone", backbone.fingerprint, stored["model_fingerprint"])
    _same("adapter", method.memory.sha, stored["adapter_sha"])
    samples = benchmark.samples()[: record.n["expected"]]
    order = list(dict.fromkeys(sample.history_id for sample in benchmark.samples()))
    asked = list(dict.fromkeys(sample.history_id for sample in samples))
    name = asked[0] if history is None else history
    if name not in asked:
        raise UsageError(
            f"the run asked nothing about a history '{name}'; it has {len(asked)}: "
            f"{', '.join(asked[:6])}{', ...' if len(asked) > 6 else ''}"
        )
    written = run_history(
        benchmark,
        [sample for sample in samples if sample.history_id == name],
        writes=config.control.writes,
        order=order,
    )
    return name, method.observe(written)[1]


def _same(what: str, found: str, stored: str) -> None:
    if found != stored:
        raise UsageError(
            f"the {what} is {found[:12]} and the record's is {stored[:12]}: name the one of the "
            "run, as adapter=FOLDER, model.id=… or bench.path=…"
        )
