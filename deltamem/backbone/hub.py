"""Whether the hub can be asked at all, found out in seconds instead of after many retries."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

__all__ = ["hub_reachable"]

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
