"""A compressor of one's own: a token classifier that learns what the backbone finds surprising.

    loss per word piece = CE(keep or drop, whether the teacher keeps its word)

The released classifiers learnt from a large model's shortened transcripts. Here the teacher is the
frozen backbone (:mod:`deltamem_baselines.llmlingua2.teacher`) and the text is what the training
episodes write; questions and answers are not looked at. In a report of training an "exact match" is
a row whose every word is decided as the teacher decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from deltamem.backbone import Backbone
from deltamem.backbone.loading.placement import on_device
from deltamem.training import Episode, Episodes, Learner
from deltamem.training.collate import IGNORED
from deltamem.training.objective import Objective
from deltamem_base.assets.asset import asset_folder
from deltamem_base.assets.catalogue import MINILM as MINILM_ASSET
from deltamem_base.faults import InvalidInput, Unavailable, check_choice
from deltamem_baselines.llmlingua2.batches import PieceBatch, Row, keeps, padded
from deltamem_baselines.llmlingua2.encoder import (
    MINILM,
    SMALL,
    Shape,
    classifier,
    new_pieces,
    pretrained_tensors,
    read_pieces,
    stored_shape,
)
from deltamem_baselines.llmlingua2.saving import Learnt, Start, save_compressor
from deltamem_baselines.llmlingua2.teacher import Span, Surprisal, kept_words, word_surprisals
from deltamem_baselines.llmlingua2.verbatim import tail

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["CompressorLearner"]

STARTS = get_args(Start)
READ_FOR_PIECES = 1000
"""Training episodes whose text the word pieces of a new encoder are made from."""
EPISODES_AT_ONCE = 8
WORDS, RETENTION = "held-out words", "held-out retention"
AGREEMENT = "held-out agreement with the teacher"


class CompressorLearner(Learner[Episode, PieceBatch]):
    """The classifier as it is trained; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        seed: Annotated[int, Ge(0)],
        read_length: int,
        start: Start = "pretrained",
        encoder: str | None = None,
        layers: Annotated[int, Ge(1)] | None = None,
        kept: Annotated[float, Interval(gt=0, lt=1)] = 0.5,
    ) -> None:
        """A classifier that has learnt nothing yet.

        Args:
            backbone: the frozen model, which teaches.
            seed: of the head, and of an encoder that starts from scratch.
            read_length: word pieces in a row at most; never more than the encoder takes.
            start: ``pretrained``, or ``scratch`` for a small encoder with word pieces of its own.
            encoder: folder of a BERT encoder; None for all-MiniLM-L6-v2.
            layers: of the pretrained encoder, from the first; None for all.
            kept: share of the words of a text that the teacher keeps.

        Raises:
            Unavailable: the encoder is not here.
            InvalidInput: another start, an encoder where none is used, or more layers than it has.
        """
        self.shape = _shape(start, encoder, layers)
        self.backbone, self.start, self.kept = backbone, start, kept
        self._length = min(read_length, self.shape.positions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = on_device(classifier(self.shape), backbone.device).eval()
        self.pieces: PreTrainedTokenizerBase | None = None
        if start == "pretrained":
            folder = _folder(encoder)
            self.pieces = read_pieces(folder, vocabulary=self.shape.vocabulary)
            self.model.load_state_dict(pretrained_tensors(folder, self.shape), strict=False)
        self._teacher = Surprisal(backbone)
        self._taught: dict[str, list[bool]] = {}

    @staticmethod
    def trained_parameters(
        model: PreTrainedModel,
        *,
        start: str = "pretrained",
        encoder: str | None = None,
        layers: int | None = None,
        kept: float = 0.5,
    ) -> int:
        """How many numbers the classifier has, whatever the backbone ``model``."""
        with torch.device("meta"):
            made = classifier(_shape(start, encoder, layers))
        return sum(weight.numel() for weight in made.parameters())

    def prepare(self, episodes: Episodes[Episode]) -> None:
        """Make the word pieces of an encoder that starts from scratch, from the first episodes."""
        if self.start == "scratch":
            first = (episodes[i] for i in range(min(len(episodes), READ_FOR_PIECES)))
            written = (text for episode in first for text in _texts([episode]))
            self.pieces = new_pieces(written, size=self.shape.vocabulary)

    def parameters(self) -> Iterable[nn.Parameter]:
        """The classifier; the backbone is not among them."""
        parameters: Iterable[nn.Parameter] = self.model.parameters()
        return parameters

    def batch(self, episodes: Sequence[Episode]) -> PieceBatch:
        """Word pieces of everything that the episodes write, and what the teacher says of them.

        Raises:
            InvalidInput: the episodes write no text.
        """
        if self.pieces is None:
            raise InvalidInput(
                "the compressor has no word pieces yet: call prepare(episodes) first"
            )
        texts = _texts(episodes)
        rows = list(self._rows(texts, self.pieces)) if texts else []
        if not rows:
            raise InvalidInput(
                f"episode {episodes[0].id}: its history has no text, but a compressor learns from "
                "the text of histories; use other training data"
            )
        return padded(
            rows,
            fill=self.pieces.pad_token_id,
            episodes=len(episodes),
            device=self.backbone.device,
        )

    def loss(self, batch: PieceBatch) -> Objective:
        """Cross-entropy over word pieces; exact is a row with all its words as the teacher's."""
        logits = self.model(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
        learnt = batch.words >= 0
        wanted = torch.where(learnt, batch.kept[batch.words.clamp_min(0)].long(), IGNORED)
        loss = cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        right = keeps(logits.detach(), batch) == batch.kept
        wrong = torch.zeros(len(batch.ids), dtype=torch.long, device=right.device)
        wrong = wrong.index_add(0, batch.row, (~right).long())
        return Objective(
            cross_entropy=loss,
            sparsity=torch.zeros_like(loss),
            histories=batch.episodes,
            targets=batch.targets,
            exact=int((wrong == 0).sum()),
            asks=len(batch.ids),
        )

    @torch.no_grad()
    def measured(self, held_out: Sequence[Episode]) -> Mapping[str, object]:
        """Shares of the words of held-out texts: kept, and decided as the teacher decides."""
        words = kept = agreed = 0
        for first in range(0, len(held_out), EPISODES_AT_ONCE):
            batch = self.batch(held_out[first : first + EPISODES_AT_ONCE])
            logits = self.model(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
            chosen = keeps(logits, batch)
            words += len(chosen)
            kept += int(chosen.sum())
            agreed += int((chosen == batch.kept).sum())
        if not words:
            return {}
        return {
            WORDS: words,
            RETENTION: round(kept / words, 4),
            AGREEMENT: round(agreed / words, 4),
        }

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights of the classifier."""
        weights: Mapping[str, Tensor] = self.model.state_dict()
        return weights

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Weights from a checkpoint."""
        return self.model.load_state_dict(dict(state))

    def save(self, folder: Path, *, card: Mapping[str, Any]) -> Path:
        """A folder that :class:`LLMLingua2` reads, and the package ``llmlingua`` as well."""
        assert self.pieces is not None  # or no batch was made
        return save_compressor(
            self.model,
            self.pieces,
            folder,
            shape=self.shape,
            learnt=Learnt(
                start=self.start,
                kept=self.kept,
                retention=card.get(RETENTION),
                agreement=card.get(AGREEMENT),
            ),
            backbone=self.backbone,
            card=card,
        )

    def _rows(self, texts: Sequence[str], pieces: PreTrainedTokenizerBase) -> Iterator[Row]:
        """The texts in word pieces, those that are too long for a row in several."""
        encoded = pieces(
            texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        self._ask_teacher(texts, [_spans(one) for one in encoded.encodings])
        begin, end = pieces.cls_token_id, pieces.sep_token_id
        room = self._length - 2
        for text, one in zip(texts, encoded.encodings, strict=True):
            for first in range(0, len(one.ids), room):
                words = one.word_ids[first : first + room]
                yield Row(
                    ids=[begin, *one.ids[first : first + room], end],
                    words=[word - words[0] for word in words],
                    kept=self._taught[text][words[0] : words[-1] + 1],
                )

    def _ask_teacher(self, texts: Sequence[str], words: Sequence[Sequence[Span]]) -> None:
        """Have the teacher decide on the texts that it has not seen; an epoch asks it once."""
        new = {t: spans for t, spans in zip(texts, words, strict=True) if t not in self._taught}
        for (text, spans), tokens in zip(new.items(), self._teacher(list(new)), strict=True):
            self._taught[text] = kept_words(word_surprisals(text, spans, tokens), self.kept)


def _shape(start: str, encoder: str | None, layers: int | None) -> Shape:
    """The sizes of the classifier that these settings make.

    Raises:
        InvalidInput: settings that do not go together.
    """
    check_choice("method.learner.start", start, STARTS)
    if start == "scratch":
        if encoder is not None or layers is not None:
            raise InvalidInput(
                "method.learner.start=scratch takes no encoder and no layers: leave them out, or "
                "use start=pretrained"
            )
        return SMALL
    whole = MINILM if encoder is None else stored_shape(_folder(encoder))
    if layers is not None and not 1 <= layers <= whole.layers:
        raise InvalidInput(f"method.learner.layers is {layers}; the encoder has {whole.layers}")
    return replace(whole, layers=layers or whole.layers)


def _folder(encoder: str | None) -> Path:
    """Where the encoder lies.

    Raises:
        Unavailable: it is not here.
    """
    if encoder is None:
        return asset_folder(MINILM_ASSET)
    if not Path(encoder).expanduser().is_dir():
        raise Unavailable(
            f"the encoder {encoder} is not a folder here: name one that holds a BERT encoder with "
            "method.learner.encoder=FOLDER"
        )
    return Path(encoder).expanduser()


def _texts(episodes: Sequence[Episode]) -> list[str]:
    """Everything that is written, as it is compressed: each text once, no titles and speakers."""
    told = (m for episode in episodes for m in episode.written if m["role"] != "system")
    return [text for text in dict.fromkeys(map(tail, told)) if text.strip()]


def _spans(encoding: Any) -> list[Span]:
    """Where each word of an encoded text stands in it."""
    spans: dict[int, Span] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        spans[word] = (spans[word][0] if word in spans else start, end)
    return list(spans.values())
