"""Typer to Hydra: compose, run and sweep without ``sys.argv``; a bad override is one sentence.

Hydra's own object does the work, so sweeps, launchers and ``--cfg`` are Hydra's. It is reached
through ``GlobalHydra``; nothing else in the project touches Hydra's internals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deltamem_cli.errors import UsageError
from deltamem_cli.settings.grammar import key_of
from deltamem_cli.settings.job import Job
from deltamem_cli.settings.override_faults import (
    explain,
    no_such_option,
    refers_to_nothing,
    without_option,
)
from deltamem_cli.settings.paths import config_folder, expand_paths
from deltamem_cli.settings.resolvers import register_resolvers

__all__ = [
    "about",
    "compose_each",
    "groups",
    "method_settings",
    "option",
    "options",
    "run_config",
]

BASE = "_"
"""Beginning of the name of a yaml that is no choice: others have it in their lists of defaults."""
OF_A_PATH = {"/", "\\", "."}
"""Characters that no option has and Hydra would follow."""


def options(group: str) -> list[str]:
    """The choices of a config group: its yaml files, less the bases that others stand on."""
    files = (config_folder() / group).glob("*.yaml")
    return sorted(path.stem for path in files if not path.stem.startswith(BASE))


def option(group: str, name: str) -> Any:
    """The yaml of an option, as it is written."""
    from omegaconf import OmegaConf

    return OmegaConf.load(config_folder() / group / f"{name}.yaml")


def method_settings(name: str) -> Any:
    """The yaml of a method, as it is written."""
    return option("method", name)


def about(group: str, name: str) -> str:
    """The comment at the top of an option's yaml, or on its only line."""
    first = (config_folder() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.partition("#")[2].strip()


def groups() -> list[str]:
    """The config groups: the folders of the configuration."""
    return sorted(path.name for path in config_folder().iterdir() if path.is_dir())


def run_config(
    name: str,
    task: Callable[[Any], Any],
    overrides: Sequence[str],
    *,
    multirun: bool = False,
    show: str | None = None,
) -> Any:
    """Compose ``conf/NAME.yaml`` with overrides and call ``task`` with it.

    Args:
        name: of a primary config.
        task: takes the config; runs once per job of a sweep.
        overrides: Hydra's own syntax.
        multirun: sweep over comma-separated values.
        show: print this part of the config (``job``, ``hydra``, ``all``) and do nothing.

    Returns:
        What the task returned; for a sweep what its launcher returned.

    Raises:
        UsageError: an override that does not parse, or names what does not exist.
    """
    from hydra.types import RunMode

    with _hydra(name) as engine:
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        words = list(overrides)
        composed = _compose(engine, name, words, mode)
        if show is not None:
            engine.show_cfg(name, words, show, package=None, resolve=False)
            return None
        _resolved(composed)
        words.append(f"hydra.mode={mode.name}")
        if multirun:
            return _sweep(engine, name, task, words)
        return engine.run(name, Job(task), words).return_value.get()


def compose_each(name: str, requests: Sequence[Sequence[str]]) -> list[Any]:
    """The configs of ``conf/NAME.yaml`` under several sets of overrides; nothing is run.

    Raises:
        UsageError: an override that does not parse, or names what does not exist.
    """
    from hydra.types import RunMode

    with _hydra(name) as engine:
        whole = [_compose(engine, name, list(words), RunMode.RUN) for words in requests]
    return [_resolved(config) for config in whole]


@contextmanager
def _hydra(name: str) -> Iterator[Any]:
    """Hydra's own object over our configs; a run around this one finds its own again."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    register_resolvers()
    # Hydra 1.3 asks for version_base, 1.4 deprecates it
    version = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}
    folder = str(config_folder().resolve())
    around, settings = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=folder, job_name=name, **version):
        engine = GlobalHydra.instance().hydra
        assert engine is not None
        try:
            yield engine
        finally:
            HydraConfig.instance().cfg = settings
    GlobalHydra.instance().hydra = around


def _compose(engine: Any, primary: str, words: list[str], mode: Any) -> Any:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    for word in words:
        _check_choice(word)
    try:
        return engine.compose_config(primary, words, mode, with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as fault:
        raise _explained(fault, engine, primary, words) from fault
    except ValueError as fault:  # what Hydra says of `GROUP=null`
        unset = next((word for word in words if word.endswith("=null")), None)
        if unset is None:
            raise
        raise UsageError(without_option(unset, options(unset.partition("=")[0]))) from fault


def _check_choice(word: str) -> None:
    """Refuse what Hydra takes for the option of a group and is none, such as a path.

    Raises:
        UsageError: with the options that there are.
    """
    group, value = key_of(word).partition("@")[0], word.partition("=")[2]
    if group not in groups():
        return
    if value.startswith(("{", "[]")):
        raise UsageError(without_option(word, options(group)))
    for name in value.strip("[]").split(","):
        if name.startswith(BASE) or OF_A_PATH & set(name):
            raise UsageError(no_such_option(group, name, options(group)))


def _resolved(config: Any) -> Any:
    """A composed config without Hydra's part, home folders written out.

    Raises:
        UsageError: a setting refers to another one, or to a variable, that does not exist.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    try:
        OmegaConf.to_container(own, resolve=True)
    except OmegaConfBaseException as fault:
        raise UsageError(refers_to_nothing(fault)) from fault
    expand_paths(own)
    return own


def _sweep(engine: Any, name: str, task: Callable[[Any], Any], words: list[str]) -> Any:
    """All jobs run; the first that failed is raised at the end."""
    from hydra.errors import ConfigCompositionException, OverrideParseException

    try:
        batches = engine.multirun(name, Job(task), words)
    except (ConfigCompositionException, OverrideParseException) as fault:
        raise _explained(fault, engine, name, words) from fault
    return [job.return_value.get() for batch in batches for job in batch]


def _explained(fault: BaseException, engine: Any, name: str, words: Sequence[str]) -> UsageError:
    return UsageError(
        explain(
            fault,
            words,
            choices={group: options(group) for group in groups()},
            known=lambda: _known(engine, name, words),
        )
    )


def _known(engine: Any, name: str, words: Sequence[str]) -> list[str]:
    """All settings under the options that the words choose."""
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    chosen = [word for word in words if word.partition("=")[0] in groups()]
    config = engine.compose_config(name, chosen, RunMode.RUN, with_log_configuration=False)
    tree = OmegaConf.to_container(config, resolve=False)
    return [key for key in _paths(tree) if not key.startswith("hydra")]


def _paths(node: Any, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
