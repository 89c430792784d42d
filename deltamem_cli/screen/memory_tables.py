"""The numbers of a memory as tables for a terminal and as panels of a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltamem.memory.inspection import StateDifference, StateNumbers, TurnNumbers
    from deltamem.state import MemoryState
    from deltamem_evaluations.figures.heatmaps import Heatmap
    from deltamem_evaluations.reporting import Table

__all__ = ["difference_table", "state_map", "state_table", "turn_maps", "turn_table"]

SHOWN_TURNS = 4
"""Turns of a long history that are printed of its start and of its end."""

QUANTITIES: dict[str, Callable[[TurnNumbers], Sequence[float]]] = {
    "norm of S": lambda turn: turn.state.norm,
    "effective rank": lambda turn: turn.state.effective_rank,
    "largest singular value": lambda turn: turn.state.largest,
    "write gate": lambda turn: turn.write_gate,
    "keep gate": lambda turn: turn.keep_gate,
    "read energy": lambda turn: turn.read_energy,
}
"""Numbers that are shown of a turn, by their titles."""
MEANINGS = (
    "norm: Frobenius; effective rank: exp of the entropy of the normalised singular values; gates: "
    "means over what the turn wrote; read energy: ‖Δ‖/‖y‖ of the steered projections"
)


def turn_maps(turns: Sequence[TurnNumbers]) -> list[Heatmap]:
    """One panel per quantity, layers down and turns across."""
    from deltamem_evaluations.figures.heatmaps import Heatmap

    return [
        Heatmap(
            title=title,
            values=[list(row) for row in zip(*(values(turn) for turn in turns), strict=True)],
            rows=[str(layer) for layer in turns[0].state.layers],
            columns=[str(number + 1) for number in range(len(turns))],
        )
        for title, values in QUANTITIES.items()
    ]


def state_map(state: MemoryState) -> Heatmap:
    """The matrices themselves."""
    from deltamem_evaluations.figures.heatmaps import matrix_mosaic

    layers = sorted(state.layers)
    matrices = [state.layers[i][0].double().tolist() for i in layers]
    return matrix_mosaic(matrices, [str(i) for i in layers], title="S")


def state_table(numbers: StateNumbers) -> Table:
    """A row per layer."""
    rows = zip(numbers.layers, numbers.norm, numbers.effective_rank, numbers.largest, strict=True)
    return _table(
        ("layer", "norm", "effective rank", "largest singular value"),
        [[str(layer), *map(_number, values)] for layer, *values in rows],
    )


def turn_table(turns: Sequence[TurnNumbers], *, before: int = 0) -> Table:
    """A row per turn and layer; of a long history its first and last turns.

    Args:
        turns: those that are shown.
        before: how many came before them, for their numbers.
    """
    rows = []
    left_out = len(turns) - 2 * SHOWN_TURNS
    for number, turn in enumerate(turns):
        if left_out > 0 and SHOWN_TURNS <= number < len(turns) - SHOWN_TURNS:
            if number == SHOWN_TURNS:
                rows.append(["...", f"{left_out} more", *[""] * (1 + len(QUANTITIES))])
            continue
        columns = zip(*(values(turn) for values in QUANTITIES.values()), strict=True)
        for layer, values in zip(turn.state.layers, columns, strict=True):
            first = layer == turn.state.layers[0]
            head = [str(before + number + 1), str(turn.tokens)] if first else ["", ""]
            rows.append([*head, str(layer), *map(_number, values)])
    notes = [MEANINGS]
    if left_out > 0:
        notes.append(f"{left_out} turns are left out here; --json and the figure have them all")
    return _table(("turn", "tokens", "layer", *QUANTITIES), rows, notes)


def difference_table(apart: StateDifference) -> Table:
    """A row per layer."""
    rows = zip(apart.layers, apart.norm, apart.relative, apart.cosine, strict=True)
    return _table(
        ("layer", "‖A − B‖", "relative to the larger", "cosine"),
        [
            [str(layer), _number(gap), _number(share), "–" if cosine is None else _number(cosine)]
            for layer, gap, share, cosine in rows
        ],
    )


def _number(value: float) -> str:
    return f"{value:.3f}"


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> Table:
    from deltamem_evaluations.reporting import Table

    return Table(columns=columns, rows=rows, notes=notes)
