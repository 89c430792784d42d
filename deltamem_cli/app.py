"""``deltamem``: the verbs. Nothing heavy is imported before a verb is called."""

from __future__ import annotations

from collections.abc import Callable

import typer

from deltamem_cli.verbs import looking, publishing, reading, running

app = typer.Typer(
    name="deltamem",
    help="Train, evaluate and compare δ-mem, a tiny online memory for frozen language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, Callable[..., None]] = {
    "demo": running.demo,
    "train": running.train,
    "eval": running.evaluate,
    "report": reading.report,
    "compare": reading.compare,
    "inspect": reading.inspect,
    "ablate": running.ablate,
    "reproduce": running.reproduce,
    "chat": running.chat,
    "push": publishing.push,
    "list": looking.list_,
    "doctor": looking.doctor,
    "show": looking.show,
    "audit": looking.audit,
    "fetch": looking.fetch,
    "score": reading.score,
    "parity": looking.parity,
    "bench": running.bench,
    "pretrain": running.pretrain,
}
"""In the order of ``deltamem --help``."""

for name, verb in VERBS.items():
    app.command(name)(verb)


def main() -> None:
    """Entry point: one sentence and an exit code for whatever a user can mend."""
    from deltamem_cli.exits import end_with

    end_with(app)


if __name__ == "__main__":
    main()
