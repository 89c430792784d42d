"""``deltamem-lm-eval``: the command of lm-eval, which then knows a model ``deltamem``."""

from __future__ import annotations

from importlib.util import find_spec

from deltamem_base.faults import Unavailable
from deltamem_cli.exits import end_with
from deltamem_cli.runs.launching import check_alone
from deltamem_cli.waiting_threads import let_threads_sleep

__all__ = ["NAME", "main", "register", "run"]

NAME = "deltamem"
"""Name of the model in the registry of lm-eval."""
CLASS = "deltamem_cli.harness.model:DeltaMemLM"


def register() -> None:
    """Put the model into lm-eval's registry; nothing of it is imported before it is asked for.

    Raises:
        Unavailable: lm-eval is not installed.
    """
    if find_spec("lm_eval") is None:
        raise Unavailable("this command needs lm-eval: pip install 'deltamem[lm-eval]'")
    import lm_eval.models  # noqa: F401  # its own models first, as its own command has them
    from lm_eval.api.registry import model_registry

    if NAME not in model_registry:
        model_registry.register(NAME, target=CLASS)


def main() -> None:
    """Entry point: lm-eval's own, where a fault of ours is one sentence and an exit code."""
    let_threads_sleep()
    end_with(run)


def run() -> None:
    """The command of lm-eval in this process.

    Raises:
        Unavailable: lm-eval is not installed.
        UsageError: a launcher started several processes.
    """
    check_alone()
    register()
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
