"""Weigh answers that are given: how surprising they are to a model that could have generated them.

    nats = -1/n * sum of log p(a_t | prompt, a_<t)    over the n tokens of an answer, its end too

Where the next token's logits are the model's own, prompt and answer are one forward. A method with
logits of its own is asked token by token, as when it generates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.generation.decoding_loop import Start
from deltamem.backbone.generation.generation import Generation, answer_limit
from deltamem.backbone.generation.next_logits import NextLogits, left_pad
from deltamem.backbone.generation.thinking import opens_thinking
from deltamem.backbone.inputs import DecodingLike, OnAnswer
from deltamem.backbone.rendering.answers import prompt_and_answer

__all__ = ["weigh"]

LOGITS_AT_ONCE = 512
"""Positions of which the logits over all the vocabulary are held at once."""


def weigh(
    backbone: Backbone,
    questions: Sequence[str],
    prompts: Sequence[Sequence[int]],
    given: Sequence[str],
    decoding: DecodingLike,
    *,
    start: Start | None,
    next_logits: NextLogits | None,
    side_by_side: int,
    on_answer: OnAnswer,
) -> list[Generation]:
    """Given answers as if they had been generated, with what they weigh.

    Args:
        backbone: the model and its tokenizer.
        questions: what is asked, as text.
        prompts: tokens that ask it, without those that ``start`` holds.
        given: an answer to each.
        decoding: how long an answer may be.
        start: keys, values and memory states to go on from.
        next_logits: another way to get the next token's logits than the model's own.
        side_by_side: prompts that are computed at once, at most.
        on_answer: told of each answer.
    """
    start = Start.empty(backbone, len(prompts)) if start is None else start
    answers = [
        prompt_and_answer(backbone, [{"role": "user", "content": question}], text)[1]
        for question, text in zip(questions, given, strict=True)
    ]
    weigher = _Weigher(backbone, prompts, answers, decoding, start=start, next_logits=next_logits)
    done = [answer for rows in weigher.parts(side_by_side) for answer in weigher.weighed(rows)]
    for number, answer in enumerate(done):
        on_answer(number, answer)
    return done


class _Weigher:
    """Prompts with the answers to them."""

    def __init__(
        self,
        backbone: Backbone,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        decoding: DecodingLike,
        *,
        start: Start,
        next_logits: NextLogits | None,
    ) -> None:
        self.backbone, self.prompts, self.answers = backbone, prompts, answers
        self.decoding, self.start, self.next_logits = decoding, start, next_logits
        self.in_view = [n + len(prompt) for n, prompt in zip(start.held, prompts, strict=True)]
        self.weighable = [
            n + len(answer) - 1 <= backbone.window
            and not opens_thinking(backbone.tokenizer, prompt)
            for n, prompt, answer in zip(self.in_view, prompts, answers, strict=True)
        ]
        # of an answer that has no place the first token, which has, is fed and not counted
        self.fed = [a if ok else a[:1] for a, ok in zip(answers, self.weighable, strict=True)]

    def parts(self, size: int) -> Iterator[Sequence[int]]:
        """Numbers of prompts that are side by side; few where answers are long."""
        if self.next_logits is None:
            size = min(size, max(1, LOGITS_AT_ONCE // max(map(len, self.fed))))
        for first in range(0, len(self.prompts), size):
            yield range(first, min(first + size, len(self.prompts)))

    @torch.no_grad()
    def weighed(self, numbers: Sequence[int]) -> list[Generation]:
        """Answers as if they had been generated, with what they weigh."""
        began = time.perf_counter()
        cache = self.start.cache.selected([self.start.rows[i] for i in numbers])
        if cache.reach is None:
            cache.reach = [
                n + answer_limit(self.backbone, n, self.decoding)
                for n in (self.in_view[i] for i in numbers)
            ]
        if self.next_logits is None:
            sums = self._in_one_forward(numbers, cache)
        else:
            sums = self._token_by_token(numbers, cache, self.next_logits)
        seconds = (time.perf_counter() - began) / len(numbers)
        return [
            Generation(
                text=self.backbone.decode(self.answers[i]),
                prompt_tokens=self.in_view[i],
                new_tokens=len(self.answers[i]),
                seconds=seconds,
                finish="stop",
                nats=total / len(self.answers[i]) if self._counts(i, total) else None,
            )
            for i, total in zip(numbers, sums, strict=True)
        ]

    def _counts(self, number: int, total: float) -> bool:
        return self.weighable[number] and math.isfinite(total)

    def _in_one_forward(self, numbers: Sequence[int], cache: MemoryCache) -> list[float]:
        """Nats of each answer. Its last token is predicted, and predicts nothing."""
        whole = [[*self.prompts[i], *self.fed[i][:-1]] for i in numbers]
        ids, mask, positions = self._tensors(whole, numbers)
        keep = max(len(self.fed[i]) for i in numbers)
        output = self.backbone.model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        return [
            _nats(output.logits[row, keep - len(self.fed[i]) :], self.fed[i])
            for row, i in enumerate(numbers)
        ]

    def _token_by_token(
        self, numbers: Sequence[int], cache: MemoryCache, next_logits: NextLogits
    ) -> list[float]:
        """Nats of each answer from logits that a method makes for one token after the other."""
        ids, mask, positions = self._tensors([self.prompts[i] for i in numbers], numbers)
        fed = [self.fed[i] for i in numbers]
        sums = [0.0] * len(fed)
        for place in range(max(map(len, fed))):
            logits = next_logits(ids, mask, positions, cache, numbers)
            tokens = [answer[min(place, len(answer) - 1)] for answer in fed]
            for row, answer in enumerate(fed):
                if place < len(answer):
                    sums[row] += _nats(logits[row : row + 1], tokens[row : row + 1])
            ids = torch.tensor([[token] for token in tokens], device=ids.device)
            positions = mask.sum(1, keepdim=True)
            mask = torch.cat([mask, mask.new_ones(len(tokens), 1)], dim=1)
        return sums

    def _tensors(
        self, tokens: Sequence[Sequence[int]], numbers: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Ids (B, T), mask (B, past + T) and positions (B, T)."""
        ids, mask = left_pad(tokens, fill=self.backbone.pad_id, device=self.backbone.device)
        past = self.start.mask(numbers)
        if past is not None:
            mask = torch.cat([past.to(mask.device), mask], dim=1)
        return ids, mask, (mask.long().cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]


def _nats(logits: Tensor, tokens: Sequence[int]) -> float:
    """Minus the sum of log p of tokens, each from its own row of logits (T, V)."""
    wanted = torch.tensor(tokens, device=logits.device)
    exact = logits.float()
    chosen = exact.gather(1, wanted[:, None])[:, 0]
    return float((exact.logsumexp(-1) - chosen).double().sum())
