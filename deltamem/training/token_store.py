"""Tokens of episodes, made once and kept: one file per content, read by the piece.

    runs/.tokens/5f1c….safetensors

The name is a hash of everything that decides the tokens: the episodes, the tokenizer with its
template, the lengths, and the code that renders. The file holds a digest of what is in it and
appears by one rename. Of two processes that start at once the second waits for the first.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from inspect import getsource
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from deltamem.backbone.rendering import chat_template, rendering, spans
from deltamem.training import collate
from deltamem.training.alone import locked
from deltamem.training.collate import EncodedEpisode, check_read_length
from deltamem.training.episodes import Episode, Episodes, episodes_sha
from deltamem_base import sentences
from deltamem_base.faults import InvalidInput
from deltamem_base.whole_files import folder_beside, sync

__all__ = ["tokenise"]

TOKENS = ("write_ids", "segments", "prompt_ids", "answer_ids")
"""Columns of int32, of all episodes one after the other."""
ENDS = ("writes", "asks", "prompts", "answers")
"""Columns of int64: where each episode's tokens and asks, each ask's prompt and answer end."""
CODE = (chat_template, sentences, spans, rendering, collate)
"""Modules that make tokens of episodes."""
BLOCK = 1 << 22
"""Numbers that are hashed at once."""

Columns = Mapping[str, Any]
"""Arrays by name, or parts of a file that are read where they are sliced."""


def tokenise(
    episodes: Sequence[Episode],
    folder: Path,
    *,
    encode: Callable[[Episode], EncodedEpisode],
    depends_on: Mapping[str, object],
    read_length: int,
    on_note: Callable[[str], None] = lambda note: None,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> Episodes[EncodedEpisode]:
    """The episodes as tokens: from ``folder`` if they are there, else made and kept there.

    Args:
        episodes: as text.
        folder: of all kept tokens.
        encode: makes the tokens of one.
        depends_on: everything but the text that decides what ``encode`` makes.
        read_length: tokens of prompt and answer at most.
        on_note: told of a damaged file, and of one that cannot be written.
        on_episode: told how many of how many are done.

    Raises:
        InvalidInput: a prompt with its answer is longer than ``read_length``, or the chat template
            refuses or rewrites an episode; names the first, and how many there are.
    """
    path = folder / f"{_key(episodes, depends_on)}.safetensors"
    columns: Columns | None = None
    try:
        with locked(path.with_suffix(".lock"), wait=True):
            columns = _open(path, on_note)
            if columns is None:
                columns = _encode_all(episodes, encode, on_episode)
                _save(columns, path)
                columns = _open(path, on_note) or columns
    except (OSError, SafetensorError) as fault:
        on_note(f"the tokens cannot be kept in {folder} ({fault}); the next run makes them anew")
        columns = columns or _encode_all(episodes, encode, on_episode)
    stored = _TokenisedEpisodes([episode.id for episode in episodes], columns)
    check_read_length(stored.read_lengths(), read_length)
    return stored


class _TokenisedEpisodes:
    """Episodes cut out of columns when they are asked for."""

    def __init__(self, names: Sequence[str], columns: Columns) -> None:
        self.names, self.columns = names, columns
        self.ends = {name: np.concatenate([[0], columns[name][:]]) for name in ENDS}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> EncodedEpisode:
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        segments = self._cut("segments", "writes", index) if "segments" in self.columns else None
        first, end = self.ends["asks"][index : index + 2]
        return EncodedEpisode(
            id=self.names[index],
            write_ids=self._cut("write_ids", "writes", index),
            segments=segments,
            asks=[
                (self._cut("prompt_ids", "prompts", ask), self._cut("answer_ids", "answers", ask))
                for ask in range(first, end)
            ],
        )

    def read_lengths(self) -> Iterator[tuple[str, int]]:
        """Id of the episode, and tokens of prompt and answer, by ask."""
        lengths = np.diff(self.ends["prompts"]) + np.diff(self.ends["answers"])
        owners = np.repeat(np.arange(len(self.names)), np.diff(self.ends["asks"]))
        yield from zip((self.names[i] for i in owners.tolist()), lengths.tolist(), strict=True)

    def _cut(self, column: str, ends: str, index: int) -> list[int]:
        start, end = (int(at) for at in self.ends[ends][index : index + 2])
        # an empty column of a file gives no range of itself
        return list(self.columns[column][start:end].tolist()) if end > start else []


def _key(episodes: Sequence[Episode], depends_on: Mapping[str, object]) -> str:
    """Hash of everything that decides the tokens; the code among it, so that none is ever stale."""
    code = [hashlib.sha256(getsource(m).encode()).hexdigest() for m in CODE]
    content = [episodes_sha(episodes), dict(depends_on), code, version("tokenizers")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _encode_all(
    episodes: Sequence[Episode],
    encode: Callable[[Episode], EncodedEpisode],
    on_episode: Callable[[int, int], None],
) -> dict[str, object]:
    tokens = {name: array("i") for name in TOKENS}
    ends = {name: array("q") for name in ENDS}
    segmented = True
    faults: list[str] = []
    for number, episode in enumerate(episodes, 1):
        try:
            made = encode(episode)
        except InvalidInput as fault:
            faults.append(str(fault))
            continue
        segmented = made.segments is not None
        tokens["write_ids"].extend(made.write_ids)
        tokens["segments"].extend(made.segments or ())
        ends["writes"].append(len(tokens["write_ids"]))
        for prompt, answer in made.asks:
            tokens["prompt_ids"].extend(prompt)
            tokens["answer_ids"].extend(answer)
            ends["prompts"].append(len(tokens["prompt_ids"]))
            ends["answers"].append(len(tokens["answer_ids"]))
        ends["asks"].append(len(ends["prompts"]))
        on_episode(number, len(episodes))
    if faults:
        more = f" (and {len(faults) - 1} more episodes)" if len(faults) > 1 else ""
        raise InvalidInput(f"{faults[0]}{more}")
    if not segmented:
        del tokens["segments"]
    return {
        **{name: np.frombuffer(column, dtype=np.int32) for name, column in tokens.items()},
        **{name: np.frombuffer(column, dtype=np.int64) for name, column in ends.items()},
    }


def _save(columns: Columns, path: Path) -> None:
    # safetensors leaves more beside a file when it is killed
    with folder_beside(path) as folder:
        part = folder / path.name
        save_file(dict(columns), part, metadata={"sha256": _digest(columns)})
        sync(part)
        part.replace(path)


def _open(path: Path, on_note: Callable[[str], None]) -> Columns | None:
    """The columns of a file, still in it; None if it is not there or not what was written."""
    if not path.is_file():
        return None
    try:
        file = safe_open(path, framework="np")
        columns = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        whole = (file.metadata() or {}).get("sha256") == _digest(columns)
        fault = "its digest is another"
    except (OSError, SafetensorError, ValueError) as broken:
        whole, fault = False, str(broken)
    if whole:
        return columns
    on_note(f"{path} is damaged and is made anew ({fault})")
    return None


def _digest(columns: Columns) -> str:
    """sha256 over names and numbers, a block at a time."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        column = columns[name]
        digest.update(name.encode())
        length = column.get_shape()[0] if hasattr(column, "get_shape") else len(column)
        for start in range(0, length, BLOCK):
            digest.update(column[start : min(start + BLOCK, length)].tobytes())
    return digest.hexdigest()
