"""From one C++ file to a library: compiled on first use, kept between runs.

Plain C arrays through ctypes, so that no header of torch is read (a build takes seconds, and one
library serves every version of torch), and nothing but a compiler is needed.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from deltamem_base.faults import Unavailable
from deltamem_base.user_cache import user_cache

__all__ = ["can_load", "compiler", "load_library"]

FLAGS = (
    "-std=c++17 -O3 -shared -fPIC -pthread -funroll-loops "
    # sums of a vector's lanes in any order; NaN and infinity stay what they are
    "-fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math"
).split()
WIDE_VECTORS = {"AVX2": ["-mavx2", "-mfma"], "AVX512": ["-mavx2", "-mfma"]}
"""By what torch says of this CPU. Not ``-march=native``: a cache may be shared by machines."""


def compiler() -> str | None:
    """The C++ compiler that is used here: ``$CXX``, c++, g++ or clang++; None without any."""
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@functools.cache
def load_library(source: Path) -> ctypes.CDLL:
    """Compile ``source`` unless that was done before, and load it.

    The library lies in ``$TORCH_EXTENSIONS_DIR`` or in ``~/.cache/deltamem``; its name holds a hash
    of the text, the flags and the compiler.

    Raises:
        Unavailable: there is no compiler, or it fails.
    """
    found = compiler()
    if found is None:
        raise Unavailable(
            "the compiled form of the delta rule needs a C++ compiler and there is none on PATH: "
            "apt install g++ (or set CXX), or unset DELTA_MEM_SCAN_IMPL to do without"
        )
    command = [found, *FLAGS, *WIDE_VECTORS.get(torch.backends.cpu.get_cpu_capability(), [])]
    key = hashlib.sha256(source.read_bytes() + " ".join(command).encode()).hexdigest()[:16]
    library = _cache() / f"{source.stem}_{key}.so"
    if not library.is_file():
        _compile([*command, str(source)], library)
    return ctypes.CDLL(str(library))


@functools.cache
def can_load(source: Path) -> bool:
    """Whether :func:`load_library` gives a library here; the answer holds for the process."""
    try:
        load_library(source)
    except Unavailable:
        return False
    return True


def _cache() -> Path:
    root = os.environ.get("TORCH_EXTENSIONS_DIR")
    return Path(root) if root else user_cache()


def _compile(command: list[str], library: Path) -> None:
    """Compile beside the place and rename, so that no process ever sees half a library."""
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            subprocess.run([*command, "-o", str(made)], check=True, capture_output=True, text=True)
            made.replace(library)
    except (OSError, subprocess.CalledProcessError) as fault:
        said = (getattr(fault, "stderr", "") or str(fault)).strip().splitlines()
        raise Unavailable(
            f"{command[0]} could not compile the delta rule into {library.parent}: "
            f"{said[0] if said else fault}; unset DELTA_MEM_SCAN_IMPL to do without"
        ) from fault
