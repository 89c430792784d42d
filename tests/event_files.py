"""TensorBoard's event files, read by TensorBoard."""

from __future__ import annotations

from pathlib import Path

__all__ = ["scalars"]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """The curves of a run as TensorBoard shows them: by name and step, each step once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found: dict[str, dict[int, float]] = {}
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            curve = found.setdefault(name, {})
            assert event.step not in curve, (name, event.step)
            curve[event.step] = event.value
    return found
