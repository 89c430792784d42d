"""What is here first, and the hub only where it can be asked: known in seconds, without retries."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from deltamem.backbone.loading.weight_files import weight_files
from deltamem_base.faults import Fault, InvalidInput, Unavailable

__all__ = [
    "from_cache_or_hub",
    "hub_faults",
    "hub_reachable",
    "pretrained_from_cache_or_hub",
    "quiet_hub",
    "reason_of",
]

SECONDS = 5.0
NOT_OF_THE_FILES = (Fault, MemoryError, torch.OutOfMemoryError)
"""Faults that say what they are."""


def hub_reachable() -> bool:
    """False with ``HF_HUB_OFFLINE`` set, or where the hub's address does not answer.

    Any answer counts, a refusal too; proxies of the environment are honoured.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        with urllib.request.urlopen(request, timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):  # no answer, or HF_ENDPOINT is no address
        return False


def hub_faults() -> tuple[type[Exception], ...]:
    """What calls of the hub raise: its own errors, its HTTP library's, and those of uploads."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)


@contextmanager
def quiet_hub() -> Iterator[list[str]]:
    """Keep the hub's own bars and logs off; what it warns of is in the list when the block ends."""
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    bars, level = not are_progress_bars_disabled(), logging.get_verbosity()
    notes: list[str] = []
    disable_progress_bars()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield notes
        notes += [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    finally:
        logging.set_verbosity(level)
        if bars:
            enable_progress_bars()


def from_cache_or_hub(
    load: Callable[..., Any],
    id: str,
    *,
    explain: Callable[[Exception], Exception],
    faults: tuple[type[Exception], ...],
) -> Any:
    """What is on this machine, without asking the hub; else from the hub, if it can be reached.

    Args:
        load: takes ``local_files_only``.
        id: hub id or folder.
        explain: makes of a fault what is raised in its place.
        faults: by which ``load`` says that something is missing.
    """
    try:
        return load(local_files_only=True)
    except NOT_OF_THE_FILES:
        raise
    except faults as fault:
        if Path(id).is_dir() or not hub_reachable():
            raise explain(fault) from fault
    try:
        return load(local_files_only=False)
    except NOT_OF_THE_FILES:
        raise
    except faults as fault:
        raise explain(fault) from fault


def pretrained_from_cache_or_hub(load: Callable[..., Any], id: str, revision: str | None) -> Any:
    """What ``load`` makes of a model's files, see :func:`from_cache_or_hub`.

    Raises:
        Unavailable: they are neither here nor can they be fetched, or are gated.
        InvalidInput: they are here and cannot be loaded, for whatever reason: transformers raises
            all kinds of errors of files that are not as it takes them for granted.
    """
    explain = partial(_explain, id, revision)
    with _silence():
        return from_cache_or_hub(load, id, explain=explain, faults=(Exception,))


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the bars and reports of transformers off: loading is ours to tell."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(CRITICAL)  # what ends in an exception is told by it
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def reason_of(fault: Exception) -> str:
    """The first line of what a fault says; with its kind where that alone says nothing."""
    said = str(fault).strip()
    if isinstance(fault, KeyError) or not said:
        return repr(fault)
    return said.splitlines()[0]


def _explain(id: str, revision: str | None, fault: Exception) -> Exception:
    reason = reason_of(fault)
    if "trust_remote_code" in str(fault):
        return InvalidInput(
            f"{id} needs code of its own (auto_map), and no code out of a model's files is run "
            "here: use a model that transformers knows by itself"
        )
    if Path(id).is_dir():
        return InvalidInput(f"the folder {id} holds no model that can be loaded: {reason}")
    at = f" --revision {revision}" if revision else ""
    if "gated" in str(fault).lower() or "401" in str(fault):
        return Unavailable(
            f"{id} is gated: accept its licence on https://huggingface.co/{id} and run "
            "`hf auth login`"
        )
    if weight_files(id, revision=revision):
        return InvalidInput(f"the files of {id} cannot be loaded: {reason}")
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return Unavailable(
        f"the weights of {id} are not on this machine and cannot be fetched{offline}: run "
        f"`hf download {id}{at}` where there is a network, or name a folder with model.id=FOLDER"
    )
