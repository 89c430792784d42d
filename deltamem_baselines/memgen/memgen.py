"""MemGen (Zhang, Fu and Yan, 2025, arXiv 2509.24704): latents woven into the answer's way.

A weaver reads what is in view and makes a few vectors that are put on the sequence as if they were
token embeddings: once where the answer begins, and after delimiters while it is written. Nothing is
kept of a history; what was learnt is in the weaver's weights. Rank 8 on all linear maps, 8 latents
each (46,198,788 parameters on Qwen3-4B, the count behind the paper's row).

The trigger that may refuse a place is a part of the weights. Published evaluations leave it off, so
``trigger=always`` is the row; its reinforcement learning is not trained here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import torch
from annotated_types import Ge

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    MemoryCache,
    OnAnswer,
    PromptLike,
    VisibleContext,
    told_by,
    unheard,
)
from deltamem.backbone.contexts.visible import ReadPass
from deltamem_base.faults import InvalidInput, check_choice
from deltamem_base.identities import MethodDescription
from deltamem_baselines.frozen import Frozen, Shown
from deltamem_baselines.memgen.decoding import Readings, WovenLogits
from deltamem_baselines.memgen.places import Places
from deltamem_baselines.memgen.training import NAME, MemGenLearner
from deltamem_baselines.memgen.weaver import MemGenWeights
from deltamem_baselines.trained.weights import load_weights

__all__ = ["MemGen", "MemGenLearner"]

TRIGGERS = ("always", "never", "learnt")


class MemGen(Frozen):
    """The prompts of the bare backbone, with latents in place; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "visible",
        weights: str | None = None,
        trigger: str = "always",
        at_prompt: bool = True,
        max_insertions: Annotated[int, Ge(0)] = 5,
        every_delimiter: bool = False,
    ) -> None:
        """A method over one backbone.

        Args:
            backbone: the frozen model.
            context: ``visible``: the history is in the prompt; ``none``: its instructions are.
            weights: a folder that :meth:`MemGenLearner.save` wrote.
            trigger: ``always`` inserts at every place up to the limits, ``never`` at none (the
                bare backbone), ``learnt`` asks the trigger.
            at_prompt: insert where the answer begins.
            max_insertions: within one answer; 0 leaves only the latents at the prompt.
            every_delimiter: a point after a digit counts, too.

        Raises:
            Unavailable: there are no weights.
            InvalidInput: weights that do not belong to this backbone, a trigger that was never
                trained, or another setting.
        """
        check_choice("method.trigger", trigger, TRIGGERS)
        loaded = load_weights(weights, method=NAME, backbone=backbone)
        self.weights = loaded.make(MemGenWeights, backbone.model)
        if trigger == "learnt" and not self.weights.trigger_trained:
            raise InvalidInput(
                f"method.trigger is 'learnt', and the trigger in {loaded.folder} was never "
                "trained; use always or never"
            )
        self._trigger = trigger
        self.places = Places(
            at_prompt=at_prompt and trigger != "never",
            max_insertions=0 if trigger == "never" else max_insertions,
            every_delimiter=every_delimiter,
        )
        self._settings, self._weights_sha = loaded.settings, loaded.sha
        super().__init__(backbone, context=context)

    def describe(self) -> MethodDescription:
        """Origin and number of the weights, and where latents go; no history leaves a state."""
        return MethodDescription(
            weights_sha=self._weights_sha,
            trained_parameters=self.weights.parameter_count,
            settings={**self._settings, "trigger": self._trigger, **asdict(self.places)},
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        super().reset(batch)
        self._seen = self._readings(batch)

    def write(self, histories: Sequence[HistoryLike]) -> list[Shown]:
        """Read one piece more of each history, for the backbone and for the weaver, or drop it."""
        if not isinstance(self._context, VisibleContext):
            return super().write(histories)
        return [Shown(**vars(r)) for r in self._context.read(histories, reader=self._read)]

    @torch.no_grad()
    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt after copies of what was read of its history."""
        # each reading beside the backbone has its own cache, whose rows stay where they are
        alone = any(MemoryCache(config=self.backbone.model.config).is_sliding)
        size = 1 if alone else side_by_side or len(prompts)
        answers: list[Generation] = []
        for start in range(0, len(prompts), size):
            group = prompts[start : start + size]
            seen = self._seen.selected([prompt.history for prompt in group])
            answers += self._context.ask(
                group,
                decoding,
                next_logits=WovenLogits(self.backbone, self.weights, self.places, seen=seen),
                rows_stay=True,
                on_answer=told_by(range(start, start + size), on_answer),
            )
        return answers

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.reset(len(state["messages"]))
        if isinstance(self._context, VisibleContext):
            self._context.load_state_dict(state, reader=self._read)
        else:
            self._context.load_state_dict(state)

    def _read(self, run: ReadPass) -> None:
        """The bare backbone into the view's cache, weaver and trigger into theirs."""
        model, length = self.backbone.model, run.ids.shape[1]
        embeddings = model.get_input_embeddings()(run.ids)
        model.get_decoder()(
            inputs_embeds=embeddings,
            attention_mask=run.mask.long(),
            position_ids=run.positions,
            past_key_values=run.cache,
            use_cache=True,
        )
        if run.mask.shape[1] == length:  # the view starts anew
            self._seen = self._readings(len(run.ids))
        self._seen.see(embeddings, run.mask[:, -length:])
        self._seen.catch_up()

    def _readings(self, batch: int) -> Readings:
        return Readings.start(
            self.backbone.model, self.weights, batch=batch, ask_trigger=self._trigger == "learnt"
        )
