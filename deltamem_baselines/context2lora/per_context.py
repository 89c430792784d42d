"""Context2LoRA, one adapter per history: the reading in which the context becomes a LoRA.

``write`` makes training rows from the history (synthesis.py) and trains a fresh low-rank adapter on
them (write_time.py); ``answer`` is closed book by default. The
recipe is that of Back et al., 2026 (arXiv 2603.01097), best for a single long document: rank 4 on
all linear maps, 150 steps of 32 rows (8,257,536 parameters for each history on Qwen3-4B).

A second piece of a history trains on the whole of it again, so that two writes equal one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, MinLen
from torch import Tensor

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    DroppedContext,
    Generation,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    VisibleContext,
    told_by,
    unheard,
)
from deltamem.backbone.contexts.visible import ReadReport
from deltamem_base.faults import check_choice
from deltamem_base.identities import MethodDescription
from deltamem_baselines.context2lora.synthesis import Examples, ExampleSource
from deltamem_baselines.context2lora.write_time import WriteTimeTraining
from deltamem_baselines.frozen import CONTEXTS
from deltamem_baselines.trained.lora import ALL_LINEAR, Lora

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Context2LoraPerContext", "Trained"]

KEPT = 16
"""Adapters of earlier histories that are kept, in case one comes again."""

Adapter = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Trained(ReadReport):
    """Cost of turning one history into an adapter."""

    written_tokens: int
    """Tokens of the training rows."""
    rows: int
    loss: float
    """Mean per token in the last step; 0 where there was nothing to learn."""
    state_bytes: int
    """Bytes of the history's adapter."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Made:
    """One adapter, and what it was made of."""

    weights: Adapter | None
    rows: int = 0
    tokens: int = 0
    unlearnt: int = 0
    """Tokens of the rows beyond the longest that is learnt."""
    loss: float = 0.0


NOTHING = Made(weights=None)


@dataclass(frozen=True, kw_only=True)
class _Alone:
    """A prompt about the only history of its own view."""

    question: str
    seed: int
    given: str | None
    asked: str | None = None
    history: int = 0


class Context2LoraPerContext:
    """A low-rank adapter for each history; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "none",
        rank: Annotated[int, Ge(1)] = 4,
        alpha: Annotated[float, Ge(0)] = 8.0,
        targets: Annotated[Sequence[str], MinLen(1)] = ALL_LINEAR,
        training: WriteTimeTraining | None = None,
        examples: ExampleSource | None = None,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        """A method over one backbone.

        Args:
            backbone: the frozen model, which also writes the questions.
            context: ``none``: closed book; ``visible``: the history is in the prompt too.
            rank: inner width of a branch.
            alpha: a branch is scaled by ``alpha / rank``.
            targets: the projections that get one.
            training: the recipe; None is the published one.
            examples: where training rows come from; None is the published recipe.
            seed: of start values, batches, dropout and sampled questions.

        Raises:
            InvalidInput: another context or target.
        """
        check_choice("context", context, CONTEXTS)
        self.backbone, self.context, self.seed = backbone, context, seed
        self.lora = Lora(backbone.model, rank=rank, alpha=alpha, targets=targets)
        self._shape = {"rank": rank, "alpha": alpha, "targets": list(self.lora.targets)}
        self.training = training or WriteTimeTraining()
        self.examples: ExampleSource = examples or Examples()
        self._adapter_bytes = sum(p.numel() * p.element_size() for p in self.lora.parameters())
        self._kept: OrderedDict[str, Made] = OrderedDict()
        self.reset()

    @staticmethod
    def trained_parameters(
        model: PreTrainedModel,
        *,
        rank: int = 4,
        alpha: float = 8.0,
        targets: Sequence[str] = ALL_LINEAR,
        **settings: Any,
    ) -> int:
        """How many numbers each history trains beside ``model``, maybe on the meta device."""
        return Lora(model, rank=rank, alpha=alpha, targets=targets).parameter_count

    def describe(self) -> MethodDescription:
        """The recipe: it and the history decide the weights, which are the state."""
        return MethodDescription(
            trained_parameters=self.lora.parameter_count,
            state_bytes=self._adapter_bytes,
            settings={
                **self._shape,
                "training": asdict(self.training),
                "examples": self.examples.describe(),
                "write_seed": self.seed,
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories, which have no adapter."""
        kind = VisibleContext if self.context == "visible" else DroppedContext
        self._views = [kind(self.backbone, batch=1) for _ in range(batch)]
        self._written: list[Messages] = [()] * batch
        self._made = [NOTHING] * batch

    def write(self, histories: Sequence[HistoryLike]) -> list[Trained]:
        """Train an adapter on each whole history so far, and read it where it stays in view."""
        return [self._write(i, history) for i, history in enumerate(histories)]

    def _write(self, index: int, history: HistoryLike) -> Trained:
        started = time.perf_counter()
        self._written[index] = [*self._written[index], *history.written]
        made = self._made[index] = self._adapter(self._written[index])
        with self._attached(made.weights):
            (shown,) = self._views[index].read([history])
        read = self.backbone.render_history(self._written[index], join=history.join)
        own = {
            "seconds": time.perf_counter() - started,
            "read_tokens": len(read.ids),
            "cut_tokens": shown.cut_tokens + made.unlearnt,
        }
        return Trained(
            **{**vars(shown), **own},
            written_tokens=made.tokens,
            rows=made.rows,
            loss=made.loss,
            state_bytes=0 if made.weights is None else self._adapter_bytes,
        )

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt with the adapter of its history on."""
        answers: dict[int, Generation] = {}
        for index in dict.fromkeys(prompt.history for prompt in prompts):
            mine = [i for i, prompt in enumerate(prompts) if prompt.history == index]
            alone = [
                _Alone(question=p.question, seed=p.seed, given=p.given)
                for p in (prompts[i] for i in mine)
            ]
            with self._attached(self._made[index].weights):
                given = self._views[index].ask(
                    alone,
                    decoding,
                    side_by_side=side_by_side,
                    on_answer=told_by(mine, on_answer),
                )
            answers.update(zip(mine, given, strict=True))
        return [answers[i] for i in range(len(prompts))]

    def state_dict(self) -> dict[str, object]:
        """All that was written and is in view, with the adapters."""
        return {
            "written": [list(messages) for messages in self._written],
            "views": [view.state_dict() for view in self._views],
            "adapters": [made.weights for made in self._made],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.reset(len(state["written"]))
        self._written = list(state["written"])
        self._made = [Made(weights=weights) for weights in state["adapters"]]
        for view, made, content in zip(self._views, self._made, state["views"], strict=True):
            with self._attached(made.weights):
                view.load_state_dict(content)

    def _attached(self, weights: Adapter | None) -> AbstractContextManager[None]:
        """The shared branches filled with one history's weights; without any, the bare backbone."""
        if weights is None:
            return nullcontext()
        self.lora.load_state_dict(dict(weights))
        return self.lora.attach(self.backbone.model)

    def _adapter(self, messages: Messages) -> Made:
        """Train one, or find the one that the same history got before."""
        said = [[m["role"], m["content"]] for m in messages]
        key = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        if key not in self._kept:
            self._kept[key] = self._train(messages)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _train(self, messages: Messages) -> Made:
        rows = self.examples.rows(self.backbone, messages, seed=self.seed)
        if not rows:
            return NOTHING
        self.lora.initialise(seed=self.seed)
        loss = self.training.fit(self.lora, self.backbone, rows, seed=self.seed)
        weights = {name: w.detach().clone() for name, w in self.lora.state_dict().items()}
        tokens, longest = sum(map(len, rows)), self.training.max_length
        return Made(
            weights=weights,
            rows=len(rows),
            tokens=tokens,
            unlearnt=tokens - sum(min(len(row), longest) for row in rows),
            loss=loss,
        )
