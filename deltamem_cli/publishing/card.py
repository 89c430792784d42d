"""The card of a published adapter: what ``deltamem train`` wrote, with results and an address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.counts import counted
from deltamem_base.faults import first_line
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.missing_runs import benchmark_words
from deltamem_cli.settings.groups import about, options

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

    from deltamem_cli.publishing.backbone import NamedBackbone
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import StoredRecord

__all__ = ["published_card"]

RESULTS, LICENCE = "Results", "Licence"
NOTHING_MEASURED = (
    "No evaluation of these weights was published with them; the commands below make one."
)

SEEN = (
    "context none: the history was written to the memory and is gone from the prompt; visible: the "
    "prompt still has it"
)


def published_card(
    text: str,
    records: Sequence[StoredRecord],
    *,
    address: str,
    backbone: NamedBackbone,
    licence: str | None,
    where: Path,
) -> str:
    """A card with the sections and the metadata that only publishing knows.

    Args:
        text: of the folder's own card, whose other sections and metadata stay as they are.
        records: of these weights, and of the bare backbone beside them.
        address: ``OWNER/NAME``, or ``OWNER/NAME@BRANCH``.
        backbone: of the adapter.
        licence: by the hub's id, such as ``cc-by-4.0``; None keeps what the card says.
        where: the card's file, for a message.

    Raises:
        UsageError: metadata that cannot be read.
    """
    from deltamem.adapter.card import LOADING, how_to_load, with_section

    card = _card(text, where)
    own = [stored.record for stored in records if stored.record.weights_sha]
    _fill(card.data, own, address=address, licence=licence)
    body = card.text
    if own or f"\n## {RESULTS}\n" not in body:
        body = with_section(body, RESULTS, _results(records, own), before=LOADING)
    evaluations = _evaluations(own) or [("context=none",)]
    lines = how_to_load(address, model=backbone.words, evaluations=evaluations, call=backbone.call)
    pinned = f"`{address.partition('@')[0]}@COMMIT` pins one version.\n"
    body = with_section(body, LOADING, f"{lines}\n{pinned}")
    card.text = with_section(body, LICENCE, _licence(card.data.get("license")))
    return str(card)


def _card(text: str, where: Path) -> ModelCard:
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        return ModelCard(text)
    except (YAMLError, ValueError, TypeError) as fault:
        reason = first_line(fault)
        raise UsageError(f"the front matter of {where} cannot be read: {reason}") from fault


def _fill(data: Any, own: Sequence[Record], *, address: str, licence: str | None) -> None:
    """Metadata of the front matter; what is there already stays."""
    if licence is not None:
        data["license"] = licence
    if own:
        data["model_name"] = address.partition("@")[0].rpartition("/")[2]
        data["eval_results"] = [result for record in own if (result := _result(record)) is not None]


def _result(record: Record) -> Any | None:
    """An entry of the hub's model-index, which has no place for an interval but in words."""
    from huggingface_hub import EvalResult

    from deltamem.adapter.source import HUB_ID

    metric = record.primary
    if metric is None or record.control != "none":
        return None
    data = record.provenance.data
    published = HUB_ID.fullmatch(data.source)
    low, high = (round(100 * end, 2) for end in metric.ci95)
    questions = f"{counted(metric.n, 'question')} about {counted(metric.clusters, 'history')}"
    return EvalResult(
        task_type="text-generation",
        dataset_type=data.source if published else record.bench,
        dataset_name=record.bench,
        dataset_revision=data.revision if published else None,
        metric_type=record.primary_metric,
        metric_name=(
            f"{record.primary_metric} in %, context={record.context}, 95 % interval "
            f"{low:g} to {high:g} ({questions})"
        ),
        metric_value=round(100 * metric.mean, 2),
        metric_args={
            "ci95": [low, high],
            "context": record.context,
            "protocol": record.protocol,
            "fingerprint": record.fingerprint,
        },
    )


def _results(records: Sequence[StoredRecord], own: Sequence[Record]) -> str:
    """The table of a report, after what its words mean to somebody who never saw one."""
    from deltamem_evaluations.reporting import markdown, results_table

    if not own:
        return NOTHING_MEASURED
    bare = {stored.record.method for stored in records if not stored.record.weights_sha}
    meanings = [f"method {own[0].method}: this adapter"]
    meanings += [f"method {name}: the backbone without it" for name in sorted(bare)]
    meanings.append(SEEN)
    controls = dict.fromkeys(record.control for record in own if record.control != "none")
    meanings += [f"control {name}: {_meaning(name)}" for name in controls]
    told = "\n".join(f"- {sentence}" for sentence in meanings)
    return f"{told}\n\n{markdown(results_table(records))}"


def _meaning(control: str) -> str:
    """The sentence that a control's yaml begins with."""
    first = about("control", control) if control in options("control") else "unknown"
    return first[:1].lower() + first[1:].rstrip(".")


def _evaluations(own: Sequence[Record]) -> list[tuple[str, ...]]:
    """Words of the evaluations that were run, each once."""
    words = [tuple(benchmark_words(record)) for record in own if record.control == "none"]
    return list(dict.fromkeys(words))


def _licence(stated: str | None) -> str:
    own = f"`{stated}`" if stated else "not stated; ask the publisher before use"
    return f"Of these weights: {own}. The backbone and the training data have their own."
