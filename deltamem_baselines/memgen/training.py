"""MemGen's weaver as something that is trained: supervised fine-tuning with latents in place.

Stage one of the paper (arXiv 2509.24704): the trigger is off, latents come after the prompt and at
the answer's delimiters, and the loss is -sum log p(y_t | tokens and latents before) over answer
tokens. What an entry says about a following latent is not a part of the loss. The second stage,
reinforcement learning of the trigger, is not trained here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from deltamem.backbone import Backbone, left_pad
from deltamem.training import Episode, Learner
from deltamem.training.collate import IGNORED
from deltamem.training.objective import Objective, answer_objective, learnt_positions
from deltamem_baselines.memgen.places import Places
from deltamem_baselines.memgen.weaver import MemGenWeights, Weaver, pad_vectors, positions_of
from deltamem_baselines.trained.supervised import SupervisedBatch, supervise
from deltamem_baselines.trained.weights import save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["NAME", "MemGenLearner", "Spliced", "splice"]

NAME = "memgen"


class Spliced:
    """Token embeddings of one row with latents between them."""

    def __init__(self, embeddings: Tensor, plan: Sequence[int]) -> None:
        """``embeddings``: (T, D). ``plan``: how many tokens stand before each insertion."""
        self.embeddings, self.plan = embeddings, list(plan)
        self._pieces: list[Tensor] = []
        self._sources: list[Tensor] = []
        self._used = 0

    @property
    def entries(self) -> Tensor:
        """(E, D) so far."""
        return torch.cat(self._pieces)

    @property
    def sources(self) -> Tensor:
        """(E): the number of the token of each entry so far, -1 for latents."""
        return torch.cat(self._sources)

    def take_tokens(self, until: int | None = None) -> None:
        """Go on with tokens up to number ``until``, or to the end."""
        end = len(self.embeddings) if until is None else until
        self._pieces.append(self.embeddings[self._used : end])
        self._sources.append(torch.arange(self._used, end))
        self._used = end

    def take_latents(self, latents: Tensor) -> None:
        """Go on with ``latents`` (K, D)."""
        self._pieces.append(latents)
        self._sources.append(torch.full((len(latents),), -1))


def splice(
    weaver: Weaver,
    model: PreTrainedModel,
    rows: Sequence[Tensor],
    plans: Sequence[Sequence[int]],
    *,
    at_prompt: bool,
) -> list[Spliced]:
    """Weave latents into rows, insertion by insertion, all rows side by side.

    Args:
        weaver: makes the latents.
        model: the frozen backbone.
        rows: token embeddings (T, D) of each row.
        plans: where to insert; see :meth:`Places.plan`.
        at_prompt: whether the first insertion of every row is that at the end of its prompt.
    """
    spliced = [Spliced(row, plan) for row, plan in zip(rows, plans, strict=True)]
    for number in range(max(map(len, plans), default=0)):
        going = [row for row in spliced if len(row.plan) > number]
        for row in going:
            row.take_tokens(row.plan[number])
        first = at_prompt and number == 0
        woven = weaver.weave(model, [row.entries for row in going], at_prompt=first)
        for row, latents in zip(going, woven, strict=True):
            row.take_latents(latents)
    for row in spliced:
        row.take_tokens()
    return spliced


class MemGenLearner(Learner[Episode, SupervisedBatch]):
    """The weaver as it is trained; the trigger is saved as it starts."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        seed: Annotated[int, Ge(0)],
        read_length: int,
        rank: Annotated[int, Ge(1)] = 8,
        alpha: Annotated[float, Ge(0)] = 16.0,
        prompt_latents: Annotated[int, Ge(1)] = 8,
        inference_latents: Annotated[int, Ge(1)] = 8,
        at_prompt: bool = True,
        max_insertions: Annotated[int, Ge(0)] = 5,
        every_delimiter: bool = False,
    ) -> None:
        """New weights on a backbone.

        Args:
            backbone: the frozen model.
            seed: of the start values.
            read_length: tokens of history, question and answer at most, latents not counted.
            rank: inner width of a branch.
            alpha: a branch is scaled by ``alpha / rank``.
            prompt_latents: vectors inserted at the end of the prompt.
            inference_latents: vectors of one insertion in an answer.
            at_prompt: insert latents where the answer begins.
            max_insertions: most insertions within one answer.
            every_delimiter: a point or comma right after a digit counts as a delimiter, too.
        """
        self.backbone, self.read_length = backbone, read_length
        self.places = Places(
            at_prompt=at_prompt, max_insertions=max_insertions, every_delimiter=every_delimiter
        )
        self.settings: dict[str, Any] = {
            "rank": rank,
            "alpha": alpha,
            "prompt_latents": prompt_latents,
            "inference_latents": inference_latents,
        }
        self.weights = MemGenWeights(backbone.model, **self.settings)
        self.weights.initialise(backbone.model, seed=seed)

    @staticmethod
    def trained_parameters(
        model: PreTrainedModel,
        *,
        rank: int = 8,
        alpha: float = 16.0,
        prompt_latents: int = 8,
        inference_latents: int = 8,
        **settings: Any,
    ) -> int:
        """How many numbers weaver and trigger have beside ``model``, maybe on the meta device.

        The count of the paper's row; the trigger's share of it is not trained here.
        """
        return MemGenWeights(
            model,
            rank=rank,
            alpha=alpha,
            prompt_latents=prompt_latents,
            inference_latents=inference_latents,
        ).parameter_count

    def parameters(self) -> Iterable[nn.Parameter]:
        """The weaver; neither trigger nor backbone is among them."""
        return self.weights.weaver.parameters()

    def batch(self, episodes: Sequence[Episode]) -> SupervisedBatch:
        """Tokenise episodes with their histories in the prompt."""
        return supervise(self.backbone, episodes, read_length=self.read_length)

    def loss(self, batch: SupervisedBatch) -> Objective:
        """Cross-entropy of the answers with latents in place."""
        model, device = self.backbone.model, self.backbone.device
        embed = model.get_input_embeddings()
        tokens = [torch.tensor(row.ids, device=device) for row in batch.rows]
        plans = [self.places.plan(self.backbone.tokenizer, r.prompt, r.answer) for r in batch.rows]
        rows = splice(
            self.weights.weaver,
            model,
            [embed(ids) for ids in tokens],
            plans,
            at_prompt=self.places.at_prompt,
        )
        inputs, mask = pad_vectors([row.entries for row in rows])
        labels = left_pad(
            [
                _labels(r.sources, len(b.prompt), b.ids)
                for r, b in zip(rows, batch.rows, strict=True)
            ],
            fill=IGNORED,
            device=device,
        )[0]
        output = model(
            inputs_embeds=inputs,
            attention_mask=mask.long(),
            position_ids=positions_of(mask),
            use_cache=False,
            logits_to_keep=learnt_positions(labels),
        )
        return answer_objective(output.logits, labels, histories=batch.episodes)

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights of weaver and trigger."""
        return self.weights.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Weights from a checkpoint."""
        return self.weights.load_state_dict(dict(state))

    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """A folder that :class:`deltamem_baselines.memgen.memgen.MemGen` reads."""
        return save_weights(
            self.weights,
            folder,
            method=NAME,
            settings={**self.settings, "trigger_trained": self.weights.trigger_trained},
            backbone=self.backbone,
            card=card,
        )


def _labels(sources: Tensor, prompt: int, ids: Sequence[int]) -> list[int]:
    """The token of each entry that belongs to the answer, else ``IGNORED``."""
    return [ids[i] if i >= prompt else IGNORED for i in sources.tolist()]
