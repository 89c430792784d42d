"""``deltamem serve``: a backbone and its memory behind OpenAI's interface."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deltamem_base.faults import Unavailable
from deltamem_cli.errors import OK
from deltamem_cli.options import Cfg, Json, Overrides, Quiet, make_console
from deltamem_cli.runs.build import load_with_memory
from deltamem_cli.runs.requests import ServingRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from fastapi import FastAPI

    from deltamem import DeltaMemory
    from deltamem.backbone import Backbone
    from deltamem_cli.serving.guard import Guard
    from deltamem_cli.serving.turns import Turns

__all__ = ["serve"]

NEEDED = ("fastapi", "uvicorn")


def serve(
    overrides: Overrides = None,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Serve OpenAI-compatible clients, a memory for each: deltamem serve model=tiny writer=msw."""
    console = make_console(quiet=quiet, as_json=as_json)

    def run(composed: Composed) -> int:
        return _serve(ServingRequest.of(composed), console)

    code = run_config("serve", run, overrides or [], show=cfg)
    raise typer.Exit(OK if code is None else code)


def _serve(request: ServingRequest, console: Console) -> int:
    """Serve until a signal comes, which ends the process with its own code."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(f"deltamem serve needs {missing[0]}: pip install 'deltamem[serve]'")
    from deltamem_cli.serving.guard import Guard, token_for
    from deltamem_cli.serving.listening import listening, serve_on
    from deltamem_cli.serving.session_files import only_server

    guard = Guard(token_for(request.host))
    with (
        only_server(Path(request.sessions.folder)),
        listening(request.host, request.port) as (bound, url),
    ):
        backbone, memory, chosen = load_with_memory(request.backbone, request.weights, console)
        for note in chosen.notes:
            console.note(note)
        turns, app = _application(request, backbone, memory, guard=guard, console=console)
        console.note(
            f"{url}/v1 answers for {backbone.name} with adapter {memory.sha[:12]} from "
            f"{chosen.source}, context={request.context}, sessions in {request.sessions.folder}; "
            "Ctrl-C ends it"
        )
        console.json(
            {"url": f"{url}/v1", "model": backbone.origin["name"], "adapter_sha": memory.sha}
        )
        try:
            serve_on(bound, app)
        finally:
            turns.stop()
    return OK


def _application(
    request: ServingRequest,
    backbone: Backbone,
    memory: DeltaMemory,
    *,
    guard: Guard,
    console: Console,
) -> tuple[Turns, FastAPI]:
    """The queue of turns, and the application before it."""
    from deltamem_cli.serving.application import application
    from deltamem_cli.serving.asked import Defaults
    from deltamem_cli.serving.session_files import SessionFiles
    from deltamem_cli.serving.sessions import Sessions
    from deltamem_cli.serving.turns import Turns

    defaults = Defaults(
        model=str(backbone.origin["name"]),
        decoding=request.decoding,
        seed=request.seed,
        context=request.context,
        system=request.system,
        limits=request.limits,
    )
    sessions = Sessions(
        backbone,
        memory,
        defaults=defaults,
        files=SessionFiles(request.sessions),
        in_memory=request.sessions.in_memory,
        log=console.note,
    )
    turns = Turns(sessions, waiting=request.limits.waiting)
    return turns, application(turns, defaults=defaults, adapter=memory.sha, guard=guard)
