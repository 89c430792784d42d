"""Whether the hub can be asked, and the sentences for what is not here and cannot be fetched."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from deltamem_base.faults import Unavailable

__all__ = [
    "LOG_IN",
    "accept_terms",
    "hub_answers",
    "hub_faults",
    "is_gated",
    "is_offline",
    "not_fetched",
    "why_unreachable",
]

LOG_IN = "run `hf auth login`, or set HF_TOKEN"
SECONDS = 5.0
TRUE = ("1", "ON", "YES", "TRUE")
GATED = ("access a gated repo", "is a gated dataset")
"""Words of transformers and datasets, which hide the hub's own error."""


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids the network, read as the hub's own library reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in TRUE


def hub_answers() -> bool:
    """Whether the hub's address answers; not asked where ``HF_HUB_OFFLINE`` is set.

    Any answer counts, a refusal too; proxies of the environment are honoured.
    """
    from huggingface_hub import constants

    if is_offline() or constants.HF_HUB_OFFLINE:
        return False
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        with urllib.request.urlopen(request, timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):  # no answer, or HF_ENDPOINT is no address
        return False


def why_unreachable() -> str:
    """The reason for which :func:`hub_answers` says no, for a sentence."""
    return "HF_HUB_OFFLINE is set" if is_offline() else "the hub does not answer"


def hub_faults() -> tuple[type[Exception], ...]:
    """Errors that calls of the hub raise: its own, its HTTP library's, and those of uploads."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)


def is_gated(fault: BaseException) -> bool:
    """Whether a fault says that terms have to be accepted first."""
    from huggingface_hub.errors import GatedRepoError

    return isinstance(fault, GatedRepoError) or any(words in str(fault) for words in GATED)


def accept_terms(id: str, *, data: bool = False) -> str:
    """The steps that open a gated repository, to follow a colon.

    Args:
        id: of the repository.
        data: it holds data, not a model.
    """
    kind = "datasets/" if data else ""
    return f"accept its terms on https://huggingface.co/{kind}{id} and {LOG_IN}"


def not_fetched(what: str, why: str, *, remedy: str) -> Unavailable:
    """The fault for a thing that is neither here nor can be had from the network.

    Args:
        what: the thing, in the singular.
        why: :func:`why_unreachable`, or the first line of a fault.
        remedy: the next step.
    """
    return Unavailable(f"{what} is not on this machine and cannot be fetched ({why}): {remedy}")
