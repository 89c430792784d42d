"""Everything that is wrong with a model's files, found without loading a weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from deltamem.backbone.loading.pretrained import load_config, load_tokenizer, pretrained_model
from deltamem.backbone.loading.soundness import check_vocabulary
from deltamem.backbone.loading.weight_files import weight_files
from deltamem_base.faults import InvalidInput, Unavailable

Found = TypeVar("Found")

__all__ = ["model_faults"]


def model_faults(id: str, *, revision: str | None = None) -> list[str]:
    """A sentence for each fault that loading would end with; of weights only headers are read.

    Args:
        id: a folder, or a hub id; one that is not on this machine is not looked at.
        revision: commit of the hub repository.
    """
    found: list[str] = []

    def look(act: Callable[[], Found]) -> Found | None:
        try:
            return act()
        except InvalidInput as fault:
            found.append(str(fault))
        except Unavailable:
            pass
        return None

    files = look(lambda: weight_files(id, revision=revision))
    if not (files or found or Path(id).is_dir()):
        return []
    config = look(lambda: load_config(id, revision=revision))
    tokenizer = look(lambda: load_tokenizer(id, revision=revision))
    if config is not None and tokenizer is not None:
        look(lambda: check_vocabulary(id, tokenizer, config))
        if tokenizer.chat_template is None:
            found.append(f"the tokenizer of {id} has no chat template: add chat_template.jinja")
    if config is not None and files:
        look(lambda: pretrained_model(id, revision=revision, dtype="auto", device_map="meta"))
    return list(dict.fromkeys(found))
