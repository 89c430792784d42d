"""Which words of a text are worth keeping, by the frozen backbone's surprisal.

Selective Context (Li et al., EMNLP 2023): the self-information of a token is -log p(token | what
came before), that of a word is the sum over its tokens, and of a text the words with the most are
kept. A text stands alone, as the opening of a user's turn: compressed it is by itself, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

import torch
from torch.nn.functional import cross_entropy

from deltamem.backbone import Backbone, split_windows

__all__ = ["Span", "Surprisal", "kept_words", "word_surprisals"]

Span = tuple[int, int]
"""First character, and the one after the last."""
PROBES = ("Where", "a")
"""Openings with nothing in common: what is rendered before both is the template's."""
POSITIONS_AT_ONCE = 1024
"""Padded positions in a forward, whose logits over the whole vocabulary are held."""


class Surprisal:
    """Self-information of the tokens of texts under a frozen backbone."""

    def __init__(self, backbone: Backbone) -> None:
        """``backbone``: with a chat template."""
        self._backbone = backbone
        one, two = (backbone.render([{"role": "user", "content": p}]).ids for p in PROBES)
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False))
        self._opening = [token for token, _ in alike] or [backbone.pad_id]

    def __call__(self, texts: Sequence[str]) -> list[list[tuple[Span, float]]]:
        """The tokens of each text: where they stand in it, and their self-information in nats.

        A text beyond the backbone's window is read in windows, each after the opening alone.
        """
        encoded = [
            self._backbone.tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            for text in texts
        ]
        room = self._backbone.window - len(self._opening)
        parts = [
            (i, window)
            for i, one in enumerate(encoded)
            for window in split_windows(len(one["input_ids"]), room)
        ]
        rows = [encoded[i]["input_ids"][window] for i, window in parts]
        found: list[list[float]] = [[] for _ in texts]
        for (i, _), values in zip(parts, self._of(rows), strict=True):
            found[i] += values
        return [
            list(zip(one["offset_mapping"], values, strict=True))
            for one, values in zip(encoded, found, strict=True)
        ]

    def _of(self, rows: Sequence[list[int]]) -> list[list[float]]:
        """The same for rows of tokens, those of like length side by side."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found: list[list[float]] = [[] for _ in rows]
        while order:
            longest = len(rows[order[-1]]) + len(self._opening)
            count = max(1, POSITIONS_AT_ONCE // longest)
            group, order = order[-count:], order[:-count]
            for i, values in zip(group, self._read([rows[i] for i in group]), strict=True):
                found[i] = values
        return found

    @torch.no_grad()
    def _read(self, rows: Sequence[list[int]]) -> list[list[float]]:
        """One forward; padding is on the right, where causal attention never sees it."""
        start, longest = len(self._opening), max(map(len, rows))
        filled = [
            self._opening + row + [self._backbone.pad_id] * (longest - len(row)) for row in rows
        ]
        ids = torch.tensor(filled, device=self._backbone.device)
        logits = self._backbone.model(
            input_ids=ids, use_cache=False, logits_to_keep=longest + 1
        ).logits[:, :-1]
        values = cross_entropy(
            logits.float().flatten(0, 1), ids[:, start:].flatten(), reduction="none"
        ).view(len(rows), longest)
        return [value[: len(row)].tolist() for value, row in zip(values, rows, strict=True)]


def word_surprisals(
    text: str, words: Sequence[Span], tokens: Sequence[tuple[Span, float]]
) -> list[float]:
    """The self-information of words: the sum over the tokens that begin in each.

    Args:
        text: the whole text.
        words: in their order.
        tokens: of the text, with their self-information; white space in front is not theirs.
    """
    totals, number = [0.0] * len(words), 0
    for (start, end), value in tokens:
        bare = text[start:end].lstrip()
        begins = end - len(bare)
        while number < len(words) and words[number][1] <= begins:
            number += 1
        if bare and number < len(words) and words[number][0] <= begins:
            totals[number] += value
    return totals


def kept_words(surprisals: Sequence[float], share: float) -> list[bool]:
    """The share of words with the most self-information, of equal ones the earlier."""
    count = math.ceil(share * len(surprisals))
    best = set(sorted(range(len(surprisals)), key=lambda i: -surprisals[i])[:count])
    return [i in best for i in range(len(surprisals))]
