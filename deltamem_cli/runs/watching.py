"""Write a history of a stored run again, and watch the memory at every turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_method, load_backbone
from deltamem_cli.runs.chosen_weights import adapter_of_sha
from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.from_record import rebuild
from deltamem_cli.settings.groups import method_settings
from deltamem_cli.settings.recorded_settings import RecordedSettings

if TYPE_CHECKING:
    from deltamem.memory.inspection import TurnNumbers
    from deltamem_evaluations.records.record import Record

__all__ = ["WatchedHistory", "turns_of_run"]


@dataclass(frozen=True, kw_only=True)
class WatchedHistory:
    """One history of a run, as it was written again."""

    name: str
    turns: Sequence[TurnNumbers]
    texts: Sequence[str]
    """Words of each turn; none where the benchmark's are confidential."""


def turns_of_run(
    record: Record,
    settings: Sequence[str] = (),
    *,
    console: Console,
    runs: Path,
    history: str | None = None,
) -> WatchedHistory:
    """Write one history of a run again, with its own settings, and watch every turn.

    Args:
        record: of the run.
        settings: words of ``deltamem eval`` that the record cannot give, such as folders.
        console: prints.
        runs: folder of the run, where its adapter may lie, too.
        history: its id; None is the first.

    Raises:
        UsageError: a method without a state, another adapter, backbone or benchmark than the
            record's, or a history that the run did not ask about.
    """
    if not method_settings(record.method)["needs_adapter"]:
        raise UsageError(
            f"{record.cell} is a run of method={record.method}, which has no memory state; inspect "
            "one of method=delta_mem"
        )

    def watch(composed: Composed) -> WatchedHistory:
        request = EvaluationRequest.of(composed)
        places = [] if named else [runs]
        return _watch(request, record, history, places=places, console=console)

    named = any(word.startswith(("adapter=", "writer")) for word in settings)
    # the sha says which adapter it was, wherever that lies now
    return rebuild(record, settings, watch, but=() if named else ("adapter",))


def _watch(
    request: EvaluationRequest,
    record: Record,
    history: str | None,
    *,
    places: Sequence[Path],
    console: Console,
) -> WatchedHistory:
    """Write a history again.

    Args:
        request: the evaluation of the run.
        record: of the run.
        history: its id; None is the first.
        places: folders of runs where the adapter may lie; none where one was named.
        console: prints.
    """
    from deltamem.memory.observation import turn_texts
    from deltamem_evaluations.runner import run_history

    benchmark = request.benchmark
    with told_of_downloads(console.note):
        benchmark.load()
    _same("benchmark (protocol and data)", benchmark.fingerprint(), record.fingerprint)
    backbone = load_backbone(request.backbone, console)
    made = record.provenance
    _same("backbone", backbone.fingerprint, str(made.backbone.model_fingerprint))
    chosen = None
    if places:
        before = RecordedSettings.of(record).adapter
        names = [] if before is None else [before]
        sha = str(made.method.adapter_sha)
        chosen = adapter_of_sha(request.weights, sha, folders=places, names=names)
    method = assemble_method(request, backbone, chosen=chosen)
    _same("adapter", method.memory.sha, str(made.method.adapter_sha))
    samples = benchmark.samples()[: record.n.expected]
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
        writes=request.control.writes,
        order=order,
    )
    _, turns = method.observe(written)
    texts = [] if benchmark.confidential else turn_texts(method.watched(written)[0])
    return WatchedHistory(name=name, turns=turns, texts=texts)


def _same(what: str, found: str, stored: str) -> None:
    if found != stored:
        raise UsageError(
            f"the {what} here is {found[:12]}, but the run used {stored[:12]}: name that "
            "one with adapter=FOLDER, model.id=ID or bench.path=FILE"
        )
