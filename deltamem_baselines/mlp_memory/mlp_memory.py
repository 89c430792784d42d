"""MLP Memory (Wei et al., 2025, arXiv 2508.01832): a pretrained student of a retriever.

A stack of MLPs that was trained to say what the nearest neighbours in a corpus would say; while
decoding, its distribution is mixed into the backbone's:

    p = x p_MLP + (1 - x) p_LM        x = ``interpolation``

Nothing of a history is kept beyond the prompt. As deep as the backbone and with a head of its own
it has 3,078,648,320 parameters on Qwen3-4B, the count behind the paper's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    MemoryCache,
    OnAnswer,
    PromptLike,
    unheard,
)
from deltamem_base.identities import MethodDescription
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.mlp_memory.student import Student
from deltamem_baselines.mlp_memory.training import NAME, MLPMemoryLearner
from deltamem_baselines.next_token.interpolation import check_interpolation, look, mix
from deltamem_baselines.trained.weights import load_weights

__all__ = ["MLPMemory", "MLPMemoryLearner"]


class MLPMemory(Frozen):
    """The prompts of the bare backbone, decoded with the student; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "visible",
        weights: str | None = None,
        interpolation: Annotated[float, Interval(ge=0, le=1)] = 0.25,
    ) -> None:
        """A method over one backbone.

        Args:
            backbone: the frozen model.
            context: ``visible``: the history is in the prompt; ``none``: its instructions are.
            weights: a folder that :meth:`MLPMemoryLearner.save` wrote.
            interpolation: share of the student in the mixture, lambda; tune it on held-out data.

        Raises:
            Unavailable: there are no weights.
            InvalidInput: weights that do not belong to this backbone, or another setting.
        """
        check_interpolation(interpolation)
        super().__init__(backbone, context=context)
        loaded = load_weights(weights, method=NAME, backbone=backbone)
        self.student = loaded.make(Student, backbone.model)
        self.interpolation = interpolation
        self._settings, self._weights_sha = loaded.settings, loaded.sha

    def describe(self) -> MethodDescription:
        """The origin of the weights, their number and share; no history leaves a state."""
        return MethodDescription(
            weights_sha=self._weights_sha,
            trained_parameters=self.student.parameter_count,
            settings={**self._settings, "interpolation": self.interpolation},
        )

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt from the mixture."""
        return self._context.ask(
            prompts,
            decoding,
            next_logits=self._step,
            side_by_side=side_by_side,
            on_answer=on_answer,
        )

    def _step(
        self,
        ids: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: MemoryCache,
        numbers: Sequence[int],
    ) -> Tensor:
        """Logits of the mixture: see ``NextLogits``; the student gets the last position only."""
        logits, hidden = look(
            self.backbone.model, ids, mask, positions, cache, layer=self.student.layer
        )
        if self.interpolation == 0:
            return logits
        return mix(logits, self.student(hidden).log_softmax(-1), self.interpolation)
