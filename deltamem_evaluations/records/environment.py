"""The process that makes a number: its code, its packages, its machine, its memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deltamem_evaluations.quantities import Count

__all__ = [
    "Commit",
    "Environment",
    "core_count",
    "device_name",
    "environment",
    "git_commit",
    "peak_memory_mb",
    "reset_peak_memory",
    "timestamp",
    "versions",
]

PACKAGES = (
    "deltamem",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "nltk",
    "datasets",
    "lm_eval",
    "langdetect",
)
"""Packages that a number may depend on."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """State of the checkout that this code lies in; None outside of one."""

    git_commit: str | None = None
    git_dirty: bool | None = None
    """Whether the checkout had changes."""


@dataclass(frozen=True, kw_only=True)
class Environment(Commit):
    """One process: its packages, its machine and its code."""

    versions: dict[str, str]
    """Package -> its version."""
    python: str
    platform: str
    """Operating system and processor."""
    device: str | None
    """GPU in use, else the processor; None where the system does not tell."""
    cores: Count | None = None
    """Cores of the processor that the process might use; None where the system does not tell."""


def timestamp() -> str:
    """Now, in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> Environment:
    """This process, for the answers that it makes."""
    return Environment(
        versions=versions(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device_name(),
        cores=core_count(),
        **asdict(git_commit()),
    )


def versions() -> dict[str, str]:
    """Versions of the packages that a number may depend on, as far as they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_name() -> str | None:
    """The GPU that is in use, else the processor; None where the system does not tell."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None)


def core_count() -> int | None:
    """Cores that this process may use; None where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@lru_cache(maxsize=1)
def git_commit() -> Commit:
    """The commit of this code, and whether it was changed since."""
    folder = Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return Commit()
    return Commit(git_commit=commit, git_dirty=dirty)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def reset_peak_memory() -> None:
    """Begin to measure a run's memory on the GPU; a process's own peak cannot be reset."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_mb() -> float:
    """Largest memory in MB: on the GPU during this run, else resident in this process so far."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return float(torch.cuda.max_memory_allocated()) / 2**20
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (2**20 if sys.platform == "darwin" else 2**10)
