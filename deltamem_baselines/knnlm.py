"""kNN-LM (Khandelwal et al., 2020, arXiv 1911.00172), untrained: the teacher of MLP Memory itself.

``write`` runs the backbone once over a history and keeps, for each token, what went into the last
layer's MLP and the token that came next; ``answer`` mixes the neighbours of each new position into
the backbone's own distribution. A row of our own, beside the paper's.

A second piece of a history stores the whole of it again, so that two writes equal one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    MemoryCache,
    Messages,
    NextLogits,
    OnAnswer,
    PromptLike,
    embedding_weight,
    split_windows,
    unheard,
)
from deltamem_base.identities import MethodDescription
from deltamem_baselines.frozen import Frozen, Shown
from deltamem_baselines.next_token.hidden_states import mlp_inputs
from deltamem_baselines.next_token.interpolation import check_interpolation, look, mix
from deltamem_baselines.next_token.neighbours import Datastore, check_neighbours, temperature_for

__all__ = ["KnnLm", "Stored", "interpolated", "store"]

LAYER = -1
SAMPLED = 512
"""Stored positions that decide the temperature."""
VALUE_BYTES = 8


class Stored:
    """One history's datastore with its own number of neighbours and temperature."""

    def __init__(
        self, data: Datastore, *, neighbours: int, effective: float, temperature: float | None
    ) -> None:
        """See :class:`KnnLm`."""
        self.data = data
        self.count = max(1, min(neighbours, len(data) // 4))
        self.temperature = temperature or self._temperature(effective)

    def log_probabilities(self, hidden: Tensor, vocabulary: int) -> Tensor:
        """(V) of one position (D)."""
        found = self.data.nearest(hidden[None], self.count)
        return found.distribution(self.temperature, vocabulary)[0].log()

    def _temperature(self, effective: float) -> float:
        step = max(1, len(self.data) // SAMPLED)
        own = torch.arange(0, len(self.data), step, device=self.data.keys.device)
        found = self.data.nearest(self.data.keys[own], self.count + 1, exclude=own)
        return temperature_for(found, effective)


class KnnLm(Frozen):
    """See the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "visible",
        interpolation: Annotated[float, Interval(ge=0, le=1)] = 0.25,
        neighbours: Annotated[int, Ge(1)] = 1024,
        effective_neighbours: Annotated[float, Gt(0)] = 8.0,
        temperature: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        """A method over one backbone.

        Args:
            backbone: the frozen model.
            context: ``visible``: the history is in the prompt, too; ``none``: it is only stored.
            interpolation: share of the neighbours in the mixture, lambda.
            neighbours: positions that are looked up at most; never more than a quarter of all.
            effective_neighbours: at what number of neighbours the temperature is set, see
                :func:`deltamem_baselines.next_token.neighbours.temperature_for`.
            temperature: of the distances; None sets it by the number above.

        Raises:
            InvalidInput: a share that is none, numbers below one, or another context.
        """
        check_interpolation(interpolation)
        check_neighbours(neighbours, effective_neighbours, temperature)
        self.interpolation = interpolation
        self._settings: dict[str, Any] = {
            "neighbours": neighbours,
            "effective": effective_neighbours,
            "temperature": temperature,
        }
        super().__init__(backbone, context=context)

    def describe(self) -> MethodDescription:
        """Settings; the state grows with the history, by so many bytes for each token."""
        width = self.backbone.model.config.get_text_config().hidden_size
        size = embedding_weight(self.backbone.model).element_size()
        return MethodDescription(
            state_bytes=None,
            settings={
                "interpolation": self.interpolation,
                **self._settings,
                "state_bytes_per_token": width * size + VALUE_BYTES,
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        super().reset(batch)
        self._written: list[Messages] = [()] * batch
        self._stored: list[Stored | None] = [None] * batch

    def write(self, histories: Sequence[HistoryLike]) -> list[Shown]:
        """Store each whole history so far, and read the new piece where it stays in view."""
        started = time.perf_counter()
        for i, history in enumerate(histories):
            self._written[i] = [*self._written[i], *history.written]
            data = store(self.backbone, self._written[i], join=history.join)
            self._stored[i] = self._settled(data)
        seconds = (time.perf_counter() - started) / len(histories)
        return [
            replace(shown, seconds=shown.seconds + seconds)
            if stored is None
            else replace(
                shown,
                seconds=shown.seconds + seconds,
                written_tokens=len(stored.data),
                read_tokens=len(stored.data) + 1,  # the last one is the value of the one before
                state_bytes=stored.data.nbytes,
            )
            for shown, stored in zip(super().write(histories), self._stored, strict=True)
        ]

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt with the neighbours of its own history mixed in."""
        stored = [self._stored[prompt.history] for prompt in prompts]
        return self._context.ask(
            prompts,
            decoding,
            next_logits=interpolated(self.backbone, stored, self.interpolation),
            side_by_side=side_by_side,
            on_answer=on_answer,
        )

    def state_dict(self) -> dict[str, object]:
        """The histories in view and written, and the stored positions."""
        kept = [None if s is None else (s.data.keys, s.data.values) for s in self._stored]
        return {
            "view": super().state_dict(),
            "written": [list(messages) for messages in self._written],
            "stored": kept,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        super().load_state_dict(state["view"])
        self._written = list(state["written"])
        self._stored = [
            None if kept is None else self._settled(Datastore(keys=kept[0], values=kept[1]))
            for kept in state["stored"]
        ]

    def _settled(self, data: Datastore | None) -> Stored | None:
        return None if data is None else Stored(data, **self._settings)


def interpolated(backbone: Backbone, stored: Sequence[Stored | None], share: float) -> NextLogits:
    """Next-token logits with each prompt's own datastore; one without is the bare backbone's."""

    def step(
        ids: Tensor, mask: Tensor, positions: Tensor, cache: MemoryCache, numbers: Sequence[int]
    ) -> Tensor:
        logits, hidden = look(backbone.model, ids, mask, positions, cache, layer=LAYER)
        own = [stored[number] for number in numbers]
        rows = [
            row if data is None else mix(row, data.log_probabilities(h, len(row)), share)
            for row, h, data in zip(logits, hidden, own, strict=True)
        ]
        return torch.stack(rows)

    return step


@torch.no_grad()
def store(backbone: Backbone, messages: Messages, *, join: str | None = None) -> Datastore | None:
    """Keys and values of a history, window by window; None where there is nothing to store."""
    ids = backbone.render_history(messages, join=join).ids
    if len(ids) < 2:
        return None
    tokens = torch.tensor(ids, device=backbone.device)
    keys = []
    for window in split_windows(len(ids), backbone.window):
        with mlp_inputs(backbone.model, [LAYER]) as seen:
            backbone.model.get_decoder()(input_ids=tokens[None, window], use_cache=False)
        keys.append(seen[LAYER][0])
    return Datastore(keys=torch.cat(keys)[:-1], values=tokens[1:])
