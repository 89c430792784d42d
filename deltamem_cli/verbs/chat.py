"""``deltamem chat``: talk with a backbone and its memory; text in, streamed text out."""

from __future__ import annotations

import typer

from deltamem_cli.errors import OK
from deltamem_cli.options import Cfg, Json, Overrides, Quiet, make_console
from deltamem_cli.runs.build import load_with_memory
from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.runs.requests import ChatRequest
from deltamem_cli.screen.chat_prompt import ChatPrompt
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.job import run_config

__all__ = ["chat"]


def chat(
    overrides: Overrides = None,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Talk with a backbone and its memory: deltamem chat model=tiny writer=msw."""
    console = make_console(quiet=quiet, as_json=as_json)

    def run(composed: Composed) -> int:
        return _chat(ChatRequest.of(composed), console)

    code = run_config("chat", run, overrides or [], show=cfg)
    raise typer.Exit(OK if code is None else code)


def _chat(request: ChatRequest, console: Console) -> int:
    """Read lines until there are no more; the exit code is 130 after Ctrl-C at the prompt."""
    from deltamem.conversation.conversation import Conversation

    backbone, memory, chosen = load_with_memory(request.backbone, request.weights, console)
    conversation = Conversation(
        backbone,
        memory,
        decoding=request.decoding,
        context=request.context,
        system=request.system,
        seed=request.seed,
    )
    prompt = ChatPrompt(conversation, console)
    if request.state is not None:
        prompt.load(request.state)
    writes = f"{memory.config.writer.granularity}, {memory.config.writer.num_states} state(s)"
    console.note(
        f"{backbone.name} with adapter {memory.sha[:12]} ({writes}) from {chosen.source}, context="
        f"{conversation.context}; /help lists the commands"
    )
    for note in chosen.notes:
        console.note(note)
    try:
        with flush_to_zero():
            return prompt.run()
    finally:
        console.json(
            {
                "model": backbone.name,
                "adapter_sha": memory.sha,
                "context": conversation.context,
                "turns": prompt.told,
            }
        )
