"""A composed config as plain values, with the options and the words that it was composed from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deltamem_base.plain_values import INTERPOLATION
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.override_faults import refers_to_nothing
from deltamem_cli.settings.paths import with_homes

__all__ = ["Composed", "leaves"]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A config, once its references are followed: nothing behind it knows Hydra or OmegaConf."""

    tree: Mapping[str, Any]
    """All settings as plain dictionaries, lists and values, home folders written out."""
    options: Mapping[str, str]
    """The chosen option of each group, such as ``{"model": "tiny"}``."""
    words: Sequence[str]
    """The overrides that it was composed from."""
    following: frozenset[str]
    """Whole names of the settings that are written as a reference to others."""

    @classmethod
    def of(cls, config: Any, hydra: Any) -> Composed:
        """Follow the references of a config.

        Args:
            config: OmegaConf's, without Hydra's part.
            hydra: that part.

        Raises:
            UsageError: a setting refers to another one, or to a variable, that does not exist.
        """
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        typed = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        assert isinstance(typed, list)
        words = [str(word) for word in typed]
        chosen = {str(group): str(name) for group, name in hydra.runtime.choices.items()}
        try:
            tree = OmegaConf.to_container(config, resolve=True)
        except OmegaConfBaseException as fault:
            sentence = refers_to_nothing(fault, words, chosen=chosen, choices=options)
            raise UsageError(sentence) from fault
        written = leaves(OmegaConf.to_container(config, resolve=False))
        return cls(
            tree=with_homes(tree),
            options=chosen,
            words=words,
            following=frozenset(key for key, value in written if INTERPOLATION in str(value)),
        )


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a tree by its whole name, such as ``bench.protocol``."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
