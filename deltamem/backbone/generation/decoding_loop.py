"""The loop that decodes: an answer that ends leaves its place to a prompt that waits.

Prompts are read together with those that are taken in with them, the longest first, so that those
side by side have similar lengths. Who is beside a row is no part of its answer: the row brings its
own mask, positions, memory state and random numbers.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.generation.batch import Batch, Job, regrouped
from deltamem.backbone.generation.finite import check_finite
from deltamem.backbone.generation.next_logits import NextLogits, left_pad
from deltamem.backbone.generation.sampling import choose_tokens
from deltamem.backbone.inputs import DecodingLike

__all__ = ["DecodingLoop", "Start"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Start:
    """A cache that prompts go on from, and that stays as it is."""

    cache: MemoryCache
    """Keys, values and memory states."""
    rows: Sequence[int]
    """The row of the cache that each prompt goes on from."""
    past: Tensor | None = None
    """(rows of the cache, P) bool, the real ones among the tokens that it holds; None: it is empty.
    """

    @classmethod
    def empty(cls, backbone: Backbone, prompts: int) -> Start:
        """A new cache, which holds nothing that so many prompts could go on from."""
        return cls(cache=MemoryCache(config=backbone.model.config), rows=range(prompts))

    @property
    def held(self) -> list[int]:
        """Number of real tokens in the cache that each prompt goes on from."""
        if self.past is None:
            return [0] * len(self.rows)
        counts: list[int] = self.past.sum(1)[list(self.rows)].tolist()
        return counts

    def mask(self, numbers: Sequence[int]) -> Tensor | None:
        """(B, P) of some prompts."""
        return None if self.past is None else self.past[[self.rows[i] for i in numbers]]


@dataclass(eq=False, kw_only=True)
class DecodingLoop:
    """Decodes jobs until none is left; see the module."""

    backbone: Backbone
    decoding: DecodingLike
    step: NextLogits
    start: Start
    side_by_side: int
    """Rows at most."""
    rows_stay: bool
    """A row stays until all have ended, for a ``step`` that knows each row by its place."""
    on_token: Callable[[int, int], bool]
    """Told of the number of a job and its new token; whether its answer ends there."""

    @cached_property
    def stop(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self.backbone.stop_ids

    def run(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Each job as it ends."""
        waiting = deque(jobs if self.rows_stay else sorted(jobs, key=lambda job: -job.in_view))
        batch: Batch | None = None
        while waiting or batch is not None:
            places = min(self._places(batch), len(waiting))
            if places or batch is None:
                fresh = self._read([waiting.popleft() for _ in range(places)])
                yield from fresh.ended
                batch = self._together([fresh] if batch is None else [batch, fresh])
                continue
            before = set(batch.running)
            self._next(batch)
            yield from (batch.jobs[row] for row in sorted(before.difference(batch.running)))
            if not (waiting and self._places(batch)):  # those who join come with a regrouping
                batch = self._together([batch]) if len(batch.running) < len(before) else batch

    def _places(self, batch: Batch | None) -> int:
        """Rows that may join."""
        if batch is None:
            return self.side_by_side
        stays = self.rows_stay or not batch.can_move
        return 0 if stays else self.side_by_side - len(batch.running)

    def _together(self, batches: Sequence[Batch]) -> Batch | None:
        running = [batch for batch in batches if batch.running]
        if len(running) == 1 and (self.rows_stay or not running[0].can_move):
            return running[0]
        return regrouped(running)

    def _read(self, jobs: Sequence[Job]) -> Batch:
        """A batch of its own for jobs whose prompts are read, with their first tokens."""
        numbers = [job.number for job in jobs]
        device = self.backbone.device
        ids, mask = left_pad([job.prompt for job in jobs], fill=self.backbone.pad_id, device=device)
        past = self.start.mask(numbers)
        if past is not None:
            mask = torch.cat([past.to(device), mask], dim=1)
        cache = self.start.cache.selected([self.start.rows[i] for i in numbers])
        if cache.reach is None:
            cache.reach = [job.in_view + job.limit for job in jobs]
        batch = Batch(jobs=jobs, mask=mask, cache=cache)
        positions = (mask.long().cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        self._advance(batch, ids, positions)
        return batch

    def _next(self, batch: Batch) -> None:
        """One token more for every row."""
        mask = batch.mask
        batch.mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        ids = torch.tensor([[job.tokens[-1]] for job in batch.jobs], device=mask.device)
        self._advance(batch, ids, mask.sum(1, keepdim=True))

    def _advance(self, batch: Batch, ids: Tensor, positions: Tensor) -> None:
        """Put tokens through the model, and choose the next one of each row."""
        began, rows = time.perf_counter(), batch.running
        numbers = [job.number for job in batch.jobs]
        logits = self.step(ids, batch.mask, positions, batch.cache, numbers)
        tokens, finite = choose_tokens(
            logits, self.decoding, {row: batch.jobs[row].generator for row in rows}
        )
        check_finite(finite, rows, model=self.backbone.model, cache=batch.cache)
        for row in rows:
            job = batch.jobs[row]
            job.tokens.append(tokens[row])
            over = tokens[row] in self.stop or len(job.tokens) >= job.limit
            job.ended = self.on_token(job.number, tokens[row]) or over
        seconds = (time.perf_counter() - began) / len(rows)
        for row in rows:
            batch.jobs[row].seconds += seconds
