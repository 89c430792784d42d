"""The routes of the server, in OpenAI's words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from deltamem_base.faults import Fault
from deltamem_cli.serving.asked import Defaults, read_asked
from deltamem_cli.serving.guard import Guard, body_of
from deltamem_cli.serving.refusal import Refusal, no_model, refusal_of
from deltamem_cli.serving.replies import DONE, Envelope, event, model_card
from deltamem_cli.serving.session_id import HEADER, session_id
from deltamem_cli.serving.turns import Ended, Turn, Turns

__all__ = ["application"]


def application(turns: Turns, *, defaults: Defaults, adapter: str, guard: Guard) -> FastAPI:
    """The application that a server runs.

    Args:
        turns: answers.
        defaults: settings for what requests leave open.
        adapter: sha256 of the adapter's weights.
        guard: who may ask.
    """
    routes = _Routes(turns, defaults=defaults, adapter=adapter)
    app = FastAPI(title="deltamem", docs_url=None, redoc_url=None, openapi_url=None)
    v1 = APIRouter(prefix="/v1", dependencies=[Depends(guard.check)])
    v1.add_api_route("/chat/completions", routes.chat, methods=["POST"])
    v1.add_api_route("/models", routes.models, methods=["GET"])
    v1.add_api_route("/models/{name:path}", routes.model, methods=["GET"])
    app.include_router(v1)
    app.add_api_route("/health", routes.health, methods=["GET"])
    app.add_exception_handler(Fault, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _refused)
    return app


class _Routes:
    """The answer of each path."""

    def __init__(self, turns: Turns, *, defaults: Defaults, adapter: str) -> None:
        self._turns, self._defaults = turns, defaults
        self._card = model_card(defaults.model, created=int(time.time()), adapter=adapter)

    async def chat(self, request: Request) -> Response:
        asked = read_asked(await body_of(request, self._defaults.limits), self._defaults)
        named = [value for name, value in request.headers.raw if name == HEADER.encode()]
        turn = self._turns.begin(asked, session_id(named, asked.user))
        envelope = Envelope(model=self._defaults.model)
        if not asked.stream:
            return JSONResponse(envelope.whole(await _whole(request, turn)))
        first = await _event(request, turn)
        return StreamingResponse(
            _pieces(turn, first, envelope, usage=asked.include_usage),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache"},
            background=BackgroundTask(turn.leave),
        )

    async def models(self) -> Response:
        return JSONResponse({"object": "list", "data": [self._card]})

    async def model(self, name: str) -> Response:
        if name != self._defaults.model:
            raise no_model(name, self._defaults.model)
        return JSONResponse(self._card)

    async def health(self) -> Response:
        return JSONResponse({"status": "ok"})


async def _refused(request: Request, fault: Exception) -> Response:
    refusal = refusal_of(fault)
    return JSONResponse(refusal.body, status_code=refusal.status, headers=refusal.headers)


async def _no_route(request: Request, fault: Exception) -> Response:
    """A path or a method that is not there, in the same form as all other errors."""
    assert isinstance(fault, HTTPException)
    sentence = (
        f"there is no {request.method} {request.url.path[:80]} here; there are POST "
        "/v1/chat/completions, GET /v1/models and GET /health"
    )
    refusal = Refusal(sentence, status=fault.status_code, headers=fault.headers)
    return await _refused(request, refusal)


async def _whole(request: Request, turn: Turn) -> Any:
    """The answer of a turn, once it is kept."""
    found = await _event(request, turn)
    while not isinstance(found, Ended):
        found = await _event(request, turn)
    return found.answered


async def _event(request: Request, turn: Turn) -> str | Ended:
    """The next event, unless the client goes first.

    Raises:
        BaseException: what the turn failed by.
        Refusal: the client has gone, and will not read this.
    """
    gone = asyncio.create_task(_gone(request))
    came = asyncio.create_task(turn.events.get())
    try:
        await asyncio.wait({gone, came}, return_when=asyncio.FIRST_COMPLETED)
        if not came.done():
            turn.leave()
            raise Refusal("the connection was cut")
        found = came.result()
    finally:
        for task in (gone, came):
            task.cancel()
    if isinstance(found, Ended) and found.fault is not None:
        raise found.fault
    return found


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _pieces(
    turn: Turn, first: str | Ended, envelope: Envelope, *, usage: bool
) -> AsyncIterator[str]:
    """The events of a stream; the status has been sent, so that a fault is one of them."""
    found, begins = first, True
    while not isinstance(found, Ended):
        yield event(envelope.piece(found, first=begins))
        found, begins = await turn.events.get(), False
    if found.answered is None:
        assert found.fault is not None
        yield event(refusal_of(found.fault).body)
        if not isinstance(found.fault, Fault):
            raise found.fault
        return
    if begins:
        yield event(envelope.piece("", first=True))
    yield event(envelope.last(found.answered))
    if usage:
        yield event(envelope.usage(found.answered))
    yield DONE
