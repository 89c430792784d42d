"""The memory that a training or an evaluation takes of a device, before a weight is loaded.

Counted is what torch keeps. A frozen linear layer keeps nothing, norms keep float32, attention its
inputs and output, the MLP three numbers of its width; ``tests/deltamem_cli/experiments`` holds the
sum against the peaks of real processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests import BackboneRequest, EvaluationRequest, TrainingRequest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from deltamem import DeltaMemConfig
    from deltamem.training import Episode, Episodes
    from deltamem_cli.runs.requests.backbone import PromptOptions

__all__ = [
    "Longest",
    "Need",
    "device_memory",
    "longest_episode",
    "need_of_evaluation",
    "need_of_training",
]

CHARS_PER_TOKEN = 4.0
TOKENS_PER_MESSAGE = 5
"""Tokens of the chat template around each message."""
CLOSELY = 4
"""Episodes, the longest by characters, that are made into tokens where the tokenizer is here."""
SPREAD = 256
"""Generated episodes that are looked at, spread over all."""
FLOAT32 = 4
MEMORY_NUMBERS = 28
"""Kept per token, layer and row of the state: projections, gates, reads."""
PASSING_LAYERS = 0.5
"""Share of what one layer keeps that gradients take on their way through it."""
HIDDEN_AGAIN = 2
"""Numbers of the hidden width that a layer keeps whose activations are made again."""
SQUARE_BYTES = 4
"""Bytes of attention's mask for each pair of tokens of one row."""
LOGIT_COPIES = 1
"""Copies of the logits in float32 that the loss keeps beside them."""
ADAM_COPIES = 4
"""Copies in float32 of what is trained: weights, gradients, two moments."""
QUANTISED = {"4bit": 0.56, "8bit": 1.02}
"""Bytes per weight of a linear layer, with its scales."""
WIDTHS = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, kw_only=True)
class Longest:
    """Tokens of the longest episode, and how they were counted."""

    written: int
    read: int
    answer: int
    """Tokens of the longest answer, of which the logits are made."""
    asks: int
    from_tokenizer: bool


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes at the peak of a run."""

    weights: float
    working: float
    """Activations, optimiser and logits of a training, the cache of one question elsewhere."""

    @property
    def total(self) -> float:
        """All of them."""
        return self.weights + self.working


def device_memory(device: str, *, spread: bool = False) -> int | None:
    """Bytes of the device that a run would be on; None where it does not say.

    Args:
        device: as ``runtime.device`` names it.
        spread: over all GPUs.
    """
    import torch

    from deltamem.backbone.loading.placement import find_device

    where = find_device(device)
    kind = where.type
    if kind == "cuda":
        gpus = range(torch.cuda.device_count()) if spread else [where.index or 0]
        return sum(torch.cuda.get_device_properties(gpu).total_memory for gpu in gpus)
    if kind == "mps":
        return int(torch.mps.recommended_max_memory())
    if "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def longest_episode(request: TrainingRequest, episodes: Episodes[Episode]) -> Longest:
    """Sizes of the longest episode of a training, cut as the recipe cuts it."""
    recipe, options = request.recipe, request.backbone.prompt_options
    looked = _looked_at(episodes, generated=request.generated)
    answers = [ask.answer for episode in looked for ask in episode.asks]
    longest_answer = max(answers, key=len, default="")
    tokenizer = _tokenizer(request.backbone)
    sizes = [
        (_estimate(e.written), [_estimate(a.visible) + _chars(a.answer) for a in e.asks])
        for e in looked
    ]
    if tokenizer is not None:
        chosen = _extremes(sizes)
        sizes = [_measure(looked[i], tokenizer, options) for i in chosen]
    return Longest(
        written=min(max(written for written, _ in sizes), recipe.write_length),
        read=min(max(max(asks, default=0) for _, asks in sizes), recipe.read_length),
        answer=TOKENS_PER_MESSAGE
        + (
            _chars(longest_answer)
            if tokenizer is None
            else len(tokenizer(longest_answer).input_ids)
        ),
        asks=max(len(asks) for _, asks in sizes),
        from_tokenizer=tokenizer is not None,
    )


def need_of_evaluation(request: EvaluationRequest, model: PreTrainedModel) -> Need:
    """Bytes that an evaluation takes.

    Args:
        request: the evaluation.
        model: the backbone on the meta device.
    """
    backbone = request.backbone
    return Need(weights=_weights(backbone, model, _width(backbone, model)), working=0.0)


def need_of_training(
    request: TrainingRequest, model: PreTrainedModel, *, trained: int, longest: Longest
) -> Need:
    """Bytes that a training takes.

    Args:
        request: the training.
        model: the backbone on the meta device.
        trained: numbers that are trained.
        longest: the longest episode.
    """
    backbone, recipe = request.backbone, request.recipe
    width = _width(backbone, model)
    weights = _weights(backbone, model, width)
    text = model.config.get_text_config()
    # the asks of one history are read together, those of several histories side by side
    rows = recipe.micro_batch_size
    reads = rows * longest.asks
    tokens = rows * longest.written + reads * longest.read
    square = max(rows * longest.written**2, reads * longest.read**2)
    if request.memory is None:  # history and question in one pass
        tokens = reads * (longest.written + longest.read)
        square = reads * (longest.written + longest.read) ** 2
    memory = FLOAT32 * MEMORY_NUMBERS * _state_rows(request.memory)
    layer, layers = memory + _kept_by_a_layer(text, width), text.num_hidden_layers
    kept = layers * layer
    if recipe.activation_checkpointing:  # and one layer is whole while its turn lasts
        kept = layers * (memory + HIDDEN_AGAIN * text.hidden_size * width) + layer
    made = min(longest.read, longest.answer + 1)  # a token's are those of the one before it
    logits = reads * made * text.vocab_size * (LOGIT_COPIES * FLOAT32 + width)
    working = tokens * (kept + PASSING_LAYERS * layer) + square * SQUARE_BYTES + logits
    return Need(weights=weights, working=working + trained * ADAM_COPIES * FLOAT32)


def _kept_by_a_layer(text: PreTrainedConfig, width: int) -> float:
    """Bytes for one token."""
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    queries = heads * head
    keys = (getattr(text, "num_key_value_heads", None) or heads) * head
    norms = FLOAT32 * (2 * text.hidden_size + queries + keys)
    attention = width * (text.hidden_size + 2 * queries + 2 * keys)
    mlp = width * 3 * text.intermediate_size
    return float(norms + attention + mlp)


def _state_rows(memory: DeltaMemConfig | None) -> int:
    return 0 if memory is None else memory.rank * memory.writer.num_states


def _width(backbone: BackboneRequest, model: PreTrainedModel) -> int:
    """Bytes of a number of the backbone as it will be loaded."""
    from deltamem.backbone.loading.placement import choose_dtype, find_device

    kind = choose_dtype(backbone.dtype, find_device(backbone.device))
    if kind == "auto":
        kind = str(model.config.get_text_config().dtype or "bfloat16").removeprefix("torch.")
    return WIDTHS.get(kind, FLOAT32)


def _weights(backbone: BackboneRequest, model: PreTrainedModel, width: int) -> float:
    """Tied ones once; of a quantised backbone the layers' matrices are smaller."""
    total = sum(p.numel() for p in model.parameters())
    small = QUANTISED.get(str(backbone.quantization))
    if small is None:
        return total * width
    layers = model.get_decoder().layers
    matrices = sum(p.numel() for p in layers.parameters() if p.dim() > 1)
    return matrices * small + (total - matrices) * width


def _looked_at(episodes: Episodes[Episode], *, generated: bool) -> list[Episode]:
    step = max(1, len(episodes) // SPREAD) if generated else 1
    return [episodes[i] for i in range(0, len(episodes), step)]


def _tokenizer(backbone: BackboneRequest) -> PreTrainedTokenizerBase | None:
    """The backbone's, where it is on this machine and sound."""
    from transformers import AutoTokenizer

    from deltamem.backbone.loading.soundness import check_tokenizer

    source = backbone.source
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source["id"],
            revision=source["revision"],
            local_files_only=True,
            trust_remote_code=False,
        )
        check_tokenizer(source["id"], tokenizer)
    except Exception:
        return None  # whatever is wrong with it, loading the backbone says so
    return tokenizer


def _extremes(sizes: Sequence[tuple[float, Sequence[float]]]) -> list[int]:
    """The episodes with the most to write, to read and to ask."""
    places = range(len(sizes))
    keys = (
        lambda i: sizes[i][0],
        lambda i: max(sizes[i][1], default=0.0),
        lambda i: len(sizes[i][1]),
    )
    return sorted({i for key in keys for i in sorted(places, key=key)[-CLOSELY:]})


def _measure(
    episode: Episode, tokenizer: PreTrainedTokenizerBase, options: PromptOptions
) -> tuple[int, list[int]]:
    from deltamem.backbone import render, render_history

    written = len(render_history(tokenizer, episode.written, join=episode.join, **options).ids)
    answers = [{"role": "assistant", "content": ask.answer} for ask in episode.asks]
    asks = [
        len(render(tokenizer, [*ask.visible, answer], **options).ids)
        for ask, answer in zip(episode.asks, answers, strict=True)
    ]
    return written, asks


def _estimate(messages: Iterable[Mapping[str, str]]) -> int:
    return sum(_chars(m["content"]) + TOKENS_PER_MESSAGE for m in messages)


def _chars(text: str) -> int:
    return round(len(text) / CHARS_PER_TOKEN)
