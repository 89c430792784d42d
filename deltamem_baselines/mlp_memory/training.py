"""MLP Memory as something that is trained: a student that learns what its neighbours would say.

    loss per position = a KL(p_kNN || p_MLP) + (1 - a) CE(next token)          a = 0.4

The teacher (deltamem_baselines/next_token/neighbours.py) holds hidden states of a part of the
training data, rendered as the chats that the backbone sees, history and answer alike. A position
that is in it does not count among its own neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from deltamem.backbone import Backbone, decoder_layers
from deltamem.training import Episode, Episodes, Learner
from deltamem.training.collate import IGNORED
from deltamem.training.objective import Objective
from deltamem_base.faults import InvalidInput
from deltamem_baselines.mlp_memory.student import Student
from deltamem_baselines.next_token.hidden_states import check_layer, mlp_inputs
from deltamem_baselines.next_token.neighbours import (
    Datastore,
    check_neighbours,
    spread,
    temperature_for,
)
from deltamem_baselines.trained.supervised import SupervisedBatch, supervise
from deltamem_baselines.trained.weights import save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["NAME", "MLPMemoryLearner", "PositionBatch", "Teacher"]

NAME = "mlp_memory"
KEYS = -1
"""The layer whose MLP inputs are keys and queries."""
EPISODES_AT_ONCE = 8
POSITIONS_AT_ONCE = 1024
"""Through the student; more are recomputed in the backward pass."""
SAMPLED = 512
"""Stored positions that decide the temperature."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PositionBatch:
    """Rows, and which of their positions count: all, but a shared history only once."""

    rows: SupervisedBatch
    learnt: Tensor
    """(A, T) bool: the positions whose next token is learnt."""

    @property
    def targets(self) -> int:
        """Learnt positions."""
        return int(self.learnt.sum())

    @property
    def tokens(self) -> int:
        """Real tokens."""
        return self.rows.tokens


@dataclass(frozen=True, eq=False, kw_only=True)
class Teacher:
    """A datastore that knows where each row of the training data lies in it."""

    data: Datastore
    starts: Mapping[tuple[str, int], int]
    """Episode and ask -> the index of the row's first position."""
    count: int
    temperature: float

    def own(self, batch: PositionBatch) -> Tensor:
        """(P): the index of each learnt position, -1 for those that are not stored."""
        indices: list[int] = []
        for row, learnt in zip(batch.rows.rows, batch.learnt, strict=True):
            start = self.starts.get((row.episode, row.ask))
            count = int(learnt.sum())
            indices += [-1] * count if start is None else range(start, start + count)
        return torch.tensor(indices, dtype=torch.long, device=batch.learnt.device)


class MLPMemoryLearner(Learner[Episode, PositionBatch]):
    """The student as it is trained; :meth:`prepare` makes its teacher first."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        seed: Annotated[int, Ge(0)],
        read_length: int,
        depth: Annotated[int, Ge(1)] | None = None,
        layer: int = -1,
        start: str = "scratch",
        divergence: Annotated[float, Interval(ge=0, le=1)] = 0.4,
        positions: Annotated[int, Ge(1)] = 1_000_000,
        neighbours: Annotated[int, Ge(1)] = 1024,
        effective_neighbours: Annotated[float, Gt(0)] = 8.0,
        temperature: Annotated[float, Gt(0)] | None = None,
    ) -> None:
        """A new student for a backbone.

        Args:
            backbone: the frozen model.
            seed: of the start values.
            read_length: tokens of history, question and answer at most.
            depth: blocks; None is as many as the backbone has layers.
            layer: the layer whose MLP input the student gets.
            start: ``scratch``, or ``copy`` of the backbone's last layers.
            divergence: share of the KL term, alpha.
            positions: that the teacher stores at most.
            neighbours: that it looks up at most; never more than a quarter of all.
            effective_neighbours: at what number of neighbours the temperature is set.
            temperature: of the distances; None sets it by the number above.

        Raises:
            InvalidInput: a setting that makes no sense.
        """
        check_layer(backbone.model, layer)
        check_neighbours(neighbours, effective_neighbours, temperature)
        if not 0 <= divergence <= 1:
            raise InvalidInput(f"method.learner.divergence is {divergence}; use 0 to 1")
        self.backbone, self.read_length, self.divergence = backbone, read_length, divergence
        self._positions, self._neighbours = positions, neighbours
        self._effective, self._temperature = effective_neighbours, temperature
        self.settings = {"depth": _depth(backbone.model, depth), "layer": layer}
        self.student = Student(backbone.model, **self.settings)
        self.student.initialise(backbone.model, start=start, seed=seed)
        self.teacher: Teacher | None = None

    @staticmethod
    def trained_parameters(
        model: PreTrainedModel, *, depth: int | None = None, **settings: Any
    ) -> int:
        """How many numbers a student beside ``model`` has, which may be on the meta device."""
        return Student(model, depth=_depth(model, depth)).parameter_count

    @torch.no_grad()
    def prepare(self, episodes: Episodes[Episode]) -> None:
        """Store the hidden states of the first episodes, as many as there is room for.

        A function of the data alone, so that a resumed run has the same teacher.
        """
        keys: list[Tensor] = []
        values: list[Tensor] = []
        starts: dict[tuple[str, int], int] = {}
        stored = 0
        for first in range(0, len(episodes), EPISODES_AT_ONCE):
            if stored >= self._positions:
                break
            last = min(first + EPISODES_AT_ONCE, len(episodes))
            batch = self.batch([episodes[i] for i in range(first, last)])
            for row, learnt in zip(batch.rows.rows, batch.learnt, strict=True):
                starts[row.episode, row.ask] = stored
                stored += int(learnt.sum())
            keys.append(self._hidden(batch)[KEYS])
            values.append(_next_tokens(batch))
        data = Datastore(keys=torch.cat(keys), values=torch.cat(values))
        count = max(1, min(self._neighbours, len(data) // 4))
        own = torch.arange(0, len(data), max(1, len(data) // SAMPLED), device=data.keys.device)
        temperature = self._temperature or temperature_for(
            data.nearest(data.keys[own], count + 1, exclude=own), self._effective
        )
        self.teacher = Teacher(data=data, starts=starts, count=count, temperature=temperature)

    def parameters(self) -> Iterable[nn.Parameter]:
        """The student; the backbone is not among them."""
        return self.student.parameters()

    def batch(self, episodes: Sequence[Episode]) -> PositionBatch:
        """Tokenise episodes with their histories in the prompt."""
        rows = supervise(self.backbone, episodes, read_length=self.read_length)
        learnt = torch.zeros_like(rows.mask)
        for i, row in enumerate(rows.rows):
            length = len(row.ids)
            # the last shared position is where the asks part: its next token is a new one
            learnt[i, learnt.shape[1] - length + max(row.shared - 1, 0) : -1] = True
        return PositionBatch(rows=rows, learnt=learnt)

    def loss(self, batch: PositionBatch) -> Objective:
        """The module's loss, summed over the learnt positions.

        Raises:
            InvalidInput: there is no teacher yet.
        """
        if self.teacher is None:
            raise InvalidInput(
                "the teacher of mlp_memory has stored nothing: call prepare(episodes) first"
            )
        with torch.no_grad():
            seen, teacher = self._hidden(batch), self.teacher
            found = teacher.data.nearest(seen[KEYS], teacher.count, exclude=teacher.own(batch))
            weights = found.weights(teacher.temperature)
            wanted = _next_tokens(batch)
        total = torch.zeros((), device=wanted.device)
        said: list[Tensor] = []
        for part in torch.arange(len(wanted), device=wanted.device).split(POSITIONS_AT_ONCE):
            inputs = (seen[self.student.layer][part], found.values[part], weights[part])
            loss, tokens = checkpoint(self._part, *inputs, wanted[part], use_reentrant=False)
            total = total + loss
            said.append(tokens)
        return self._objective(batch, total, torch.cat(said) == wanted)

    def _part(
        self, hidden: Tensor, values: Tensor, weights: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss of some positions, and the student's most likely tokens there."""
        said = self.student(hidden).log_softmax(-1)
        taught = spread(values, weights, said.shape[1])
        divergence = (torch.special.xlogy(taught, taught) - taught * said).sum()
        likelihood = cross_entropy(said, wanted, reduction="sum")
        loss = self.divergence * divergence + (1 - self.divergence) * likelihood
        return loss, said.argmax(-1)

    def _objective(self, batch: PositionBatch, loss: Tensor, right: Tensor) -> Objective:
        labels = batch.rows.labels
        correct = torch.zeros_like(batch.learnt)
        correct[batch.learnt] = right
        answers = (labels != IGNORED).roll(-1, dims=1)
        return Objective(
            cross_entropy=loss,
            sparsity=torch.zeros_like(loss),
            histories=batch.rows.episodes,
            targets=batch.targets,
            exact=int((correct | ~answers).all(dim=1).sum()),
            asks=len(labels),
        )

    def _hidden(self, batch: PositionBatch) -> dict[int, Tensor]:
        """Layer -> (P, D): MLP inputs at the learnt positions, row by row."""
        layers = {KEYS, self.student.layer}
        with mlp_inputs(self.backbone.model, sorted(layers)) as seen:
            self.backbone.model.get_decoder()(
                input_ids=batch.rows.ids, attention_mask=batch.rows.mask.long(), use_cache=False
            )
        return {layer: seen[layer][batch.learnt] for layer in layers}

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights of the student."""
        return self.student.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Weights from a checkpoint."""
        return self.student.load_state_dict(dict(state))

    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """A folder that :class:`deltamem_baselines.mlp_memory.mlp_memory.MLPMemory` reads."""
        facts = {} if self.teacher is None else {"temperature": self.teacher.temperature}
        return save_weights(
            self.student,
            folder,
            method=NAME,
            settings=self.settings,
            backbone=self.backbone,
            card={**facts, **card},
        )


def _depth(model: PreTrainedModel, depth: int | None) -> int:
    return len(decoder_layers(model)) if depth is None else depth


def _next_tokens(batch: PositionBatch) -> Tensor:
    """(P): the token after each learnt position."""
    return batch.rows.ids.roll(-1, dims=1)[batch.learnt]
