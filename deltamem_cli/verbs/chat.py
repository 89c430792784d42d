"""``deltamem chat``: talk with a backbone and its memory; text in, streamed text out."""

from __future__ import annotations

from typing import Any

import typer

from deltamem_cli.errors import OK
from deltamem_cli.runs.build import context_mode, load_memory, load_model
from deltamem_cli.runs.chosen_weights import choose_adapter
from deltamem_cli.runs.denormals import flushed_denormals
from deltamem_cli.screen.chat_prompt import ChatPrompt
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import run_config
from deltamem_cli.settings.instantiate import build, check_types
from deltamem_cli.verbs.options import Cfg, Json, Overrides, Quiet, make_console

__all__ = ["chat"]


def chat(
    overrides: Overrides = None,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Talk with a backbone and its memory: deltamem chat model=tiny writer=msw."""
    console = make_console(quiet=quiet, as_json=as_json)
    code = run_config("chat", lambda config: _chat(config, console), overrides or [], show=cfg)
    raise typer.Exit(OK if code is None else code)


def _chat(config: Any, console: Console) -> int:
    """Read lines until there are no more; the exit code is 130 after Ctrl-C at the prompt."""
    from deltamem.conversation.conversation import Conversation

    check_types(config)
    backbone = load_model(config)
    chosen = choose_adapter(config, fingerprint=backbone.fingerprint)
    memory = load_memory(config, backbone, chosen=chosen)
    conversation = Conversation(
        backbone,
        memory,
        decoding=build(config.decoding),
        context=context_mode(config),
        system=config.system,
        seed=int(config.seed),
    )
    prompt = ChatPrompt(conversation, console)
    if config.state is not None:
        prompt.load(config.state)
    writes = f"{memory.config.writer.granularity}, {memory.config.writer.num_states} state(s)"
    console.note(
        f"{backbone.name} with adapter {memory.sha[:12]} ({writes}) from {chosen.source}, context="
        f"{conversation.context}; /help lists the commands"
    )
    for note in chosen.notes:
        console.note(note)
    try:
        with flushed_denormals():
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
