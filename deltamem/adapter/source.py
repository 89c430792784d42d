"""The place of an adapter: a folder, or a repository of the hub at one commit."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from deltamem.backbone.loading.hub import from_cache_or_hub
from deltamem_base.downloads import say_download
from deltamem_base.faults import Unavailable
from deltamem_base.hub import hub_faults, not_fetched
from deltamem_base.quiet import quiet_hub

__all__ = ["HUB_COMMIT", "HUB_ID", "adapter_folder", "pinned_source"]

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""``OWNER/NAME``."""
HUB_COMMIT = re.compile(HUB_ID.pattern + "@[0-9a-f]{40}")
"""``OWNER/NAME@COMMIT``."""
FILES = ("delta_mem_config.json", "delta_mem_adapter.*", "baseline.*", "README.md")


def adapter_folder(name: str) -> Path:
    """The folder of an adapter that was named by a folder or as ``owner/name[@revision]``.

    A repository is taken from the hub's cache on this machine, else fetched; nothing in it is run.

    Raises:
        Unavailable: no such folder, and no repository that is here or can be fetched.
    """
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    repository, _, revision = name.partition("@")
    if not HUB_ID.fullmatch(repository):
        raise Unavailable(
            f"there is no adapter folder {name}; name a folder, or a repository of the hub as "
            "adapter=OWNER/NAME@REVISION"
        )
    from huggingface_hub import snapshot_download

    def load(*, local_files_only: bool) -> str:
        if not local_files_only:
            say_download(f"the adapter {name}", source="the hub")
        return snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(FILES),
            local_files_only=local_files_only,
        )

    explain = partial(_explain, name)
    with quiet_hub():
        return Path(from_cache_or_hub(load, repository, explain=explain, faults=hub_faults()))


def pinned_source(name: str, folder: Path) -> str:
    """``OWNER/NAME@COMMIT`` of a repository that lies in ``folder``; of a folder its own path.

    Args:
        name: what :func:`adapter_folder` was given.
        folder: what it returned; the hub's cache names snapshots by their commits.
    """
    if Path(name).expanduser().is_dir():
        return str(folder)
    return f"{name.partition('@')[0]}@{folder.name}"


def _explain(name: str, fault: Exception, why: str) -> Exception:
    return not_fetched(
        f"the adapter {name}",
        why,
        remedy=f"run `hf download {name.partition('@')[0]}` where there is a network, or name a "
        "folder with adapter=FOLDER",
    )
