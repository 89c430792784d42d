"""How one token is chosen from logits, and which settings of that make sense."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from deltamem.backbone.inputs import DecodingLike
from deltamem_base.faults import InvalidInput

__all__ = ["check_decoding", "choose_tokens", "sample_token"]


def sample_token(logits: Tensor, decoding: DecodingLike, generator: torch.Generator) -> int:
    """One token from logits (V): temperature, then top-k, then top-p, on the CPU in float64."""
    if decoding.temperature == 0:
        return int(logits.argmax())
    scaled = logits.double().cpu() / decoding.temperature
    values, order = scaled.sort(descending=True, stable=True)
    if decoding.top_k:
        values, order = values[: decoding.top_k], order[: decoding.top_k]
    probabilities = values.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    probabilities = torch.where(before < decoding.top_p, probabilities, 0.0)
    edge = probabilities.cumsum(-1)
    drawn = torch.rand((), dtype=torch.float64, generator=generator) * edge[-1]
    return int(order[min(int((edge <= drawn).sum()), len(order) - 1)])


def choose_tokens(
    logits: Tensor, decoding: DecodingLike, generators: Mapping[int, torch.Generator]
) -> tuple[list[int], list[bool]]:
    """The next token of each row of logits (B, V), by one read from the device.

    Args:
        logits: of the next tokens.
        decoding: how to choose.
        generators: of the rows that are still decoded; a row without one may get any token.

    Returns:
        Tokens, and whether the largest logit of each row is finite.
    """
    finite = logits.amax(-1).isfinite()
    if decoding.temperature == 0:
        tokens, flags = torch.stack([logits.argmax(-1), finite.long()]).tolist()
        return tokens, [bool(flag) for flag in flags]
    rows = torch.cat([logits, finite[:, None].to(logits.dtype)], dim=1).cpu()
    flags = rows[:, -1].tolist()
    tokens = [
        sample_token(row[:-1], decoding, generators[i]) if i in generators and flags[i] else 0
        for i, row in enumerate(rows)
    ]
    return tokens, [bool(flag) for flag in flags]


def check_decoding(decoding: DecodingLike) -> None:
    """Refuse settings under which no token could be chosen sensibly.

    Raises:
        InvalidInput: with the setting, its value and what would do.
    """
    for name, fine, wanted in (
        ("max_new_tokens", decoding.max_new_tokens >= 1, "at least 1"),
        ("temperature", decoding.temperature >= 0, "0 (greedy) or more"),
        ("top_p", 0 < decoding.top_p <= 1, "above 0 and at most 1 (off)"),
        ("top_k", decoding.top_k >= 0, "0 (off) or more"),
    ):
        if not fine:
            value = getattr(decoding, name)
            raise InvalidInput(f"decoding.{name} is {value}; it must be {wanted}")
