"""``deltamem``: the verbs. Nothing heavy is imported before a verb is called."""

from __future__ import annotations

from collections.abc import Callable

import typer

from deltamem_cli.grouped_verbs import GroupedVerbs
from deltamem_cli.verbs.ablate import ablate
from deltamem_cli.verbs.audit import audit
from deltamem_cli.verbs.bench import bench
from deltamem_cli.verbs.chat import chat
from deltamem_cli.verbs.compare import compare
from deltamem_cli.verbs.demo import demo
from deltamem_cli.verbs.doctor import doctor
from deltamem_cli.verbs.eval import eval_
from deltamem_cli.verbs.fetch import fetch
from deltamem_cli.verbs.inspect import inspect
from deltamem_cli.verbs.list import list_
from deltamem_cli.verbs.parity import parity
from deltamem_cli.verbs.pretrain import pretrain
from deltamem_cli.verbs.publish import publish
from deltamem_cli.verbs.push import push
from deltamem_cli.verbs.report import report
from deltamem_cli.verbs.reproduce import reproduce
from deltamem_cli.verbs.score import score
from deltamem_cli.verbs.serve import serve
from deltamem_cli.verbs.show import show
from deltamem_cli.verbs.train import train
from deltamem_cli.waiting_threads import let_threads_sleep

FIRST_STEPS = """\b
First steps:
  deltamem demo                          see it work, in about four minutes
  deltamem eval writer=msw context=none  measure an adapter that ships with it
  deltamem list                          list models, methods, benchmarks, ...
  deltamem VERB --help                   read about one verb
"""

app = typer.Typer(
    name="deltamem",
    cls=GroupedVerbs,
    help="Train, evaluate and compare δ-mem, a tiny online memory for frozen language models.",
    epilog=FIRST_STEPS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    "Run": {
        "demo": demo,
        "train": train,
        "eval": eval_,
        "ablate": ablate,
        "reproduce": reproduce,
        "chat": chat,
        "serve": serve,
        "fetch": fetch,
        "pretrain": pretrain,
    },
    "Look": {
        "list": list_,
        "doctor": doctor,
        "show": show,
        "audit": audit,
        "inspect": inspect,
        "parity": parity,
        "bench": bench,
    },
    "Compare": {"report": report, "compare": compare, "score": score},
    "Publish": {"push": push, "publish": publish},
}
"""The verbs in the order of ``deltamem --help``; each is a file of :mod:`deltamem_cli.verbs`."""
VERBS = {name: verb for verbs in GROUPS.values() for name, verb in verbs.items()}

for title, verbs in GROUPS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=title)(verb)


def main() -> None:
    """Entry point: one sentence and an exit code for whatever a user can mend."""
    from deltamem_cli.exits import end_with

    let_threads_sleep()
    end_with(app)


if __name__ == "__main__":
    main()
