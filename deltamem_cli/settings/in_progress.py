"""The run that is in progress: the options that were chosen, and the words that were typed."""

from __future__ import annotations

__all__ = ["choices", "typed_words"]


def choices() -> dict[str, str]:
    """Within a run: which option each group has, such as ``{"model": "tiny"}``."""
    from hydra.core.hydra_config import HydraConfig

    return {str(group): str(name) for group, name in HydraConfig.get().runtime.choices.items()}


def typed_words() -> list[str]:
    """The overrides that the config of the run in progress was composed from; none outside one."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
