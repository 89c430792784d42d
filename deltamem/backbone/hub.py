"""What is here first, and the hub only where it can be asked: known in seconds, without retries."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["from_cache_or_hub", "hub_reachable"]

SECONDS = 5.0


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
    except faults as fault:
        if Path(id).is_dir() or not hub_reachable():
            raise explain(fault) from fault
    try:
        return load(local_files_only=False)
    except faults as fault:
        raise explain(fault) from fault
