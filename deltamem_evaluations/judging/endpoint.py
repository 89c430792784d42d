"""An OpenAI-compatible endpoint that a judge is asked at: bounded tries, and a key that stays here.

The key comes from an environment variable and goes into one header of requests to the endpoint
itself: redirections are refused, and no message, record or log holds it or what the endpoint said.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deltamem_base.faults import Fault, InvalidInput, Unavailable, first_line
from deltamem_evaluations.judging.rules import JudgeQuestion

__all__ = ["KEY", "Endpoint", "JudgeSilent", "NoVerdict"]

KEY = "DELTAMEM_JUDGE_KEY"
"""Environment variable that holds the key; none is sent where it is not set."""
LONGEST_WAIT = 60.0
"""Seconds; an endpoint that asks for a longer pause is asked again after these."""
LARGEST = 2**20
"""Most bytes of a reply: a verdict has a few hundred."""
PASSING = (408, 409, 425, 429)
"""HTTP: faults of a client that may not be there the next time."""


class JudgeSilent(Fault):
    """An endpoint that gave no verdict, however often it was asked; says what came last."""


class NoVerdict(JudgeSilent):
    """An endpoint that answers, but whose last reply held no verdict."""


class _Passing(Exception):
    """A fault that may not be there the next time."""

    def __init__(self, what: str, *, pause: float = 0.0) -> None:
        super().__init__(what)
        self.pause = pause


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Sends a key nowhere but where the user said."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A judging model behind an address.

    Raises:
        InvalidInput: an address that is none or holds a key, or a key that no header can hold.
    """

    url: str
    """Address up to ``/v1``."""
    model: str
    tries: int = 5
    """Times that one question is asked at most."""
    wait: float = 1.0
    """Seconds before the second try; every further one waits twice as long."""
    seconds: float = 60.0
    """Seconds without a byte after which a try has failed."""
    key: str = field(default_factory=lambda: os.environ.get(KEY, "").strip(), repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or "@" in parts.netloc or parts.query or parts.fragment:
            raise InvalidInput(
                "judge.url must be an address such as http://127.0.0.1:8001/v1, without a name, a "
                f"key or a query in it; a key goes into the environment variable {KEY}"
            )
        if not (self.key.isascii() and (not self.key or self.key.isprintable())):
            raise InvalidInput(f"the key in {KEY} holds characters that a key cannot have")

    def ask(self, question: JudgeQuestion) -> tuple[str, float]:
        """The reply of the judge, and its verdict.

        Raises:
            Unavailable: the endpoint refuses the key, or cannot be asked in this way.
            JudgeSilent: no verdict came, in as many tries as there may be.
            NoVerdict: likewise, and the last reply was one without a verdict.
        """
        last = ""
        silent: type[JudgeSilent] = JudgeSilent
        for number in range(self.tries):
            try:
                reply = self._once(question)
                verdict = question.rules.read(reply)
                if verdict is not None:
                    return reply, verdict
                last, pause, silent = "a reply without a verdict", 0.0, NoVerdict
            except _Passing as fault:
                last, pause, silent = str(fault), fault.pause, JudgeSilent
            if number + 1 < self.tries:
                time.sleep(min(max(self.wait * 2**number, pause), LONGEST_WAIT))
        raise silent(f"{self.tries} tries, the last of which ended with {last}")

    def _once(self, question: JudgeQuestion) -> str:
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions",
            data=json.dumps(self._body(question)).encode(),
            headers={
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            },
        )
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self.seconds) as answer:
                content = answer.read(LARGEST + 1)
        except urllib.error.HTTPError as fault:
            with fault:
                raise self._refused(fault) from None
        except (OSError, http.client.HTTPException) as fault:
            why = fault.reason if isinstance(fault, urllib.error.URLError) else fault
            said = first_line(why) if isinstance(why, BaseException) else str(why)
            raise _Passing(f"no answer ({said})") from None
        return _content(content)

    def _body(self, question: JudgeQuestion) -> Mapping[str, object]:
        rules = question.rules
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": question.prompt}],
            "temperature": rules.temperature,
            **({} if rules.max_tokens is None else {"max_tokens": rules.max_tokens}),
            **({"response_format": {"type": "json_object"}} if rules.as_json else {}),
        }

    def _refused(self, fault: urllib.error.HTTPError) -> Exception:
        code = fault.code
        if code in PASSING or code >= 500:
            return _Passing(f"HTTP {code}", pause=_pause(fault.headers.get("Retry-After")))
        if code in (401, 403):
            key = f"refuses the key in {KEY}" if self.key else f"wants a key: set {KEY}"
            return Unavailable(f"the judge at {self.url} {key} (HTTP {code})")
        return Unavailable(
            f"the judge at {self.url} answers HTTP {code}: is this its address up to /v1, and "
            f"'{self.model}' the name of a model there?"
        )


def _content(content: bytes) -> str:
    """The text of a reply."""
    if len(content) > LARGEST:
        raise _Passing("a reply of more than a megabyte")
    try:
        reply = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        reply = None
    if not isinstance(reply, str):
        raise _Passing("a reply that is not a chat completion")
    return reply.strip()


def _pause(header: str | None) -> float:
    """Seconds that a Retry-After asks for; 0 where it names none."""
    return float(header) if header is not None and header.strip().isdecimal() else 0.0
