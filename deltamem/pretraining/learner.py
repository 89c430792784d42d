"""The learner of the embedded backbone: a small Qwen3 on the curriculum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge, Gt
from safetensors import SafetensorError
from torch import Tensor, nn

from deltamem.backbone import left_pad
from deltamem.pretraining.curriculum import LONGEST, TokenSequence
from deltamem.training.collate import IGNORED, TokenBatch
from deltamem.training.learner import Learner
from deltamem.training.objective import Objective, answer_objective
from deltamem_base.faults import InvalidInput
from deltamem_base.ranges import check_fields
from deltamem_base.whole_files import atomically, cannot_write, folder_beside, sync

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["BackboneConfig", "BackboneLearner", "new_backbone"]


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Sizes of the embedded backbone (Qwen3 architecture)."""

    layers: Annotated[int, Ge(1)] = 4
    width: Annotated[int, Ge(1)] = 128
    head_dim: Annotated[int, Ge(2)] = 32
    window: Annotated[int, Ge(LONGEST)] = 2048
    rope_theta: Annotated[float, Gt(1)] = 100.0
    """Low, so that nearby positions are told apart from the start."""
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        check_fields(self, "backbone")
        if self.head_dim % 2 or self.width % self.head_dim:
            raise InvalidInput(
                f"backbone.head_dim is {self.head_dim}; it must be even and divide backbone.width, "
                f"which is {self.width}"
            )


def new_backbone(config: BackboneConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """An untrained model for ``tokenizer``."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(config.seed)
    heads = config.width // config.head_dim
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            intermediate_size=2 * config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.window,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class BackboneLearner(Learner[TokenSequence, TokenBatch]):
    """A language model with its tokenizer."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """All weights of ``model`` are trained."""
        self.model, self.tokenizer = model.train(), tokenizer

    def parameters(self) -> Iterable[nn.Parameter]:
        """All weights."""
        return self.model.parameters()

    def batch(self, episodes: Sequence[TokenSequence]) -> TokenBatch:
        """Pad sequences to one length."""
        device = self.model.device
        ids, mask = left_pad([e.ids for e in episodes], fill=0, device=device)
        labels = [
            [token if learnt else IGNORED for token, learnt in zip(e.ids, e.learnt, strict=True)]
            for e in episodes
        ]
        return TokenBatch(
            ids=ids, mask=mask, labels=left_pad(labels, fill=IGNORED, device=device)[0]
        )

    def loss(self, batch: TokenBatch) -> Objective:
        """Cross-entropy over the learnt tokens."""
        output = self.model(batch.ids, attention_mask=batch.mask.long(), use_cache=False)
        return answer_objective(output.logits, batch.labels, histories=len(batch.ids))

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights; the output head is the embedding and is not stored twice."""
        weights = self.model.state_dict()
        return {name: w for name, w in weights.items() if name != "lm_head.weight"}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Weights from a checkpoint."""
        return self.model.load_state_dict(dict(state), strict=False)

    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """A Hugging Face folder with a card, weights in bfloat16; the card is written last.

        Raises:
            CannotWrite: the folder cannot be written.
        """
        from transformers.utils import logging

        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            # safetensors leaves more beside a file when it is killed
            with folder_beside(folder / "model") as part:
                self.model.to(torch.bfloat16).save_pretrained(part)
                self.tokenizer.save_pretrained(part)
                for file in part.iterdir():
                    sync(file)
                    file.replace(folder / file.name)
        except (OSError, SafetensorError) as fault:
            raise cannot_write(folder, fault) from fault
        finally:
            if bars:
                logging.enable_progress_bar()
        rows = "\n".join(f"| {name} | {value} |" for name, value in card.items())
        text = f"{CARD}\n\n| | |\n|---|---|\n{rows}\n"
        with atomically(folder / "README.md") as part:
            part.write_text(text, encoding="utf-8")
        return folder


CARD = """# The embedded backbone

A small language model of the Qwen3 architecture with a byte-level BPE tokenizer and a ChatML
template, trained from scratch by `deltamem pretrain` on generated text: copying, then facts, then
dialogues with questions. It has no knowledge of the world; it reads. Apache-2.0."""
