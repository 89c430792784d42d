"""A GGUF file as an ordinary model folder: dequantised once, kept in the user's cache.

    CACHE/gguf/SHA256 OF THE FILE/   config.json  model.safetensors  tokenizer.json  …  gguf.json

Every weight is the float32 number that the quantised format stands for, so nothing is lost. A
folder appears whole or not at all; ``gguf.json`` holds the digests by which a damaged one is found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from deltamem.backbone.loading.fingerprint import files_fingerprint
from deltamem.backbone.loading.gguf_file import (
    check_gguf,
    check_rotation,
    gguf_path,
    text_field,
)
from deltamem.backbone.loading.gguf_tokenizer import set_word_rule
from deltamem.backbone.loading.soundness import check_config, check_loaded, check_tokenizer
from deltamem.backbone.loading.weight_files import check_weight_files, weight_files
from deltamem_base.digests import sha256_of
from deltamem_base.faults import CannotWrite, Fault, InvalidInput, first_line
from deltamem_base.kept_digests import kept_sha256
from deltamem_base.quiet import quiet_transformers
from deltamem_base.typed_json import read_typed
from deltamem_base.user_cache import user_cache
from deltamem_base.whole_files import folder_beside, sync, why, write_json

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerBase

__all__ = ["Dequantised", "dequantised"]

MANIFEST = "gguf.json"
WEIGHTS = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Dequantised:
    """A model folder that was made of a GGUF file."""

    folder: Path
    """Configuration, weights in float32, and tokenizer."""
    sha256: str
    """Digest of the GGUF file."""


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """Digests by which a folder that was made is known again."""

    weights: str
    """Fingerprint of all weights."""
    files: Mapping[str, str]
    """sha256 of every other file, by its name."""


def dequantised(id: str, file: str, *, revision: str | None = None) -> Dequantised:
    """The folder that a GGUF file was dequantised to; made where it is not there yet.

    Args:
        id: folder or hub id that holds the file.
        file: its name there.
        revision: commit of the hub repository.

    Raises:
        Unavailable: the file is neither here nor can it be fetched.
        InvalidInput: a file that cannot be read, or a folder in the cache that has been damaged.
        CannotWrite: there is no room for the folder.
    """
    path = gguf_path(id, file, revision=revision)
    sha256 = kept_sha256(path)
    folder = user_cache() / "gguf" / sha256
    if not folder.is_dir():
        _make(path, folder)
    _check(folder, path)
    return Dequantised(folder=folder, sha256=sha256)


def _make(path: Path, folder: Path) -> None:
    header = check_gguf(path)
    # its reader of GGUF files draws a bar of its own, which nothing else switches off
    with quiet_transformers(), redirect_stderr(StringIO()):
        model, tokenizer = _read(path, header)
    try:
        with quiet_transformers(), folder_beside(folder) as part:
            whole = part / "whole"
            # of several processes transformers would have the first alone write; they make what
            # they need each, on whatever machine they are, and one rename is the first
            model.should_save_on_this_rank = lambda is_main_process: True
            model.save_pretrained(whole)
            tokenizer.save_pretrained(whole)
            write_json(whole / MANIFEST, asdict(_manifest(whole)))
            for written in whole.iterdir():
                sync(written)
            _put(whole, folder)
    except (OSError, SafetensorError) as fault:
        raise CannotWrite(f"{folder} cannot be written ({why(fault)})") from fault


def _put(whole: Path, folder: Path) -> None:
    """One rename; another process may have been faster, and made the same."""
    try:
        os.rename(whole, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _read(path: Path, header: GGUFReader) -> tuple[Any, PreTrainedTokenizerBase]:
    """Model in float32 and tokenizer, as transformers reads them, each checked."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": str(path.resolve()), "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told, and refused in a sentence
            **where,
        )
    except Exception as fault:  # of all kinds: transformers takes what the file says for granted
        raise InvalidInput(f"{path} cannot be read: {first_line(fault)}") from fault
    model, info = loaded
    check_loaded(str(path), info)
    check_config(str(path), model.config)
    check_rotation(path, header, model.config)
    check_tokenizer(str(path), tokenizer)
    kind, rule = (text_field(header, f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    set_word_rule(path, tokenizer, kind=kind, rule=rule)
    return model, tokenizer


def _manifest(folder: Path) -> _Manifest:
    others = (p for p in sorted(folder.iterdir()) if p.suffix != WEIGHTS and p.name != MANIFEST)
    return _Manifest(
        weights=files_fingerprint(weight_files(str(folder))),
        files={path.name: sha256_of(path) for path in others},
    )


def _check(folder: Path, path: Path) -> None:
    try:
        stated = read_typed(folder / MANIFEST, _Manifest)
        files = weight_files(str(folder))
        check_weight_files(files)
        sound = bool(files) and _manifest(folder) == stated
    except (Fault, OSError) as fault:
        raise _damaged(folder, path) from fault
    if not sound:
        raise _damaged(folder, path)


def _damaged(folder: Path, path: Path) -> InvalidInput:
    return InvalidInput(
        f"{folder} no longer holds what {path.name} was dequantised to: remove it, "
        "and the next run makes it again"
    )
