"""Recognise that memory ran out, whoever says so, and give back what can be given back."""

from __future__ import annotations

import gc
import sys

__all__ = ["free_memory", "out_of_memory"]

SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)
"""Words by which torch and CUDA's libraries say that an allocation failed."""


def out_of_memory(fault: BaseException) -> bool:
    """Whether an exception means that an allocation failed: torch's own kinds, CUDA's, Python's."""
    if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":
        return True
    text = str(fault)
    return isinstance(fault, RuntimeError) and any(s.lower() in text.lower() for s in SIGNS)


def free_memory() -> None:
    """Collect garbage, and empty the cache of a GPU where torch has one."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
