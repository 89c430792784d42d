"""The reply to a request that is not answered: one sentence, in the JSON of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Mapping

from deltamem_base.faults import CannotWrite, Fault, InvalidData, InvalidInput

__all__ = ["Refusal", "no_model", "refusal_of"]

INVALID = "invalid_request_error"
OURS = "server_error"


class Refusal(Fault):
    """A request that is not answered."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A sentence for whoever asked.

        Args:
            sentence: what is wrong, and what to do.
            status: of HTTP.
            code: a word for programs.
            param: the parameter that is at fault.
            headers: further ones of the response.
        """
        super().__init__(sentence)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, object]:
        """The JSON of the response."""
        return {
            "error": {
                "message": str(self),
                "type": INVALID if self.status < 500 else OURS,
                "param": self.param,
                "code": self.code,
            }
        }


def no_model(name: str, there: str) -> Refusal:
    """The refusal of a request for a model that is not the one which is there."""
    return Refusal(
        f"there is no model {name[:80]!r} here; choose {there!r}",
        status=404,
        code="model_not_found",
        param="model",
    )


def refusal_of(fault: BaseException) -> Refusal:
    """A fault as those outside are told it, without a path of this machine.

    Args:
        fault: anything that ended a request.
    """
    if isinstance(fault, Refusal):
        return fault
    if isinstance(fault, InvalidInput | InvalidData):
        return Refusal(str(fault))
    if isinstance(fault, CannotWrite):
        return Refusal(
            "the memory of this session cannot be written, so that nothing of this request was "
            "taken over; the server's log says why",
            status=507,
            code="cannot_write",
        )
    if isinstance(fault, Fault):
        return Refusal(str(fault), status=500)
    return Refusal("the server failed at this request; its log says why", status=500)
