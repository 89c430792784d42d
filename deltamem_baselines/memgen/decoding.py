"""Decoding with latents: one KV cache of the backbone, and one for each reading beside it.

The backbone's cache holds tokens and latents. The weaver reads the same entries through its own
branches into a cache of its own, and only when it is asked for latents; its queries leave no trace.
Where one row of a batch inserts and another does not, the other's columns are masked out.

Letters: B sequences, T new entries, E entries so far, D hidden, K latents, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deltamem.backbone import Backbone, MemoryCache, embedding_weight
from deltamem_baselines.memgen.places import Places
from deltamem_baselines.memgen.weaver import MemGenWeights, positions_of
from deltamem_baselines.trained.lora import Lora

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Reading", "Readings", "WovenLogits"]


class Reading:
    """Entries as the backbone with one set of branches reads them, caught up with when asked."""

    def __init__(
        self, model: PreTrainedModel, lora: Lora, inputs: Callable[[Tensor], Tensor], *, batch: int
    ) -> None:
        """``batch`` empty sequences. ``inputs`` is applied to embeddings before they are read."""
        self.model, self.lora, self.inputs = model, lora, inputs
        self.cache = MemoryCache(config=model.config)
        device = embedding_weight(model).device
        self.mask = torch.zeros(batch, 0, dtype=torch.bool, device=device)
        self._waiting: list[Tensor] = []

    def see(self, embeddings: Tensor, mask: Tensor) -> None:
        """New entries (B, T, D), of which ``mask`` (B, T) are real; they are read later."""
        self._waiting.append(embeddings)
        self.mask = torch.cat([self.mask, mask], dim=1)

    def selected(self, rows: Sequence[int]) -> Reading:
        """A copy of the sequences ``rows``, repeats allowed; this one stays as it is."""
        self.last_hidden()
        chosen = copy.copy(self)
        chosen.cache, chosen.mask, chosen._waiting = self.cache.selected(rows), self.mask[rows], []
        return chosen

    def last_hidden(self) -> Tensor | None:
        """Read what waits; hidden vectors (B, D) after it, None when nothing waited."""
        if not self._waiting:
            return None
        inputs = self.inputs(torch.cat(self._waiting, dim=1))
        self._waiting = []
        return self._read(inputs, self.mask, self.cache)[:, -1]

    def after(self, queries: Tensor) -> Tensor:
        """Hidden vectors (B, K, D) of ``queries`` (K, D) after everything; they are not kept."""
        self.last_hidden()
        batch = len(self.mask)
        mask = torch.cat([self.mask, self.mask.new_ones(batch, len(queries))], dim=1)
        return self._read(queries.expand(batch, -1, -1), mask, self.cache.forked())

    def _read(self, inputs: Tensor, mask: Tensor, cache: MemoryCache) -> Tensor:
        with self.lora.attach(self.model):
            output = self.model.get_decoder()(
                inputs_embeds=inputs.to(embedding_weight(self.model).dtype),
                attention_mask=mask.long(),
                position_ids=positions_of(mask)[:, -inputs.shape[1] :],
                past_key_values=cache,
                use_cache=True,
            )
        hidden: Tensor = output.last_hidden_state
        return hidden


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings beside the backbone: the weaver's, and the trigger's where it is asked."""

    weaver: Reading
    trigger: Reading | None

    @classmethod
    def start(
        cls, model: PreTrainedModel, weights: MemGenWeights, *, batch: int, ask_trigger: bool
    ) -> Readings:
        """Readings of ``batch`` empty sequences."""
        weaver, trigger = weights.weaver, weights.trigger
        return cls(
            Reading(model, weaver.lora, lambda x: weaver.into(x.float()), batch=batch),
            Reading(model, trigger.lora, lambda x: x, batch=batch) if ask_trigger else None,
        )

    def see(self, embeddings: Tensor, mask: Tensor) -> None:
        """New entries for both."""
        self.weaver.see(embeddings, mask)
        if self.trigger is not None:
            self.trigger.see(embeddings, mask)

    def catch_up(self) -> None:
        """Read now what was seen."""
        self.weaver.last_hidden()
        if self.trigger is not None:
            self.trigger.last_hidden()

    def selected(self, rows: Sequence[int]) -> Readings:
        """Copies of the sequences ``rows``."""
        trigger = None if self.trigger is None else self.trigger.selected(rows)
        return Readings(self.weaver.selected(rows), trigger)


class WovenLogits:
    """Next-token logits (B, V) for :func:`deltamem.backbone.generate`, latents put in on the way.

    Good for one batch of answers.
    """

    def __init__(
        self,
        backbone: Backbone,
        weights: MemGenWeights,
        places: Places,
        *,
        seen: Readings,
    ) -> None:
        """Start after what ``seen`` holds, which is used up.

        Args:
            backbone: the frozen model.
            weights: weaver and trigger.
            places: where latents may go.
            seen: each row's history; with a trigger's reading, that may refuse a place.
        """
        self.backbone, self.weights, self.places = backbone, weights, places
        self._seen, self._mask = seen, seen.weaver.mask
        batch = len(self._mask)
        self._answers: list[list[int]] | None = None
        self.insertions = [0] * batch
        """Within each answer so far; that at the end of the prompt is not counted."""

    def __call__(
        self,
        ids: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: MemoryCache,
        numbers: Sequence[int],
    ) -> Tensor:
        """Take the prompts or the tokens just chosen; see ``NextLogits``."""
        embeddings = self.backbone.model.get_input_embeddings()(ids)
        logits = self._feed(embeddings, mask[:, -ids.shape[1] :], cache)
        wanted = self._wanted(ids)
        at_prompt = self._answers is None
        self._remember(ids)
        if not any(wanted):
            return logits
        insert = torch.tensor(wanted, device=logits.device)
        if self._seen.trigger is not None:
            insert &= self._triggered(self._seen.trigger)
        if not bool(insert.any()):
            return logits
        weaver = self.weights.weaver
        queries = (weaver.prompt if at_prompt else weaver.inference)()
        latents = weaver.out(self._seen.weaver.after(queries).float()).to(embeddings.dtype)
        woven = self._feed(latents, insert[:, None].expand(-1, len(queries)), cache)
        if not at_prompt:
            self.insertions = [n + int(i) for n, i in zip(self.insertions, insert, strict=True)]
        return torch.where(insert[:, None], woven, logits)

    def _feed(self, embeddings: Tensor, real: Tensor, cache: MemoryCache) -> Tensor:
        self._mask = torch.cat([self._mask, real], dim=1)
        self._seen.see(embeddings, real)
        output = self.backbone.model(
            inputs_embeds=embeddings,
            attention_mask=self._mask.long(),
            position_ids=positions_of(self._mask)[:, -embeddings.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _wanted(self, ids: Tensor) -> list[bool]:
        """Rows that stand at a place for latents and have not had their share."""
        if self._answers is None:
            return [self.places.at_prompt] * len(ids)
        return [
            inserted < self.places.max_insertions
            and self.places.is_delimiter(
                self.backbone.tokenizer, answer[-1] if answer else None, token
            )
            for inserted, answer, token in zip(
                self.insertions, self._answers, ids[:, -1].tolist(), strict=True
            )
        ]

    def _remember(self, ids: Tensor) -> None:
        if self._answers is None:
            self._answers = [[] for _ in ids]
            return
        for answer, token in zip(self._answers, ids[:, -1].tolist(), strict=True):
            answer.append(token)

    def _triggered(self, reading: Reading) -> Tensor:
        """(B) bool: the trigger's more likely answer is to insert."""
        hidden = reading.last_hidden()
        assert hidden is not None
        decisions: Tensor = self.weights.trigger.head(hidden.float()).argmax(-1) == 1
        return decisions
