"""The functions that our yaml files may call, as in ``${package:deltamem/tiny}``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from deltamem_base.plugins import make_importable
from deltamem_cli.settings.groups import option, options
from deltamem_cli.settings.paths import adapters_folder, home

__all__ = ["register_resolvers"]


def register_resolvers() -> None:
    """Make the functions of this module known to OmegaConf, under their own names."""
    from omegaconf import OmegaConf

    for resolver in (answers_write, home, package, pinned, recipe_of, shipped):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)


def answers_write(protocol: str | None, context: str, writes: str) -> bool:
    """Whether question and answer tokens write, too: they do in the paper's tables."""
    return protocol == "paper" and context == "visible" and writes != "nothing"


def package(path: str) -> str:
    """The place of a file of an installed package, such as ``deltamem/tiny``."""
    make_importable()
    root, _, rest = path.partition("/")
    found = find_spec(root)  # which imports nothing
    assert found is not None
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / rest)


def pinned(id: str, of: str, value: str) -> str | None:
    """A commit or file of the hub repository ``of``; another id or a folder has none of it."""
    return value if id == of else None


def recipe_of(model: str, otherwise: str) -> str:
    """The option of ``training=`` that a backbone's yaml names; a list of defaults asks."""
    from omegaconf import OmegaConf

    known = model in options("model")
    named = OmegaConf.select(option("model", model), "recipe") if known else None
    return str(named or otherwise)


def shipped(adapter: str) -> str:
    """The folder of an adapter that comes with the program, such as ``smollm2-135m/facts-msw``."""
    return str(adapters_folder() / adapter)
