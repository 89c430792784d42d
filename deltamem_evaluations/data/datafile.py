"""Find a benchmark's file: given, in the data folder, in the cache, or downloaded and checked."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deltamem_base.downloads import say_download
from deltamem_base.faults import Unavailable, check_choice, first_line
from deltamem_base.hub import is_offline, not_fetched, why_unreachable
from deltamem_base.user_cache import user_cache
from deltamem_base.whole_files import write_bytes

__all__ = [
    "PROTOCOLS",
    "UrlSource",
    "cache_folder",
    "check_protocol",
    "locate",
]

PROTOCOLS = ("benchmark", "paper")
TIMEOUT_SECONDS = 30


def check_protocol(protocol: str) -> None:
    """Refuse a protocol that is neither the benchmark's nor the paper's.

    Raises:
        InvalidInput: naming the choices.
    """
    check_choice("bench.protocol", protocol, PROTOCOLS)


def cache_folder() -> Path:
    """``$DELTAMEM_DATA``, or ``deltamem`` in the user's cache folder."""
    named = os.environ.get("DELTAMEM_DATA")
    if named:
        return Path(named)
    return user_cache()


@dataclass(frozen=True, kw_only=True)
class UrlSource:
    """A single released file."""

    name: str
    url: str
    sha256: str
    """A download that differs is refused."""
    licence: str
    """Said when the file is missing."""


def locate(source: UrlSource, *, given: str | None) -> Path:
    """A file by the path that was given, else from the data folder, else downloaded there.

    Args:
        source: the released file.
        given: a path of the user's; whatever is there is taken.

    Raises:
        Unavailable: there is no such file, and it cannot be fetched.
        CannotWrite: there is no room or no permission in the data folder.
    """
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise Unavailable(f"bench.path={given}: there is no such file")
        return path
    path = cache_folder() / source.name
    if path.is_file():
        return path
    if is_offline():
        raise _not_fetched(source, why_unreachable())
    say_download(source.name, source=source.url)
    try:
        content = _download(source.url)
    except (OSError, http.client.HTTPException) as fault:
        raise _not_fetched(source, first_line(fault)) from fault
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise Unavailable(
            f"what {source.url} serves is not the released {source.name} (sha256 {found[:12]}, "
            f"expected {source.sha256[:12]}): give a copy with bench.path=FILE"
        )
    return write_bytes(path, content)


def _not_fetched(source: UrlSource, why: str) -> Unavailable:
    return not_fetched(
        f"{source.name} ({source.licence})",
        f"{source.url}: {why}",
        remedy=f"put it into {cache_folder()}, or give a copy with bench.path=FILE",
    )


def _download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read()
    return content
