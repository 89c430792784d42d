"""A GGUF file: where it lies, what it is, and what of it could not be carried over.

GGUF is llama.cpp's format: one file with quantised weights, the architecture's settings, and the
tokenizer with its chat template.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deltamem.backbone.loading.hub import from_cache_or_hub
from deltamem_base.assets.asset import asset_folder
from deltamem_base.assets.catalogue import asset_of_hub_file
from deltamem_base.faults import InvalidInput, Unavailable, first_line
from deltamem_base.hub import accept_terms, hub_faults, is_gated, not_fetched

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedConfig

__all__ = ["check_gguf", "gguf_path", "text_field"]

MAGIC = b"GGUF"
SCALED = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors with which llama.cpp scales rotary embeddings."""


def gguf_path(id: str, file: str, *, revision: str | None) -> Path:
    """A GGUF file in a folder, fetched, in the hub's cache, or downloaded from the hub.

    Args:
        id: folder or hub id.
        file: name inside it.
        revision: commit of the hub repository.

    Raises:
        Unavailable: it is neither here nor can it be fetched; names the next step.
        InvalidInput: a folder without it.
    """
    if Path(id).is_dir():
        path = Path(id) / file
        if not path.is_file():
            there = sorted(p.name for p in Path(id).glob("*.gguf"))
            found = ", ".join(there) if there else "no GGUF file"
            raise InvalidInput(f"{id} holds no {file} (model.gguf_file); it holds {found}")
        return path
    asset = asset_of_hub_file(id, file, revision=revision)
    if asset is None:
        return _from_hub(id, file, revision)
    return asset_folder(asset) / file


def _from_hub(id: str, file: str, revision: str | None) -> Path:
    from transformers.utils.hub import cached_file

    def load(*, local_files_only: bool) -> Path:
        found = cached_file(id, file, revision=revision, local_files_only=local_files_only)
        return Path(str(found))

    def explain(fault: Exception, why: str) -> Exception:
        if is_gated(fault):
            return Unavailable(f"{id} is gated: {accept_terms(id)}")
        remedy = f"run `hf download {id} {file}` where there is a network, or name a folder"
        return not_fetched(f"{file} of {id}", why, remedy=f"{remedy} with model.id=FOLDER")

    return Path(from_cache_or_hub(load, id, explain=explain, faults=hub_faults()))


def check_gguf(path: Path) -> GGUFReader:
    """The header of a GGUF file that is whole; its tensors are mapped, not read.

    Raises:
        InvalidInput: no GGUF file, or one that is damaged or was cut off.
        Unavailable: the package that reads such files is not installed.
    """
    try:
        from gguf import GGUFReader
    except ImportError as fault:
        raise Unavailable("GGUF files are read by the package gguf: `pip install gguf`") from fault
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise InvalidInput(
                f"{path} is not a GGUF file: it does not begin with {MAGIC.decode()}"
            )
    try:
        return GGUFReader(path)
    except Exception as fault:  # of all kinds: it takes what the file says for granted
        raise InvalidInput(
            f"{path} is damaged or was cut off ({first_line(fault)}): fetch it again"
        ) from fault


def text_field(header: GGUFReader, key: str) -> str | None:
    """A text of a header; None where it has none of that name."""
    found = header.get_field(key)
    return None if found is None else str(found.contents())


def check_rotation(path: Path, header: GGUFReader, config: PreTrainedConfig) -> None:
    """Refuse scaled rotary embeddings where the converted settings say nothing of a scale.

    Raises:
        InvalidInput: transformers does not carry this file's scale over.
    """
    architecture = text_field(header, "general.architecture")
    named = text_field(header, f"{architecture}.rope.scaling.type") not in (None, "none")
    stored = any(tensor.name in SCALED for tensor in header.tensors)
    rotary = getattr(config, "rope_parameters", None) or {}
    if (named or stored) and rotary.get("rope_type", "default") == "default":
        raise InvalidInput(
            f"{path} scales its rotary embedding, which transformers does not read from a GGUF "
            "file: use the model's safetensors files with model.id=ID"
        )
