"""Context2LoRA: a low-rank adapter as the memory. Two rows, told apart by name.

:class:`Context2Lora` is our reading of the paper's row: one static rank-8 LoRA on the attention of
all layers, trained on δ-mem's own data with the context in the prompt, and evaluated that way
(5,898,240 parameters on Qwen3-4B, the paper's count). :class:`Context2LoraPerContext`, in
:mod:`deltamem_baselines.context2lora.per_context`, turns each history into an adapter of its own.

The name has no paper of its own; LoRA is Hu et al., 2021 (arXiv 2106.09685).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, MinLen
from torch import Tensor, nn

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    OnAnswer,
    PromptLike,
    unheard,
)
from deltamem.training import Episode, Learner
from deltamem.training.objective import Objective, answer_objective, learnt_positions
from deltamem_base.identities import MethodDescription
from deltamem_baselines.frozen import Frozen, Shown
from deltamem_baselines.trained.lora import ATTENTION, Lora
from deltamem_baselines.trained.supervised import SupervisedBatch, supervise
from deltamem_baselines.trained.weights import load_weights, save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Context2Lora", "Context2LoraLearner"]

NAME = "context2lora"


class Context2Lora(Frozen):
    """The prompts of the bare backbone, with the trained branches beside it, unmerged."""

    def __init__(
        self, backbone: Backbone, *, context: str = "visible", weights: str | None = None
    ) -> None:
        """A method over one backbone.

        Args:
            backbone: the frozen model.
            context: ``visible``: the history is in the prompt; ``none``: its instructions are.
            weights: a folder that :meth:`Context2LoraLearner.save` wrote.

        Raises:
            Unavailable: there are no weights.
            InvalidInput: weights that do not belong to this backbone, or another context.
        """
        super().__init__(backbone, context=context)
        loaded = load_weights(weights, method=NAME, backbone=backbone)
        self.lora = loaded.make(Lora, backbone.model)
        self._settings, self._weights_sha = loaded.settings, loaded.sha

    def describe(self) -> MethodDescription:
        """The origin of the weights and their number; no history leaves a state."""
        return MethodDescription(
            weights_sha=self._weights_sha,
            trained_parameters=self.lora.parameter_count,
            settings=self._settings,
        )

    def write(self, histories: Sequence[HistoryLike]) -> list[Shown]:
        """Read one piece more of each history into the KV cache, or drop it."""
        with self.lora.attach(self.backbone.model):
            return super().write(histories)

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt as the bare backbone would, with the branches on."""
        with self.lora.attach(self.backbone.model):
            return super().answer(prompts, decoding, side_by_side=side_by_side, on_answer=on_answer)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        with self.lora.attach(self.backbone.model):
            super().load_state_dict(state)


class Context2LoraLearner(Learner[Episode, SupervisedBatch]):
    """Static LoRA as it is trained: -sum log p(answer | history, question)."""

    can_recompute: ClassVar[bool] = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        seed: int,
        read_length: int,
        rank: Annotated[int, Ge(1)] = 8,
        alpha: Annotated[float, Ge(0)] = 16.0,
        targets: Annotated[Sequence[str], MinLen(1)] = ATTENTION,
    ) -> None:
        """New branches on a backbone.

        Args:
            backbone: the frozen model.
            seed: of the start values.
            read_length: tokens of history, question and answer at most.
            rank: inner width of a branch.
            alpha: a branch is scaled by ``alpha / rank``.
            targets: the projections that get one.
        """
        self.backbone, self.read_length = backbone, read_length
        self.settings = {"rank": rank, "alpha": alpha, "targets": list(targets)}
        self.lora = Lora(backbone.model, rank=rank, alpha=alpha, targets=targets)
        self.lora.initialise(seed=seed)

    def attached(self) -> AbstractContextManager[None]:
        """While the block runs, the branches are on, for backward passes as well."""
        return self.lora.attach(self.backbone.model)

    def take_even_passes(self) -> bool:
        """Every batch takes one pass as it is."""
        return True

    @staticmethod
    def trained_parameters(
        model: PreTrainedModel,
        *,
        rank: int = 8,
        alpha: float = 16.0,
        targets: Sequence[str] = ATTENTION,
    ) -> int:
        """How many numbers branches beside ``model`` have, which may be on the meta device."""
        return Lora(model, rank=rank, alpha=alpha, targets=targets).parameter_count

    def parameters(self) -> Iterable[nn.Parameter]:
        """The branches; the backbone is not among them."""
        return self.lora.parameters()

    def batch(self, episodes: Sequence[Episode]) -> SupervisedBatch:
        """Tokenise episodes with their histories in the prompt."""
        return supervise(self.backbone, episodes, read_length=self.read_length)

    def loss(self, batch: SupervisedBatch) -> Objective:
        """Cross-entropy of the answers with the branches on."""
        if not self.lora.attached:
            with self.attached():
                return self.loss(batch)
        output = self.backbone.model(
            input_ids=batch.ids,
            attention_mask=batch.mask.long(),
            use_cache=False,
            logits_to_keep=learnt_positions(batch.labels),
        )
        return answer_objective(output.logits, batch.labels, histories=batch.episodes)

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights of the branches."""
        return self.lora.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Weights from a checkpoint."""
        return self.lora.load_state_dict(dict(state))

    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """A folder that :class:`Context2Lora` reads."""
        return save_weights(
            self.lora,
            folder,
            method=NAME,
            settings=self.settings,
            backbone=self.backbone,
            card=card,
        )
