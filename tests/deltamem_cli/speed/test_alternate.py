"""Turns: who runs when, and what the rounds give."""

from __future__ import annotations

from deltamem_cli.speed.alternate import alternate, figure


def test_every_work_has_its_turn_in_every_round() -> None:
    order: list[str] = []
    ticks: list[tuple[int, int]] = []

    def slow(name: str) -> None:
        order.append(name)
        sum(range(200_000))

    times = alternate(
        [lambda: slow("a"), lambda: slow("b")],
        rounds=2,
        tick=lambda done, total: ticks.append((done, total)),
    )
    assert len(times) == 2
    assert all(seconds > 0 for turn in times for seconds in turn)
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert turns == ["a", "b"] * 3
    assert ticks == [(n, 6) for n in range(1, 7)]


def test_a_figure_is_the_median_with_the_least_and_the_largest() -> None:
    made = figure("scan.forward", [5.0, 1.0, 2.0], "a over b")
    assert (made.ratio, made.spread) == (2.0, (1.0, 5.0))
