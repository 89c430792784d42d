"""The checkers of IFEval, as lm-eval ships them: the one place that touches that library.

Importing them makes nltk look for its sentence splitter's data and download it where it is
missing; so the data is looked for first, and nothing is imported without it.

Verdicts depend on no chance. A checker is built once for both modes, so that what it draws for want
of a value is one and the same, and seeded; so is the detector of languages. Where a prompt asks for
a character that is no letter, '#' or '!' in two prompts of the release, lm-eval and Google's own
code count a letter drawn at random in its place: here it is that character.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from deltamem_base.assets.catalogue import PUNKT
from deltamem_base.faults import InvalidData, Unavailable
from deltamem_evaluations.data.datafile import cache_folder

__all__ = ["Checkers", "Verdicts", "load_checkers"]

PACKAGES = ("lm_eval", "langdetect", "immutabledict", "nltk")
SPLITTER = "tokenizers/punkt_tab"
"""Data that lm-eval looks for, and would download; a zip file is not enough for it."""
ENGLISH = f"{SPLITTER}/english/"
PUNKT_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
PROBE = "One sentence. And another one."
SEED = 0
STAND_IN = "x"
"""Letter by which a character that is none is counted."""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Whether each instruction of a prompt was followed, in order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]
    """Followed as it stands, or without the first or last line, or without asterisks."""


@dataclass(frozen=True, kw_only=True)
class _Instruction:
    """A checker that knows what it checks."""

    checker: Any
    sign: str | None = None
    """A character that is no letter, counted in place of the checker's ``STAND_IN``."""

    def follows(self, text: str) -> bool:
        """An empty text follows nothing."""
        if not text.strip():
            return False
        if self.sign is not None:
            text = text.lower().replace(STAND_IN, "").replace(self.sign.lower(), STAND_IN)
        return bool(self.checker.check_following(text))


@dataclass(frozen=True, kw_only=True)
class Checkers:
    """lm-eval's functions, ready to use."""

    registry: Mapping[str, Callable[[str], Any]]
    """Class of the checker by instruction."""
    languages: Sequence[str]
    """Codes of the languages that can be asked for."""
    identity: Mapping[str, str]
    """Everything that decides verdicts: versions, and a hash of the sentence splitter's data."""

    def verify(
        self, where: str, instructions: Sequence[str], values: Sequence[Mapping[str, object]]
    ) -> int:
        """Make sure that the checkers can be told what they check, before anything is answered.

        Args:
            where: the row, for the message.
            instructions: ids.
            values: keyword arguments of each, without nulls.

        Returns:
            How many instructions lack a value that can be checked; their checkers draw one.

        Raises:
            InvalidData: an instruction that does not exist, or a value that it does not take.
        """
        drawing = 0
        for name, kwargs in zip(instructions, values, strict=True):
            if name not in self.registry:
                raise InvalidData(
                    f"{where}: the instruction '{name}' does not exist; there are "
                    f"{', '.join(self.registry)}"
                )
            wanted = self.registry[name](name).get_instruction_args_keys()
            for key in kwargs:
                if key not in wanted:
                    raise InvalidData(
                        f"{where}: '{name}' does not take '{key}', only "
                        f"{', '.join(wanted) or 'nothing'}; are 'kwargs' in the order of "
                        "'instruction_id_list'?"
                    )
            drawing += self._draws(where, name, kwargs)
        return drawing

    def grade(
        self,
        response: str,
        *,
        instructions: Sequence[str],
        values: Sequence[Mapping[str, object]],
    ) -> Verdicts:
        """Check one response.

        Args:
            response: as it was generated.
            instructions: ids.
            values: keyword arguments of each.
        """
        loosened = _loosened(response)
        with _seeded():
            built = [
                self._build(name, kwargs) for name, kwargs in zip(instructions, values, strict=True)
            ]
            return Verdicts(
                strict=tuple(one.follows(response) for one in built),
                loose=tuple(any(map(one.follows, loosened)) for one in built),
            )

    def _build(self, name: str, kwargs: Mapping[str, Any]) -> _Instruction:
        checker, letter = self.registry[name](name), kwargs.get("letter")
        if not _is_sign(letter):
            checker.build_description(**kwargs)
            return _Instruction(checker=checker)
        checker.build_description(**{**kwargs, "letter": STAND_IN})
        return _Instruction(checker=checker, sign=letter)

    def _draws(self, where: str, name: str, kwargs: Mapping[str, object]) -> bool:
        """Build an instruction and try it, as for an answer; whether it had to draw a value."""
        with _seeded():
            before = random.getstate()
            try:
                built = self._build(name, kwargs)
                drew = random.getstate() != before
                built.follows(PROBE)
            # checkers refuse a value, or fail at it, in whatever way their code happens to
            except Exception as fault:
                given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
                raise InvalidData(
                    f"{where}: '{name}' does not take {given or 'no value'}: {self._why(fault)}"
                ) from fault
        return drew

    def _why(self, fault: Exception) -> str:
        # languages are all that checkers look up
        if isinstance(fault, KeyError):
            return f"the languages are {', '.join(self.languages)}"
        return str(fault)


def load_checkers() -> Checkers:
    """Import the checkers, without any download.

    Raises:
        Unavailable: a package, or the data of nltk's sentence splitter, is not installed.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise Unavailable(
            f"IFEval's checkers need {', '.join(missing)}: pip install 'deltamem[ifeval]'"
        )
    digest = _punkt_digest()
    import langdetect
    from lm_eval.tasks.ifeval import instructions_registry, instructions_util

    langdetect.DetectorFactory.seed = SEED
    try:
        instructions_util.count_sentences(PROBE)
        instructions_util.nltk.word_tokenize(PROBE)
    except (LookupError, OSError) as fault:
        raise Unavailable(_no_punkt("cannot be read")) from fault
    return Checkers(
        registry=dict(instructions_registry.INSTRUCTION_DICT),
        languages=tuple(instructions_util.LANGUAGE_CODES),
        identity={
            "lm_eval": version("lm_eval"),
            "langdetect": f"{version('langdetect')}, seed {SEED}",
            "punkt_tab": digest,
        },
    )


def _punkt_digest() -> str:
    """Hash of the sentence splitter's files, which also are looked for where ours are."""
    import nltk

    named = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    for folder in (*filter(None, named), str(cache_folder() / "nltk_data"), str(PUNKT.place)):
        if folder not in nltk.data.path:
            nltk.data.path.append(folder)
    digest = hashlib.sha256()
    try:
        nltk.data.find(SPLITTER)
        folder = nltk.data.find(ENGLISH)
        for name in PUNKT_FILES:
            with folder.join(name).open() as file:
                digest.update(file.read())
    except (LookupError, OSError) as fault:
        raise Unavailable(_no_punkt("is not on this machine")) from fault
    return digest.hexdigest()[:16]


def _no_punkt(what: str) -> str:
    return (
        f"IFEval counts sentences with nltk's punkt_tab, which {what}: run `{PUNKT.command}`, or "
        f"set NLTK_DATA to a folder that holds {ENGLISH}, unpacked"
    )


def _is_sign(letter: object) -> bool:
    """One character that no checker counts as a letter."""
    return isinstance(letter, str) and len(letter) == 1 and not "a" <= letter.lower() <= "z"


def _loosened(response: str) -> list[str]:
    """A response without its first line, its last or both, and each without asterisks."""
    lines = response.split("\n")
    parts = ("\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1]))
    whole = [response, *parts]
    return [*whole, *(part.replace("*", "") for part in whole)]


@contextmanager
def _seeded() -> Iterator[None]:
    """Checkers that lack a value draw one; the generator that others use is left alone."""
    state = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)
