"""MemoryBank (Zhong et al., AAAI 2024): turns and summaries by day, found by dense vectors.

    write    each day (a session) is summarised by the frozen backbone, all days in an overview;
             a text encoder gives every pair of turns and every summary a vector
    answer   [instructions, overview, the nearest documents by day, question]

Six documents are recalled, with short neighbours of the same day. Forgetting is off, as in the
published code's default; on, a memory that was not recalled for long is gone with some probability
(:mod:`deltamem_baselines.memorybank.forgetting`). Every question finds the memory as the history
left it. With ``reinforce`` what one question recalls is stronger for the next: answers then depend
on their order, and runs that were cut into other batches or resumed are not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from deltamem.backbone import Backbone, DecodingLike, Messages, OnAnswer, PromptLike, unheard
from deltamem_base.faults import InvalidInput
from deltamem_base.identities import MethodDescription
from deltamem_baselines.memorybank.days import (
    Day,
    Document,
    Segmentation,
    compose,
    make_days,
    make_documents,
    neighbours,
)
from deltamem_baselines.memorybank.forgetting import Forgetting, Strength
from deltamem_baselines.memorybank.summaries import DAY, OVERVIEW, Summariser
from deltamem_baselines.retrieval.embedder import BACKBONE, absent_embedder, chosen_embedder
from deltamem_baselines.retrieval.textual import Recalled, Recollection, TextualMemory, query_of

__all__ = ["MemoryBank"]


@dataclass
class _Bank:
    """Documents, vectors and recalls of one history, beside its text."""

    days: list[Day] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    vectors: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    """(documents, D), of length one."""
    overview: str = ""
    recalled: dict[str, Strength] = field(default_factory=dict)
    """Documents that were recalled, by their text."""


class MemoryBank(TextualMemory):
    """Days, summaries and dense retrieval; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "part",
        embedder: str | None = None,
        k: Annotated[int, Ge(1)] = 6,
        neighbour_chars: Annotated[int, Ge(0)] = 200,
        segments: Segmentation | None = None,
        summaries: bool = True,
        summary_tokens: Annotated[int, Ge(1)] = 400,
        forgetting: bool = False,
        forgets: Forgetting | None = None,
        reinforce: bool = False,
    ) -> None:
        """A memory over one backbone.

        Args:
            backbone: answers, and writes the summaries.
            context: ``part`` or ``auto``.
            embedder: folder of a text encoder; None for all-MiniLM-L6-v2, ``backbone`` for the mean
                of the backbone's own hidden states.
            k: documents recalled.
            neighbour_chars: characters up to which a recalled pair is filled up with what was said
                around it; 0 for not.
            segments: sizes of days and documents that the history does not have by itself; None
                for 4,096 and 512 tokens.
            summaries: whether the backbone writes summaries.
            summary_tokens: of a summary at most.
            forgetting: whether memories fade.
            forgets: how they do.
            reinforce: whether what is recalled is stronger from then on, for later questions.

        Raises:
            InvalidInput: a value out of range, or ``reinforce`` where nothing is forgotten.
            Unavailable: the embedder is not here.
        """
        if k < 1 or neighbour_chars < 0:
            raise InvalidInput(
                f"k is {k} and neighbour_chars is {neighbour_chars}; they must be at least 1 and "
                "at least 0"
            )
        if reinforce and not forgetting:
            raise InvalidInput("reinforce=true changes what is forgotten: add forgetting=true")
        self._k, self._neighbour_chars = k, neighbour_chars
        self._segments = segments or Segmentation()
        self._forgets = (forgets or Forgetting()) if forgetting else None
        self._reinforce = reinforce
        self._own_vectors = embedder == BACKBONE
        self._embedder = chosen_embedder(embedder, backbone)
        super().__init__(backbone, context=context)
        self._summariser = (
            Summariser(backbone, max_tokens=summary_tokens, token_starts=self.token_starts)
            if summaries
            else None
        )

    @staticmethod
    def absent(*, embedder: str | None = None, **settings: Any) -> str | None:
        """A sentence where the embedder of these settings is not on this machine, else None."""
        return absent_embedder(embedder)

    def describe(self) -> MethodDescription:
        """The embedder by its weights, and every setting. Nothing is trained."""
        forgets = self._forgets
        return MethodDescription(
            variant="vectors of the backbone" if self._own_vectors else None,
            state_bytes=None,
            settings={
                "embedder_sha": self._embedder.sha,
                "k": self._k,
                "neighbour_chars": self._neighbour_chars,
                **asdict(self._segments),
                "summary_tokens": self._summariser.max_tokens if self._summariser else 0,
                "forgetting": None if forgets is None else vars(forgets),
                "reinforce": self._reinforce,
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        super().reset(batch)
        self._banks = [_Bank() for _ in range(batch)]
        self._summaries: dict[str, str] = {}
        self._vectors: dict[str, Tensor] = {}

    def index(self, pieces: Sequence[Messages]) -> list[int]:
        """Summarise the days that changed, and give a vector to every new document."""
        known = set(self._summaries)
        for bank, store in zip(self._banks, self.stores, strict=True):
            bank.days = make_days(store.messages, self._segments, token_starts=self.token_starts)
        texts = [[day.text for day in bank.days] for bank in self._banks]
        self._summarise([text for own in texts for text in own], DAY)
        daily = [[self._summaries.get(text, "") for text in own] for own in texts]
        joined = [_joined(bank.days, own) for bank, own in zip(self._banks, daily, strict=True)]
        self._summarise(joined, OVERVIEW)
        for bank, store, own, text in zip(self._banks, self.stores, daily, joined, strict=True):
            alone = len(own) == 1
            bank.overview = own[0] if alone else self._summaries.get(text, "")
            bank.documents = make_documents(store.messages, bank.days, [""] if alone else own)
        self._embed()
        fresh = {text for text in self._summaries if text not in known}
        return [
            self.count([message["content"] for message in piece])
            + self.count([self._summaries[text] for text in {*own, text} & fresh])
            for piece, own, text in zip(pieces, texts, joined, strict=True)
        ]

    def state_bytes(self, history: int) -> int:
        """Text, summaries and vectors."""
        bank = self._banks[history]
        notes = [bank.overview, *(d.text for d in bank.documents if d.unit is None)]
        size = sum(len(note.encode()) for note in notes)
        return super().state_bytes(history) + size + bank.vectors.nbytes

    def recall(self, history: int, query: str) -> Recollection:
        """The overview and the k nearest documents with their neighbours."""
        bank = self._banks[history]
        hits = self._hits(bank, query)
        overview = 1 if bank.overview else 0

        def show(count: int) -> list[Mapping[str, str]]:
            chosen = [i for hit in hits[: max(count - overview, 0)] for i in hit]
            return compose(
                self.stores[history].messages,
                bank.documents,
                chosen,
                overview=bank.overview if count else "",
                join=self.stores[history].join,
            )

        return Recollection(count=overview + len(hits), show=show)

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Recalled]:
        """Answer each prompt; with ``reinforce`` one after the other, the memory changing."""
        if not self._reinforce:
            return super().answer(prompts, decoding, side_by_side=side_by_side, on_answer=on_answer)
        answers = []
        for number, prompt in enumerate(prompts):
            answers += super().answer([prompt], decoding)
            on_answer(number, answers[-1])
            self._strengthen(prompt)
        return answers

    def state_dict(self) -> dict[str, object]:
        """Text, summaries, vectors and strengths."""
        vectors = list(self._vectors.values())
        return {
            **super().state_dict(),
            "summaries": dict(self._summaries),
            "texts": list(self._vectors),
            "vectors": torch.stack(vectors) if vectors else torch.zeros(0, 0),
            "recalled": [
                {text: (held.last, held.strength) for text, held in bank.recalled.items()}
                for bank in self._banks
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave; nothing is summarised again."""
        self.load_text(state)
        self._summaries = dict(state["summaries"])
        self._vectors = dict(zip(state["texts"], state["vectors"], strict=True))
        for bank, recalled in zip(self._banks, state["recalled"], strict=True):
            bank.recalled = {text: Strength(*held) for text, held in recalled.items()}
        self.index([store.messages for store in self.stores])

    def _summarise(self, texts: Sequence[str], what: str) -> None:
        """Write the summaries that are not there yet."""
        new = [text for text in dict.fromkeys(texts) if text and text not in self._summaries]
        if self._summariser is not None:
            self._summaries.update(zip(new, self._summariser(new, what), strict=True))

    def _embed(self) -> None:
        texts = dict.fromkeys(d.text for bank in self._banks for d in bank.documents)
        new = [text for text in texts if text not in self._vectors]
        self._vectors.update(zip(new, self._embedder(new), strict=True))
        for bank in self._banks:
            if bank.documents:
                bank.vectors = torch.stack([self._vectors[d.text] for d in bank.documents])

    def _hits(self, bank: _Bank, query: str) -> list[list[int]]:
        """Numbers of the k nearest documents, nearest first, each with its neighbours."""
        if not bank.documents:
            return []
        alive = self._alive(bank)
        likeness = bank.vectors @ self._embedder([query])[0]
        order = torch.argsort(likeness, descending=True, stable=True).tolist()
        best = [i for i in order if alive[i]][: self._k]
        paired = [bank.days[bank.documents[i].day].paired and bank.documents[i].unit for i in best]
        return [
            neighbours(bank.documents, i, alive=alive, chars=self._neighbour_chars) if p else [i]
            for i, p in zip(best, paired, strict=True)
        ]

    def _alive(self, bank: _Bank) -> list[bool]:
        """The documents that are not forgotten; a summary goes with the last unit of its day."""
        if self._forgets is None:
            return [True] * len(bank.documents)
        now = max(day.number for day in bank.days)
        held = [
            d.unit is not None and self._forgets.keeps(d.text, self._strength(bank, d), now=now)
            for d in bank.documents
        ]
        days = {d.day for d, kept in zip(bank.documents, held, strict=True) if kept}
        return [
            d.day in days if d.unit is None else kept
            for d, kept in zip(bank.documents, held, strict=True)
        ]

    def _strength(self, bank: _Bank, document: Document) -> Strength:
        made = Strength(last=bank.days[document.day].number)
        return bank.recalled.get(document.text, made)

    def _strengthen(self, prompt: PromptLike) -> None:
        bank = self._banks[prompt.history]
        query = query_of(prompt)
        now = max((day.number for day in bank.days), default=0.0)
        for i in {i for hit in self._hits(bank, query) for i in hit}:
            document = bank.documents[i]
            bank.recalled[document.text] = self._strength(bank, document).recalled(now)


def _joined(days: Sequence[Day], summaries: Sequence[str]) -> str:
    """Notes on all days, to be condensed; empty where there is nothing to condense."""
    told = [f"{d.label}\n{s}" for d, s in zip(days, summaries, strict=True) if s]
    return "\n\n".join(told) if len(told) > 1 else ""
