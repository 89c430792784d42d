"""Make a library of one C++ file: compiled on first use, kept between runs.

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

from deltamem_base.faults import CannotWrite, Unavailable, first_line
from deltamem_base.own_files import is_sealed, own_folder, seal
from deltamem_base.user_cache import user_cache
from deltamem_base.whole_files import why

__all__ = ["can_load", "compiler", "load_library"]

FLAGS = (
    "-std=c++17 -O3 -shared -fPIC -pthread -funroll-loops "
    # sums of a vector's lanes in any order; NaN and infinity stay what they are
    "-fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math"
).split()
WIDE_VECTORS = {"AVX2": ["-mavx2", "-mfma"], "AVX512": ["-mavx2", "-mfma"]}
"""Flags by torch's word for this CPU. Not ``-march=native``: a cache may be shared by machines."""
WITHOUT = "unset DELTA_MEM_SCAN_IMPL to do without"


def compiler() -> str | None:
    """The C++ compiler that is used here: ``$CXX``, c++, g++ or clang++; None without any."""
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@functools.cache
def load_library(source: Path) -> ctypes.CDLL:
    """Compile ``source`` unless that was done before, and load it.

    The library lies in a folder of this user's in ``$TORCH_EXTENSIONS_DIR`` or in
    ``~/.cache/deltamem``; its name holds a hash of the text, the flags and the compiler. One that
    somebody else may have written, or that is not whole, is never loaded but built anew.

    Raises:
        Unavailable: there is no compiler, it fails, or there is no folder that is this user's.
    """
    found = compiler()
    if found is None:
        raise Unavailable(
            "the compiled form of the delta rule needs a C++ compiler and there is none on PATH: "
            f"apt install g++ (or set CXX), or {WITHOUT}"
        )
    command = [found, *FLAGS, *WIDE_VECTORS.get(torch.backends.cpu.get_cpu_capability(), [])]
    key = hashlib.sha256(source.read_bytes() + " ".join(command).encode()).hexdigest()[:16]
    library = _folder() / f"{source.stem}_{key}.so"
    if not is_sealed(library):
        _compile([*command, str(source)], library)
    try:
        return ctypes.CDLL(str(library))
    except OSError as fault:  # a file system from which nothing may be run
        raise Unavailable(
            f"the compiled delta rule cannot be loaded ({first_line(fault)}): set "
            f"TORCH_EXTENSIONS_DIR to another folder, or {WITHOUT}"
        ) from fault


@functools.cache
def can_load(source: Path) -> bool:
    """Whether :func:`load_library` gives a library here; the answer holds for the process."""
    try:
        load_library(source)
    except Unavailable:
        return False
    return True


def _folder() -> Path:
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or user_cache())
    try:
        return own_folder(root)
    except OSError as fault:
        raise Unavailable(
            f"the compiled delta rule cannot be kept in {root} ({why(fault)}): set "
            f"TORCH_EXTENSIONS_DIR to another folder, or {WITHOUT}"
        ) from fault


def _compile(command: list[str], library: Path) -> None:
    """Compile beside the place and rename, so that no process ever sees half a library."""
    try:
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            subprocess.run([*command, "-o", str(made)], check=True, capture_output=True, text=True)
            made.chmod(0o700)
            made.replace(library)
        seal(library)
    except (OSError, CannotWrite, subprocess.CalledProcessError) as fault:
        said = first_line(getattr(fault, "stderr", "").strip() or fault)
        raise Unavailable(
            f"{command[0]} could not compile the delta rule into {library.parent}: "
            f"{said}; {WITHOUT}"
        ) from fault
