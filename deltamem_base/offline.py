"""The hub's libraries kept quiet, and told at once where there is no network."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["NO_NETWORK", "quiet_datasets"]

SECONDS = 5.0
NO_NETWORK = "the hub does not answer"


@contextmanager
def quiet_datasets() -> Iterator[bool]:
    """No bars and no retries of `datasets` in the block, which is told whether the hub answers.

    Where it does not, `datasets` takes what it has kept, and says at once what it has not.
    """
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    online = _answers(constants.ENDPOINT)
    bars, level = datasets.are_progress_bars_disabled(), logging.get_verbosity()
    known = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    if not online:
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield online
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = known
        logging.set_verbosity(level)
        if not bars:
            datasets.enable_progress_bars()


def _answers(address: str) -> bool:
    """One question; any answer counts, a refusal too. ``HF_HUB_OFFLINE`` asks none."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
