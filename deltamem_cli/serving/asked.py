"""A chat request as it was asked: one strict reader from OpenAI's JSON to a typed value.

What this server cannot do is refused by name, unless it is switched off: ``n=1`` is taken, ``n=2``
is not. A key without a value (``null``) counts as left out, as in OpenAI's own interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Interval, MaxLen, MinLen

from deltamem.conversation.answering import Answering
from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_base.json_text import decode, kind_of, parse_json
from deltamem_base.typed_json import typed
from deltamem_cli.serving.bounds import RequestLimits
from deltamem_cli.serving.refusal import Refusal, no_model
from deltamem_evaluations.sample import Decoding

__all__ = ["Asked", "Defaults", "read_asked"]

WHERE = "the request"
SWITCHED_OFF: Mapping[str, Sequence[object]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "web_search_options": (),
}
"""Parameters of OpenAI's that this server has no use for, with the values that ask for nothing."""
OF_NO_EFFECT = ("metadata", "prompt_cache_key", "safety_identifier")
"""Labels that a client puts on its requests."""
NO_CALLS = ("annotations", "audio", "function_call", "refusal", "tool_calls")
"""Keys of an assistant's message that may stand there empty, as in an answer that comes back."""
Text = Annotated[str, MinLen(1), MaxLen(256)]


@dataclass(frozen=True, kw_only=True)
class _Message:
    role: Literal["system", "developer", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True)
class _StreamOptions:
    include_usage: bool = False


@dataclass(frozen=True, kw_only=True)
class _Body:
    model: str
    messages: Annotated[tuple[_Message, ...], MinLen(1)]
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    max_tokens: Annotated[int, Ge(1)] | None = None
    max_completion_tokens: Annotated[int, Ge(1)] | None = None
    temperature: Annotated[float, Ge(0)] | None = None
    top_p: Annotated[float, Interval(gt=0, le=1)] | None = None
    top_k: Annotated[int, Ge(0)] | None = None
    stop: Annotated[tuple[Text, ...], MaxLen(4)] = ()
    seed: int | None = None
    user: str | None = None
    context: Literal["none", "visible"] | None = None


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """A server's own settings, for what a request leaves open."""

    model: str
    """The one model that there is."""
    decoding: Decoding
    seed: int
    context: str
    system: str | None
    limits: RequestLimits


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that can be answered."""

    system: str | None
    """Instructions that it brings; None where it brings none."""
    history: tuple[Mapping[str, str], ...]
    """Messages before its newest one, as the client remembers them."""
    newest: str
    """The user's message that is to be answered."""
    answering: Answering
    context: str
    """``none``: only the newest message is shown; ``visible``: earlier ones are as well."""
    user: str | None
    stream: bool
    include_usage: bool


def read_asked(content: bytes, defaults: Defaults) -> Asked:
    """The request that a body holds.

    Args:
        content: of the body.
        defaults: the server's own settings.

    Raises:
        Refusal: not such JSON, an unknown model, a parameter that is not supported, roles that do
            not take turns, or more than the limits allow.
    """
    try:
        body = typed(
            _plain(parse_json(decode(content, where=WHERE), where=WHERE)), _Body, where=WHERE
        )
        return _asked(body, defaults)
    except (InvalidData, InvalidInput) as fault:
        raise Refusal(str(fault)) from fault


def _plain(content: object) -> dict[str, Any]:
    """The keys that have a value and a meaning, with contents and stop texts in their one form."""
    if not isinstance(content, dict):
        raise Refusal(f"{WHERE} is {kind_of(content)}, not an object")
    kept = {k: v for k, v in content.items() if v is not None and k not in OF_NO_EFFECT}
    for name in [name for name in kept if name in SWITCHED_OFF]:
        value = kept.pop(name)
        if not any(type(value) is type(off) and value == off for off in _off(name)):
            raise Refusal(
                f"{name} is not supported by this server: leave it out",
                code="unsupported_parameter",
                param=name,
            )
    if isinstance(kept.get("stop"), str):
        kept["stop"] = [kept["stop"]]
    if isinstance(kept.get("messages"), list):
        kept["messages"] = [_message(n, told) for n, told in enumerate(kept["messages"])]
    return kept


def _off(name: str) -> list[object]:
    """Values that ask for nothing; a number may be written with a point."""
    values = SWITCHED_OFF[name]
    return [*values, *(float(v) for v in values if type(v) is int)]


def _message(number: int, told: object) -> object:
    """A message whose content is one text, from a text or a list of text parts."""
    if not isinstance(told, dict):
        return told
    kept = {k: v for k, v in told.items() if v is not None and not (k in NO_CALLS and not v)}
    parts = kept.get("content")
    if isinstance(parts, list):
        texts = [p.get("text") for p in parts if isinstance(p, dict) and p.get("type") == "text"]
        read = [text for text in texts if isinstance(text, str)]
        if len(read) != len(parts):
            raise Refusal(
                f"messages[{number}].content holds a part that is not text; this server only "
                "takes parts of the type text",
                param="messages",
            )
        kept["content"] = "".join(read)
    for name in sorted(kept.keys() - {"role", "content"}):
        raise Refusal(
            f"messages[{number}].{name} is not supported by this server: leave it out",
            param="messages",
        )
    return kept


def _asked(body: _Body, defaults: Defaults) -> Asked:
    if body.model != defaults.model:
        raise no_model(body.model, defaults.model)
    system, said = _conversation(body, defaults.limits)
    *history, newest = said
    return Asked(
        system=system,
        history=tuple(history),
        newest=newest["content"],
        answering=Answering(
            decoding=_decoding(body, defaults),
            seed=defaults.seed if body.seed is None else body.seed,
            stop=body.stop,
        ),
        context=body.context or defaults.context,
        user=body.user,
        stream=body.stream,
        include_usage=body.stream_options.include_usage,
    )


def _conversation(body: _Body, limits: RequestLimits) -> tuple[str | None, list[Mapping[str, str]]]:
    """Instructions, and messages that take turns up to the user's newest."""
    if len(body.messages) > limits.messages:
        raise Refusal(
            f"the request has {len(body.messages)} messages, more than the {limits.messages} that "
            "this server takes: send only the newest ones, in a session",
            param="messages",
        )
    first, *others = body.messages
    instructs = first.role in ("system", "developer")
    said = others if instructs else list(body.messages)
    roles = [message.role for message in said]
    if roles != [("user", "assistant")[n % 2] for n in range(len(roles) - 1, -1, -1)] or not roles:
        raise Refusal(
            "the messages must alternate between user and assistant and end with one of the user; "
            "instructions (system) may only come first; the roles are "
            + ", ".join(message.role for message in body.messages[-8:]),
            param="messages",
        )
    system = first.content if instructs and first.content.strip() else None
    return system, [{"role": m.role, "content": m.content.strip()} for m in said]


def _decoding(body: _Body, defaults: Defaults) -> Decoding:
    named = (body.max_completion_tokens, body.max_tokens)
    if None not in named and named[0] != named[1]:
        raise Refusal(
            f"max_completion_tokens is {named[0]} and max_tokens is {named[1]}: give only one of "
            "them",
            param="max_tokens",
        )
    limit = next((value for value in named if value is not None), None)
    if limit is not None and limit > defaults.limits.max_new_tokens:
        raise Refusal(
            f"max_tokens is {limit}; it must be at most {defaults.limits.max_new_tokens} here",
            param="max_tokens",
        )
    given = {
        "max_new_tokens": limit,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k,
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(defaults.decoding, **changed)
