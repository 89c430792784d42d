"""Libraries of the hub kept from writing on the terminal: what happens there is ours to tell."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL

from deltamem_base.hub import hub_answers

__all__ = ["quiet_datasets", "quiet_hub", "quiet_transformers"]


@contextmanager
def quiet_hub() -> Iterator[list[str]]:
    """Keep the hub's bars and logs off; its warnings are in the list when the block ends."""
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


@contextmanager
def quiet_datasets() -> Iterator[bool]:
    """Keep the bars and retries of `datasets` off, and tell the block whether the hub answers.

    Where it does not, `datasets` takes what it has kept, and says at once what it has not.
    """
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    online = hub_answers()
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


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the bars and reports with which transformers loads a model off the terminal."""
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
