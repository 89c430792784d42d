"""Identity of weights: a hash over named tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor

__all__ = ["tensors_sha"]


def tensors_sha(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and bytes, in the order of the names; the device makes no difference."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
