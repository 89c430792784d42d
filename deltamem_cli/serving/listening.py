"""A server on its address, until a signal ends it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from deltamem_base.whole_files import why
from deltamem_cli.errors import UsageError

__all__ = ["listening", "serve_on"]

CONNECTIONS = 512
"""Connections at once; those of slow readers count."""
LAST_SECONDS = 5
"""Seconds that answers have to end once a signal has come."""


@contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """A socket on an address, and its URL; port 0 takes any that is free.

    Raises:
        UsageError: no such address, or its port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family)
    except OSError as fault:
        raise UsageError(
            f"cannot listen on host={host} port={port} ({why(fault)}): choose another port or host"
        ) from fault
    with bound:
        name = f"[{host}]" if ":" in host else host
        yield bound, f"http://{name}:{bound.getsockname()[1]}"


def serve_on(bound: socket.socket, app: FastAPI) -> None:
    """Serve until SIGINT or SIGTERM, which comes again once all has ended."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[bound])
