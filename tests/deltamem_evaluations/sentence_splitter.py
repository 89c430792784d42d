"""The sentence splitter's data by hand, as it may be where the trained one cannot be had."""

from __future__ import annotations

from pathlib import Path

ABBREVIATIONS = "mr mrs ms dr prof st jr sr vs etc e.g i.e u.s inc ltd co no"


def write_splitter(folder: Path) -> Path:
    """A folder for ``NLTK_DATA``."""
    english = folder / "tokenizers" / "punkt_tab" / "english"
    english.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "ortho_context.tab"):
        (english / name).write_text("")
    (english / "abbrev_types.txt").write_text("\n".join(ABBREVIATIONS.split()))
    return folder
