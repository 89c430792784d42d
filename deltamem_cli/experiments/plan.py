"""From an experiment's yaml to its cells: rows by columns, each with the words that make it.

A row says what is trained and evaluated, a column on what. A cell's key is a hash of everything
that its two configurations hold, files that they name included; so two experiments that share a
cell share its run, and nothing is run twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError
from deltamem_cli.experiments.merged_words import Words, merged, replaced, value_of
from deltamem_cli.runs.build import is_trained, naming_weights
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.grammar import write
from deltamem_cli.settings.groups import about
from deltamem_cli.settings.identity import content_hash
from deltamem_cli.settings.run_key import planned_key

if TYPE_CHECKING:
    from deltamem_evaluations.records.experiment import Unrun

__all__ = ["Cell", "Draft", "Plan", "make_drafts", "make_plan"]

DEFAULT_METHOD, DEFAULT_BENCH, DEFAULT_MODEL = "delta_mem", "recall", "tiny"
"""Options that `deltamem eval` takes by default."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One evaluation, and the training that it needs."""

    row: str
    """Label of the row, with the seed where there are several."""
    column: str
    named: str
    """Name of the row in the experiment's yaml."""
    seed: int
    """Seed of the training."""
    train: Words | None
    """Words of `deltamem train`; None where nothing is trained."""
    evaluate: Words
    """Words of `deltamem eval`, without the adapter."""
    training: Composed | None
    """The config that ``train`` composes."""
    evaluation: Composed
    """The config that ``evaluate`` composes."""
    train_key: str | None
    key: str
    model: str
    bench: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of an experiment."""

    name: str
    title: str
    cells: Sequence[Cell]
    rows: Sequence[str]
    columns: Sequence[str]
    table: str | None
    """The paper's table that it reproduces."""
    measures: Sequence[str] = ()
    """Costs to show in place of scores."""
    figure: str | None = None
    """Groups of the primary metric to draw, by the number in their names."""
    values: int | None = None
    """Number of answers that a question can have, for the bits of a state."""
    unrun: Sequence[Unrun] = ()
    """Cells that are not run on purpose."""

    def cell(self, row: str, column: str) -> Cell | None:
        """The cell at a place, None where the experiment has none."""
        found = (c for c in self.cells if (c.row, c.column) == (row, column))
        return next(found, None)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A cell before its configurations are composed, which takes a while."""

    row: str
    column: str
    named: str
    seed: int
    train: Words | None
    evaluate: Words

    @property
    def bench(self) -> str:
        """The benchmark of the evaluation."""
        return value_of(self.evaluate, "bench") or DEFAULT_BENCH


def make_plan(composed: Composed) -> Plan:
    """The cells of a composed ``conf/ablate.yaml``.

    Raises:
        UsageError: ``only`` names no cell, or words that do not compose.
    """
    drafts = make_drafts(composed)
    experiment, name = composed.tree["experiment"], composed.options["experiment"]
    return Plan(
        name=name,
        title=about("experiment", name).rstrip("."),
        cells=_with_keys(drafts),
        rows=list(dict.fromkeys(d.row for d in drafts)),
        columns=list(dict.fromkeys(d.column for d in drafts)),
        table=experiment.get("table"),
        measures=tuple(experiment.get("measures") or ()),
        figure=experiment.get("figure"),
        values=experiment.get("values"),
        unrun=[_unrun(one, composed.tree["seeds"]) for one in experiment.get("unrun") or ()],
    )


def _unrun(stated: Mapping[str, Any], seeds: Sequence[int]) -> Unrun:
    from deltamem_evaluations.records.experiment import Unrun

    rows = stated.get("rows")
    return Unrun(
        columns=tuple(stated["columns"]),
        rows=None if rows is None else tuple(_label(row, s, seeds) for row in rows for s in seeds),
        why=stated["why"],
    )


def _label(row: str, seed: int, seeds: Sequence[int]) -> str:
    """The name of a row in tables: with its seed where there are several."""
    return row if len(seeds) == 1 else f"{row}, seed {seed}"


def make_drafts(composed: Composed) -> list[Draft]:
    """The cells of :func:`make_plan` without their keys.

    Raises:
        UsageError: a seed that is named twice, or ``only`` names no cell.
    """
    tree = composed.tree
    seeds = tree["seeds"]
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds={write(seeds)} names a seed twice; name each one once")
    drafts: dict[tuple[str, str], Draft] = {}
    for row, own in tree["experiment"]["rows"].items():
        for seed in seeds:
            label = _label(row, seed, seeds)
            for column, train, evaluate in _row(tree, own, seed):
                draft = Draft(
                    row=label, column=column, named=row, seed=seed, train=train, evaluate=evaluate
                )
                drafts.setdefault((label, column), draft)
    return _chosen(list(drafts.values()), tree["only"])


def _row(
    tree: Mapping[str, Any], own: Mapping[str, Any], seed: int
) -> Iterator[tuple[str, Words | None, Words]]:
    """Column, training and evaluation of a row's cells; a scale may make columns equal."""
    experiment, scale = tree["experiment"], tree["scale"]
    common = merged(
        scale["eval"], experiment.get("eval", ()), own.get("both", ()), own.get("eval", ())
    )
    method = value_of(common, "method") or DEFAULT_METHOD
    special = scale["methods"].get(method, {})
    asked = merged(special.get("eval", ()), common)
    train = None
    if is_trained(method) and not any(value_of(asked, name) for name in naming_weights(method)):
        train = merged(
            [f"method={method}"],
            scale["train"],
            special.get("train", ()),
            experiment.get("train", ()),
            own.get("both", ()),
            own.get("train", ()),
            [f"seed={seed}"],
            tree["train"],
        )
    for column, words in experiment["columns"].items():
        if column not in own.get("columns", experiment["columns"]):
            continue
        evaluate = merged(asked, words)
        stand_in = scale["replace"].get(value_of(evaluate, "bench"))
        if stand_in is not None:
            evaluate = replaced(evaluate, "bench", stand_in)
            column = _column(replaced(words, "bench", stand_in[:1]))
        yield column, train, merged(evaluate, tree["eval"])


def _column(words: Sequence[str]) -> str:
    """A column by what it is: its benchmark, and whatever else it sets."""
    ordered = sorted(words, key=lambda word: not word.startswith("bench="))
    return ", ".join(word.removeprefix("bench=") for word in ordered)


def _chosen(drafts: Sequence[Draft], only: Any) -> list[Draft]:
    """The cells that were asked for by ``row``, ``row/column`` or ``/column``.

    A row's name without a seed means it with all seeds.
    """
    if only is None:
        return list(drafts)
    wanted = [only] if isinstance(only, str) else [str(name) for name in only]
    names = {
        d: {f"/{d.column}", *(n for row in (d.row, d.named) for n in (row, f"{row}/{d.column}"))}
        for d in drafts
    }
    for name in wanted:
        if not any(name in known for known in names.values()):
            rows, columns = (
                dict.fromkeys(getattr(d, a) for d in drafts) for a in ("row", "column")
            )
            raise UsageError(
                f"there is no cell '{name}'; name a row ({', '.join(rows)}), a column with a slash "
                f"before it (/{', /'.join(columns)}), or row/column"
            )
    return [d for d in drafts if names[d] & set(wanted)]


def _with_keys(drafts: Sequence[Draft]) -> list[Cell]:
    """Compose every distinct training and evaluation once, and hash what they hold."""
    trainings = list(dict.fromkeys(d.train for d in drafts if d.train is not None))
    evaluations = list(dict.fromkeys(d.evaluate for d in drafts))
    trained = dict(zip(trainings, compose_each("train", trainings), strict=True))
    evaluated = dict(zip(evaluations, compose_each("eval", evaluations), strict=True))
    train_keys, eval_keys = _keys("train", trained), _keys("eval", evaluated)
    cells = []
    for draft in drafts:
        train_key = None if draft.train is None else train_keys[draft.train]
        cells.append(
            Cell(
                row=draft.row,
                column=draft.column,
                named=draft.named,
                seed=draft.seed,
                train=draft.train,
                evaluate=draft.evaluate,
                training=None if draft.train is None else trained[draft.train],
                evaluation=evaluated[draft.evaluate],
                train_key=train_key,
                key=_key("eval", [train_key, eval_keys[draft.evaluate]]),
                model=value_of(draft.evaluate, "model") or DEFAULT_MODEL,
                bench=draft.bench,
            )
        )
    return cells


def _keys(verb: str, composed: Mapping[Words, Composed]) -> dict[Words, str]:
    return {words: _key(verb, planned_key(c.tree, verb)) for words, c in composed.items()}


def _key(kind: str, content: object) -> str:
    """Begins with a word: as a setting of a sweep, digits alone would be a number."""
    return f"{kind}-{content_hash(content)[:12]}"
