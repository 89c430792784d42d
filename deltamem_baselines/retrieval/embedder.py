"""Texts to unit vectors by mean pooling over plain transformers: an encoder, or the backbone.

Any local folder with an encoder and a fast tokenizer will do. Without one it is all-MiniLM-L6-v2,
which ``deltamem fetch model=minilm`` brings, every file as it was released. A text that is longer
than the encoder takes is read in windows: its vector is the mean over the tokens of all of them, so
nothing of it is cut off. The frozen backbone itself can stand in for an encoder; it is a weaker
one, and only used where it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deltamem.backbone import Backbone, embedding_weight
from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.loading.soundness import check_loaded
from deltamem_base.assets.asset import asset_folder
from deltamem_base.assets.catalogue import MINILM
from deltamem_base.faults import InvalidInput, Unavailable, first_line
from deltamem_base.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "BACKBONE",
    "Embedder",
    "absent_embedder",
    "chosen_embedder",
    "embedder_folder",
    "load_embedder",
    "weights_sha",
]

BACKBONE = "backbone"
"""The word that takes the frozen backbone's last hidden states in place of a folder's model."""
BATCH = 64
POOLER = "pooler."
"""Head that some encoders come without; vectors are means of hidden states and need none."""
LONGEST = 512
"""Tokens that an encoder is given at once, where nothing says how many it takes."""


class Embedder:
    """A text encoder in eval mode."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_length: int
    ) -> None:
        """``max_length``: tokens in a window, special ones included."""
        self.model, self.tokenizer, self.max_length = model, tokenizer, max_length
        self.sha = weights_sha(model)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Vectors (N, D) float32 of length one, on the CPU."""
        width = int(self.model.config.hidden_size)
        batches = [self._mean(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        means = torch.cat(batches) if batches else torch.zeros(0, width)
        return torch.nn.functional.normalize(means, dim=-1)

    def _mean(self, texts: Sequence[str]) -> Tensor:
        encoded = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_length,
            return_overflowing_tokens=True,
        )
        owner = torch.as_tensor(encoded["overflow_to_sample_mapping"])
        sums, counts = [], []
        for start in range(0, len(owner), BATCH):
            rows = [torch.as_tensor(row) for row in encoded["input_ids"][start : start + BATCH]]
            total, count = self._sums(rows)
            sums.append(total)
            counts.append(count)
        hidden, tokens = torch.cat(sums), torch.cat(counts)
        total = hidden.new_zeros(len(texts), hidden.shape[1]).index_add(0, owner, hidden)
        count = tokens.new_zeros(len(texts)).index_add(0, owner, tokens)
        return total / count.clamp_min(1)[:, None]

    def _sums(self, rows: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Sum of the last hidden states and number of tokens of each row, padded on the right."""
        device = embedding_weight(self.model).device
        pad = torch.nn.utils.rnn.pad_sequence
        ids = pad(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id or 0)
        mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
        output = self.model(input_ids=ids.to(device), attention_mask=mask.to(device))
        hidden = output.last_hidden_state.float().cpu()
        return (hidden * mask[..., None]).sum(1), mask.sum(1).float()


def load_embedder(folder: str | None, *, device: torch.device | str) -> Embedder:
    """The encoder of a local folder, or all-MiniLM-L6-v2.

    Raises:
        Unavailable: the folder is not there, or all-MiniLM-L6-v2 was not fetched.
        InvalidInput: a folder without a whole encoder.
    """
    from transformers import AutoModel, AutoTokenizer

    path = embedder_folder(folder)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                path, local_files_only=True, trust_remote_code=False
            )
            model, info = AutoModel.from_pretrained(
                path,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as fault:  # transformers raises all kinds of files that do not fit
        raise InvalidInput(
            f"the folder {path} holds no text encoder that can be loaded: {first_line(fault)}"
        ) from fault
    drawn = [key for key in info["missing_keys"] if not key.startswith(POOLER)]
    check_loaded(str(path), {**info, "missing_keys": drawn, "unexpected_keys": ()})
    model = model.to(device).eval().requires_grad_(False)
    return Embedder(model, tokenizer, max_length=_max_length(path, model, tokenizer))


def embedder_folder(folder: str | None) -> Path:
    """Where an encoder lies: in ``folder``, or where all-MiniLM-L6-v2 does.

    Raises:
        Unavailable: it is not there.
    """
    if folder is None:
        return asset_folder(MINILM)
    if not Path(folder).is_dir():
        raise Unavailable(
            f"the embedder {folder} is not a folder here: name one that holds a text encoder with "
            "method.embedder=FOLDER, or leave it out for all-MiniLM-L6-v2"
        )
    return Path(folder)


def absent_embedder(name: str | None) -> str | None:
    """A sentence where the embedder of a setting is not on this machine, else None."""
    try:
        if name != BACKBONE:
            embedder_folder(name)
    except Unavailable as fault:
        return str(fault)
    return None


def chosen_embedder(name: str | None, backbone: Backbone) -> Embedder:
    """The embedder of a setting.

    Args:
        name: a folder, None for all-MiniLM-L6-v2, or :data:`BACKBONE` for the backbone's own last
            hidden states, without its chat template.
        backbone: the frozen model.

    Raises:
        Unavailable: the encoder is not here.
        InvalidInput: a folder without a whole encoder.
    """
    if name != BACKBONE:
        return load_embedder(name, device=backbone.device)
    decoder = backbone.model.get_decoder()
    return Embedder(decoder, backbone.tokenizer, max_length=min(LONGEST, backbone.window))


def weights_sha(model: PreTrainedModel) -> str:
    """sha256 over all weights in their order of names, as float32."""
    return tensors_sha({name: weight.float() for name, weight in model.named_parameters()})


def _max_length(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The limit that sentence-transformers states in the folder, else what all parts can take."""
    own = folder / "sentence_bert_config.json"
    if own.is_file():
        stated = json.loads(own.read_text(encoding="utf-8")).get("max_seq_length")
        if stated:
            return int(stated)
    positions = getattr(model.config, "max_position_embeddings", LONGEST)
    return int(min(LONGEST, positions, tokenizer.model_max_length))
