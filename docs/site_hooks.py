"""Pages of the repository that stand outside of ``docs/``, for the site that MkDocs builds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[1]
RESULTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("results/*/README.md", "results/*/figures/*.svg")
    for path in ROOT.glob(pattern)
)
OUTSIDE = ("CONTRIBUTING.md", "SECURITY.md", "examples/memory_in_ten_minutes.ipynb", *RESULTS)
LINK = re.compile(r"\]\((?:\.\./)+(" + "|".join(map(re.escape, OUTSIDE)) + r")")


def on_files(files: Any, config: Any) -> Any:
    """Put the pages beside those of ``docs/``."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=f"{config.docs_dir}/../{name}"))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links that leave ``docs/`` to where the pages now stand."""
    up = "../" * page.file.src_uri.count("/")
    if page.file.src_uri in OUTSIDE:
        return markdown.replace("](docs/", "](")
    return LINK.sub(lambda found: f"]({up}{found[1]}", markdown)
