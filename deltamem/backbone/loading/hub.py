"""Take files from this machine first, and from the hub only where it answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from deltamem.backbone.loading.weight_files import weight_files
from deltamem_base.faults import Fault, InvalidInput, Unavailable, first_line
from deltamem_base.hub import accept_terms, hub_answers, is_gated, not_fetched, why_unreachable
from deltamem_base.quiet import quiet_transformers

__all__ = ["from_cache_or_hub", "pretrained_from_cache_or_hub"]

Loaded = TypeVar("Loaded")

NOT_OF_THE_FILES = (Fault, MemoryError, torch.OutOfMemoryError)
"""Faults that say what they are."""


def from_cache_or_hub(
    load: Callable[..., Loaded],
    id: str,
    *,
    explain: Callable[[Exception, str], Exception],
    faults: tuple[type[Exception], ...],
) -> Loaded:
    """Load from this machine without asking the hub, else from the hub if it answers.

    Args:
        load: takes ``local_files_only``.
        id: hub id or folder.
        explain: makes of a fault, and of why nothing could be fetched, what is raised in its place.
        faults: by which ``load`` says that something is missing.
    """
    try:
        return load(local_files_only=True)
    except NOT_OF_THE_FILES:
        raise
    except faults as fault:
        if Path(id).is_dir():
            raise explain(fault, first_line(fault)) from fault
        if not hub_answers():
            raise explain(fault, why_unreachable()) from fault
    try:
        return load(local_files_only=False)
    except NOT_OF_THE_FILES:
        raise
    except faults as fault:
        raise explain(fault, first_line(fault)) from fault


def pretrained_from_cache_or_hub(
    load: Callable[..., Loaded], id: str, revision: str | None
) -> Loaded:
    """Load a part of a pretrained model; see :func:`from_cache_or_hub`.

    Raises:
        Unavailable: they are neither here nor can they be fetched, or are gated.
        InvalidInput: they are here and cannot be loaded, for whatever reason: transformers raises
            all kinds of errors of files that are not as it takes them for granted.
    """
    explain = partial(_explain, id, revision)
    with quiet_transformers():
        return from_cache_or_hub(load, id, explain=explain, faults=(Exception,))


def _explain(id: str, revision: str | None, fault: Exception, why: str) -> Exception:
    if "trust_remote_code" in str(fault):
        return InvalidInput(
            f"{id} needs code from its own files (auto_map), and no code from a model's "
            "files is run here: use a model that transformers supports by itself"
        )
    if Path(id).is_dir():
        return InvalidInput(f"the folder {id} holds no model that can be loaded: {why}")
    if is_gated(fault):
        return Unavailable(f"{id} is gated: {accept_terms(id)}")
    if weight_files(id, revision=revision):
        return InvalidInput(f"the files of {id} cannot be loaded: {first_line(fault)}")
    at = f" --revision {revision}" if revision else ""
    return not_fetched(
        f"the model {id}",
        why,
        remedy=f"run `hf download {id}{at}` where there is a network, or name a folder with "
        "model.id=FOLDER",
    )
