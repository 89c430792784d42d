"""Identity of a backbone's weights: a hash in which every tensor counts.

A checkpoint is hashed as its files store it, so that the numbers it is loaded in make no
difference, nor how many files it has. Values come to one form first, the narrowest floating point
that holds all of a tensor exactly: bfloat16 values written as float32 are the same weights. An
output layer that repeats the embedding is the embedding, whether it is stored or tied. A large
model is read once; its hash is then kept by the size, times and inodes of its files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from deltamem_base.faults import InvalidInput
from deltamem_base.kept_digests import kept_digest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["files_fingerprint", "fingerprint"]

OUTPUT = "lm_head.weight"
BUFFERS = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias", ".attention.masked_bias")
"""Ends of names under which old checkpoints store what is computed: no weights."""
CHUNK = 1 << 20
"""Numbers that are brought to one form at once; few enough for a processor's cache."""
LOW, HIGH = 0, 1
THREADS = 8


class _Values(NamedTuple):
    """One tensor, whatever it is called."""

    shape: tuple[int, ...]
    digest: str


def fingerprint(model: PreTrainedModel) -> str:
    """Hash of a model in memory, sha256; that of its files if its weights are exactly theirs.

    Raises:
        InvalidInput: some of its weights are on the meta device, and have no values.
    """
    tensors = model.state_dict()
    away = [name for name, tensor in tensors.items() if tensor.is_meta]
    if away:
        raise InvalidInput(f"a model without weights has no fingerprint: {away[0]} has no values")
    return _combined({name: _values(tensor) for name, tensor in tensors.items()})


def files_fingerprint(files: Sequence[Path]) -> str:
    """Hash of the safetensors files of one checkpoint, sha256.

    Raises:
        InvalidInput: a tensor is in two of the files.
    """
    return kept_digest(files, "fingerprints", _read)


def _read(files: Sequence[Path]) -> str:
    with ExitStack() as stack, ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        homes: dict[str, safe_open] = {}
        for path in files:
            opened = stack.enter_context(safe_open(path, framework="pt"))
            twice = homes.keys() & set(opened.keys())
            if twice:
                raise InvalidInput(
                    f"{path} holds {min(twice)}, and so does another file of the same model: "
                    "remove one of the two"
                )
            homes |= dict.fromkeys(opened.keys(), opened)
        values = pool.map(lambda name: _values(homes[name].get_tensor(name)), homes)
        return _combined(dict(zip(homes, values, strict=True)))


def _combined(tensors: Mapping[str, _Values]) -> str:
    """Over names, shapes and values, in the order of the names."""
    weights = {name: values for name, values in tensors.items() if not name.endswith(BUFFERS)}
    output = weights.pop(OUTPUT, None)
    if output is not None and output not in weights.values():
        weights[OUTPUT] = output
    digest = hashlib.sha256()
    for name, (shape, values) in sorted(weights.items()):
        digest.update(f"{name} {shape} {values}\n".encode())
    return digest.hexdigest()


def _values(tensor: Tensor) -> _Values:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    chunks = flat.split(CHUNK) if len(flat) else ()
    kind = _narrowest(chunks, flat.dtype)
    digest = hashlib.sha256(str(kind).encode())
    for chunk in chunks:
        digest.update(_brought_to(chunk, kind).view(torch.uint8).numpy().data)
    return _Values(tuple(tensor.shape), digest.hexdigest())


def _narrowest(chunks: Sequence[Tensor], dtype: torch.dtype) -> torch.dtype:
    """bfloat16, float32 or float64, the first that holds all values exactly; others as they are."""
    if dtype not in (torch.float16, torch.float32, torch.float64):
        return dtype
    if dtype == torch.float64 and not all(torch.equal(c, c.float().double()) for c in chunks):
        return dtype
    fine = any(bool(_halves(chunk, LOW).any()) for chunk in chunks)
    return torch.float32 if fine else torch.bfloat16


def _brought_to(chunk: Tensor, kind: torch.dtype) -> Tensor:
    if chunk.dtype == kind:
        return chunk
    # the bits of bfloat16, for a conversion would not keep those of a NaN
    return chunk.float() if kind == torch.float32 else _halves(chunk, HIGH).contiguous()


def _halves(chunk: Tensor, which: int) -> Tensor:
    """Upper or lower 16 bits of numbers as float32; on little-endian machines, as torch's are."""
    return chunk.float().view(torch.int16)[which::2]
