"""Who may ask, and how much: the token, the address, and the size of a body."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from deltamem_cli.errors import UsageError
from deltamem_cli.serving.bounds import RequestLimits
from deltamem_cli.serving.refusal import Refusal

__all__ = ["TOKEN", "Guard", "body_of", "is_loopback", "token_for"]

TOKEN = "DELTAMEM_TOKEN"
"""The environment variable that holds the token, which no list of processes shows."""
SHORTEST = 16
"""Characters of a token."""
DISCARDED = 32
"""Times the limit that is read of a body that is too large, so that its sender gets to read why."""


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own and no other's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_for(host: str) -> str | None:
    """The token of the environment, without which a server listens to its own machine alone.

    Raises:
        UsageError: an address that others reach and no token, or one that is easily guessed.
    """
    token = os.environ.get(TOKEN)
    if token is None and not is_loopback(host):
        raise UsageError(
            f"host={host} can be reached from other machines, so a token is required: set {TOKEN} "
            f"to {SHORTEST} or more characters, or leave host= out"
        )
    if token is not None and (len(token) < SHORTEST or not token.isascii() or " " in token):
        raise UsageError(
            f"{TOKEN} must have {SHORTEST} or more characters, all of them ASCII, and no spaces"
        )
    return token


class Guard:
    """Lets requests in that have the token; without one, those that a browser cannot forge."""

    def __init__(self, token: str | None) -> None:
        """``token``: None where only this machine can ask."""
        self._token = None if token is None else token.encode()

    async def check(self, request: Request) -> None:
        """Refuse a request that must not be answered; a dependency of FastAPI's.

        Raises:
            Refusal: no token, another one, or a request that was meant for another host.
        """
        if self._token is None:
            # a page of another site may have its name lead here, and a browser would send it along
            if not is_loopback(_named(request.headers.get("host", ""))):
                raise Refusal(
                    "this server only answers requests to localhost", status=403, code="host"
                )
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        if scheme.lower() != "bearer" or not right:
            raise Refusal(
                "the token is missing or wrong: send it as 'Authorization: Bearer TOKEN'",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )


def _named(host: str) -> str:
    """The name or address in a ``Host`` header; nothing where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def body_of(request: Request, limits: RequestLimits) -> bytes:
    """The body of a request, of which no more is held than may be.

    Raises:
        Refusal: it is no JSON, too large, too slow, or its sender has gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"the content type is {kind[:80]!r}; it must be application/json", status=415)
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for piece in request.stream():
                size += len(piece)
                if size <= limits.body_bytes:
                    body += piece
                elif size > DISCARDED * limits.body_bytes:
                    break
    except TimeoutError as fault:
        raise Refusal(
            f"the request did not arrive within {limits.body_seconds:g} seconds", status=408
        ) from fault
    except ClientDisconnect as fault:
        raise Refusal("the connection was cut") from fault
    if size > limits.body_bytes:
        raise Refusal(
            f"the request has more than {limits.body_bytes:,} bytes: send only the newest "
            "messages, in a session",
            status=413,
            code="too_large",
        )
    return bytes(body)
