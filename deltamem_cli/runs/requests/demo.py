"""The demonstration as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

__all__ = ["DemoRequest", "DemoTable", "Scene"]

OF_THE_BACKBONE = ("model", "runtime")
"""Groups whose words go on to what the demonstration runs."""


@dataclass(frozen=True, kw_only=True)
class DemoTable:
    """Settings of the table of all methods."""

    dialogues: int
    """Dialogues per kind of question and number of facts."""
    train: Sequence[str]
    """Words of every ``deltamem train``."""
    train_settings: Mapping[str, Sequence[str]]
    """Further words of ``deltamem train`` by method."""
    settings: Mapping[str, Sequence[str]]
    """Words of ``deltamem eval`` by method."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One backbone of the demonstration: its dialogues, and what is drawn of them."""

    bench: str
    """Generated dialogues that it is asked about, as an option of ``bench=``."""
    facts: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)]
    """Numbers of facts in a dialogue."""
    dialogues: Annotated[int, Ge(1)]
    """Dialogues per kind of question and number of facts."""
    writers: Annotated[Sequence[str], MinLen(1)]
    """Options of ``writer=`` whose shipped adapter is shown; the first has the controls."""
    controls: Annotated[Sequence[str], MinLen(1)]
    """Options of ``control=``; the first is drawn."""
    trains: bool
    """Whether an adapter is trained before your eyes, beside the shipped ones."""
    title: str
    """The question above the figure."""
    page: str
    """Name of the file with the table, without its suffix."""


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """Everything that ``deltamem demo`` trains and shows."""

    runs: Path
    model: str
    """Option of ``model=``."""
    backbone: Sequence[str]
    """Words of every run that choose the backbone and where it runs."""
    live_writer: str
    """Writer of the adapter that is trained before your eyes."""
    live_steps: int
    scene: Scene
    released: Mapping[str, str]
    """Adapters of the backbone that are here or on the hub, by option of ``writer=``."""
    seed: int
    table: int | None
    """1 is the table of all methods; None is the three writers and their controls."""
    table1: DemoTable

    @classmethod
    def of(cls, composed: Composed) -> DemoRequest:
        """Read ``conf/demo.yaml``, once.

        Raises:
            UsageError: a backbone of which there is nothing to show.
        """
        tree, model = composed.tree, composed.options["model"]
        scene = _scene(tree, model)
        if tree["table"] is not None and not scene.trains:
            raise UsageError(
                f"table={tree['table']} trains every method, for which model={model} is too slow: "
                "leave one of them out"
            )
        return cls(
            runs=Path(tree["runs_dir"]),
            model=model,
            backbone=[f"model={model}", *(word for word in composed.words if _goes_on(word))],
            live_writer=tree["live_writer"],
            live_steps=tree["live_steps"],
            scene=scene,
            released=BackboneRequest.of(composed).released,
            seed=tree["seed"],
            table=tree["table"],
            table1=DemoTable(**tree["table1"]),
        )


def _scene(tree: Mapping[str, Any], model: str) -> Scene:
    scenes = tree["scenes"]
    if model not in scenes:
        raise UsageError(
            f"there are no shipped adapters of model={model} to show; choose one of "
            f"{', '.join(scenes)}"
        )
    scene: Scene = build(scenes[model])
    return scene if tree["dialogues"] is None else replace(scene, dialogues=tree["dialogues"])


def _goes_on(word: str) -> bool:
    """Whether an override says something of the backbone, beside which one it is."""
    name = word.partition("=")[0]
    return name == "runtime" or name.startswith(tuple(f"{group}." for group in OF_THE_BACKBONE))
