"""The checkers of IFEval, as lm-eval ships them: the one place that touches that library.

Importing them makes nltk look for its sentence splitter's data and download it where it is
missing; so the data is looked for first, and nothing is imported without it. The detector of
languages draws random numbers and is seeded.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from evaluations.datafile import cache_folder
from evaluations.errors import DataUnavailable, InvalidData

__all__ = ["Checkers", "Verdicts", "load_checkers"]

PACKAGES = ("lm_eval", "langdetect", "immutabledict", "nltk")
PUNKT = "tokenizers/punkt_tab"
"""What lm-eval looks for, and would download; a zip file is not enough for it."""
ENGLISH = f"{PUNKT}/english/"
PUNKT_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
PROBE = "One sentence. And another one."
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """For each instruction of a prompt, in order: was it followed?"""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]
    """Also where it is only without the first or last line, or without asterisks."""


@dataclass(frozen=True, kw_only=True)
class Checkers:
    """lm-eval's functions, ready to use."""

    registry: Mapping[str, Any]
    """Class of the checker by instruction."""
    process: Any
    """lm-eval's ``process_results``."""
    identity: Mapping[str, str]
    """What decides verdicts: versions, and a hash of the sentence splitter's data."""

    def verify(self, where: str, instructions: Sequence[Any], values: Sequence[Any]) -> int:
        """Make sure that the checkers can be told what they check, before anything is answered.

        Args:
            where: the row, for the message.
            instructions: ids.
            values: keyword arguments of each, without nulls.

        Returns:
            How many instructions lack a value, for which a checker then draws one.

        Raises:
            InvalidData: an instruction that does not exist, or a value that it does not take.
        """
        lacking = 0
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
            lacking += not all(kwargs.get(key) for key in wanted)
        return lacking

    def grade(
        self,
        response: str,
        *,
        prompt: str,
        instructions: Sequence[str],
        values: Sequence[Mapping[str, Any]],
    ) -> Verdicts:
        """Check one response.

        Args:
            response: as it was generated.
            prompt: as the data has it, not stripped.
            instructions: ids.
            values: keyword arguments of each.
        """
        doc = {
            "key": 0,
            "prompt": prompt,
            "instruction_id_list": list(instructions),
            "kwargs": [dict(kwargs) for kwargs in values],
        }
        with _seeded():
            results = self.process(doc, [response])
        return Verdicts(
            strict=tuple(map(bool, results["inst_level_strict_acc"])),
            loose=tuple(map(bool, results["inst_level_loose_acc"])),
        )


def load_checkers() -> Checkers:
    """Import the checkers, without any download.

    Raises:
        DataUnavailable: a package, or the data of nltk's sentence splitter, is not installed.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise DataUnavailable(
            f"IFEval's checkers need {', '.join(missing)}: pip install 'deltamem[ifeval]'"
        )
    digest = _punkt_digest()
    import langdetect
    from lm_eval.tasks.ifeval import instructions_registry, instructions_util, utils

    langdetect.DetectorFactory.seed = SEED
    try:
        instructions_util.count_sentences(PROBE)
        instructions_util.nltk.word_tokenize(PROBE)
    except (LookupError, OSError) as fault:
        raise DataUnavailable(_no_punkt("cannot be read")) from fault
    return Checkers(
        registry=dict(instructions_registry.INSTRUCTION_DICT),
        process=utils.process_results,
        identity={
            "lm_eval": version("lm_eval"),
            "langdetect": f"{version('langdetect')}, seed {SEED}",
            "punkt_tab": digest,
        },
    )


def _punkt_digest() -> str:
    """Hash of the sentence splitter's files, which also are looked for in our data folder."""
    import nltk

    named = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    for folder in (*filter(None, named), str(cache_folder() / "nltk_data")):
        if folder not in nltk.data.path:
            nltk.data.path.append(folder)
    digest = hashlib.sha256()
    try:
        nltk.data.find(PUNKT)
        folder = nltk.data.find(ENGLISH)
        for name in PUNKT_FILES:
            with folder.join(name).open() as file:
                digest.update(file.read())
    except (LookupError, OSError) as fault:
        raise DataUnavailable(_no_punkt("is not on this machine")) from fault
    return digest.hexdigest()[:16]


def _no_punkt(what: str) -> str:
    return (
        f"IFEval counts sentences with nltk's punkt_tab, which {what}: run `python -m "
        "nltk.downloader punkt_tab` where there is a network, and set NLTK_DATA to a folder that "
        f"holds {ENGLISH}, unpacked"
    )


@contextmanager
def _seeded() -> Iterator[None]:
    """Checkers that lack a value draw one; the generator that others use is left alone."""
    state = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)
