"""Typer to Hydra: compose without ``sys.argv``; a bad override is one sentence.

Hydra's own object does the work, reached through ``GlobalHydra``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deltamem_base.faults import first_line
from deltamem_base.plugins import VARIABLE, plugin_configs
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.grammar import key_of
from deltamem_cli.settings.groups import BASE, groups, options, unreadable
from deltamem_cli.settings.override_faults import explain, no_such_option, without_option
from deltamem_cli.settings.paths import config_folder
from deltamem_cli.settings.resolvers import register_resolvers

__all__ = ["compose_each", "composed_config", "explained", "hydra_over"]

OF_A_PATH = {"/", "\\", "."}
"""Characters that no option has and Hydra would follow."""
SEARCH_PATH = "hydra.searchpath"


def compose_each(name: str, requests: Sequence[Sequence[str]]) -> list[Composed]:
    """The configs of ``conf/NAME.yaml`` under several sets of overrides; nothing is run.

    Raises:
        UsageError: an override that does not parse, or names what does not exist.
    """
    from hydra.types import RunMode

    with hydra_over(name) as engine:
        return [
            _composed(composed_config(engine, name, list(words), RunMode.RUN)) for words in requests
        ]


@contextmanager
def hydra_over(name: str) -> Iterator[Any]:
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
        try:
            yield _with_plugins(folder, name)
        finally:
            HydraConfig.instance().cfg = settings
    GlobalHydra.instance().hydra = around


def _with_plugins(folder: str, name: str) -> Any:
    """Hydra's object over our folder of yaml, and behind it over those of plug-ins.

    Raises:
        UsageError: an option of a plug-in has the name of another one.
    """
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    search, brought = create_config_search_path(folder), plugin_configs()
    for group in groups() if brought else ():
        options(group)  # which refuses a name that stands twice
    for configs in brought:
        search.append("plug-in", f"file://{configs}", SearchPathQuery(provider="main"))
    GlobalHydra.instance().clear()
    return Hydra.create_main_hydra2(task_name=name, config_search_path=search)


def composed_config(engine: Any, primary: str, words: list[str], mode: Any) -> Any:
    """The config of ``conf/PRIMARY.yaml`` under overrides, as Hydra's.

    Raises:
        UsageError: a word that does not parse, or names what does not exist.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    for word in words:
        _check_choice(word)
    try:
        return engine.compose_config(primary, words, mode, with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as fault:
        raise explained(fault, engine, primary, words) from fault
    except YAMLError as fault:
        raise UsageError(unreadable(fault)) from fault
    except ValueError as fault:  # what Hydra says of `GROUP=null`
        unset = [word for word in words if word.endswith("=null") and key_of(word) in groups()]
        if not unset:
            raise UsageError(_no_text(words, fault)) from fault
        raise UsageError(without_option(unset[0], options(key_of(unset[0])))) from fault


def _no_text(words: Sequence[str], fault: ValueError) -> str:
    """The sentence for a group that is set to a number or the like, which no option is called."""
    for word in words:
        group, value = key_of(word).partition("@")[0], word.partition("=")[2]
        if group in groups() and value not in options(group):
            return no_such_option(group, value, options(group))
    return first_line(fault)


def _check_choice(word: str) -> None:
    """Refuse what Hydra takes for the option of a group and is none, such as a path, and folders.

    Raises:
        UsageError: with the options that there are.
    """
    group, value = key_of(word).partition("@")[0], word.partition("=")[2]
    if group == SEARCH_PATH:
        raise UsageError(
            f"{group} cannot be set on the command line: name the folder with your conf/ in the "
            f"variable {VARIABLE}, so that every command finds it"
        )
    if group not in groups():
        return
    if value.startswith(("{", "[]")):
        raise UsageError(without_option(word, options(group)))
    for name in value.strip("[]").split(","):
        if name.startswith(BASE) or OF_A_PATH & set(name):
            raise UsageError(no_such_option(group, name, options(group)))


def _composed(config: Any) -> Composed:
    from omegaconf import OmegaConf

    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    return Composed.of(own, config.hydra)


def explained(fault: BaseException, engine: Any, name: str, words: Sequence[str]) -> UsageError:
    """Hydra's fault as one sentence about the words of a user."""
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
