"""Upload files to a repository of the hub, in one commit: nobody ever sees half an adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem.adapter.source import HUB_ID
from deltamem_base.excerpts import in_a_line
from deltamem_base.faults import Fault, InvalidInput, Unavailable, first_line
from deltamem_base.hub import LOG_IN, hub_answers, hub_faults, why_unreachable
from deltamem_base.quiet import quiet_hub

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Published", "check_repository", "publish"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """The content of a repository after an upload."""

    commit: str
    url: str
    """Address of the files at that commit."""
    changed: bool
    """False: it held the same files before, and there is no new commit."""
    notes: tuple[str, ...] = ()
    """Remarks of the hub on the card."""


def check_repository(name: str) -> None:
    """Refuse what is no ``OWNER/NAME`` of the hub.

    Raises:
        InvalidInput: with the hub's own rule that it breaks.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    rule = "a repository is named OWNER/NAME"
    try:
        validate_repo_id(name)
        fits = HUB_ID.fullmatch(name) is not None
    except HFValidationError as fault:
        fits, rule = False, first_line(fault)
    if not fits:
        raise InvalidInput(f"'{name}' is not a name for a repository of the hub: {rule}")


def publish(
    files: Mapping[str, Path | bytes],
    repository: str,
    *,
    message: str,
    branch: str | None = None,
    private: bool = False,
) -> Published:
    """Upload ``files`` in one commit; the repository and the branch are made where they lack.

    Args:
        files: name in the repository -> file, or its content.
        repository: ``OWNER/NAME``.
        message: of the commit.
        branch: None is the main one.
        private: make a new repository private.

    Raises:
        InvalidInput: no name of a repository, a card that the hub refuses, or ``private`` where
            there is a public repository.
        Unavailable: no token, no network, or a token without the right to write there.
        Fault: anything else that the hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token

    check_repository(repository)
    token = get_token()
    if token is None:
        raise Unavailable(f"no access token of the hub was found: {LOG_IN}")
    if not hub_answers():
        raise Unavailable(f"{constants.ENDPOINT} cannot be reached: {why_unreachable()}")
    api = HfApi(endpoint=constants.ENDPOINT, token=token, library_name="deltamem")
    with _one_sentence(repository), quiet_hub() as notes:
        api.create_repo(repository, private=private or None, exist_ok=True)
        _check_private(api, repository, wanted=private)
        if branch is not None:
            api.create_branch(repository, branch=branch, exist_ok=True)
        before = api.model_info(repository, revision=branch).sha
        done = api.create_commit(
            repository,
            [CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=message,
            revision=branch,
        )
        _check_whole(api, repository, done.oid, names=files)
    return Published(
        commit=done.oid,
        url=f"{constants.ENDPOINT}/{repository}/tree/{done.oid}",
        changed=done.oid != before,
        notes=tuple(map(in_a_line, notes)),
    )


def _check_private(api: HfApi, repository: str, *, wanted: bool) -> None:
    if wanted and not api.model_info(repository).private:
        raise InvalidInput(
            f"{repository} exists already and is public: make it private in its "
            "settings on the hub, or name another one"
        )


def _check_whole(api: HfApi, repository: str, commit: str, *, names: Iterable[str]) -> None:
    """A .gitignore of the repository keeps files out of a commit without a word."""
    lacking = sorted(set(names) - set(api.list_repo_files(repository, revision=commit)))
    if lacking:
        raise Fault(
            f"commit {commit} of {repository} lacks {lacking[0]}: the repository's "
            ".gitignore excludes it"
        )


@contextmanager
def _one_sentence(repository: str) -> Iterator[None]:
    """Turn what the hub raises into errors of ours; none of them holds the token."""
    faults = hub_faults()
    try:
        yield
    except Fault:
        raise
    except faults as fault:
        raise _explain(repository, fault) from fault


def _explain(repository: str, fault: Exception) -> Fault:
    response = getattr(fault, "response", None)
    reason = in_a_line(getattr(fault, "server_message", None) or str(fault) or repr(fault))
    if response is None:
        if isinstance(fault, ValueError):
            return InvalidInput(f"{repository} was not changed: {reason}")
        return Unavailable(
            f"the connection to the hub broke off ({reason}): run the same command "
            "again; files that have arrived are not sent twice"
        )
    if response.status_code == 401:
        return Unavailable(f"the hub does not accept this token: {LOG_IN}")
    if response.status_code == 403:
        return Unavailable(
            f"this token may not write to {repository} ({reason}): make a token with "
            f"write access, then {LOG_IN}"
        )
    return Fault(f"the hub refused {repository} ({response.status_code}): {reason}")
