"""Every path, every dotted name and every link that the documents hold leads somewhere."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

AT_THE_TOP = (
    "CONTRIBUTING.md",
    "README.md",
    "deltamem_baselines/README.md",
    "benchmarks/README.md",
)
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = (*AT_THE_TOP, "SECURITY.md", *GUIDES)
PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
"""What a program printed: files of the reader's stand there."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PACKAGES = "deltamem_base|deltamem_cli|deltamem_baselines|deltamem_evaluations|deltamem"
PATH = re.compile(rf"(?<![\w./:-])(?:{PACKAGES}|conf|tests|results|benchmarks)/[\w./-]*")
NAME = re.compile(rf"(?<![\w./-])(?:{PACKAGES})(?:\.\w+)+")
PLACEHOLDER = re.compile(r"\b(NAME|VERB)\b|_(NAME|VERB)\b")
PAGE = re.compile(r"(?<![\w/-])[\w./-]+\.md\b")
PLUGINS = "deltamem.plugins"
"""A group of entry points, which is no module."""
OF_THE_HUB = {"README.md"}
"""Pages of an adapter's folder, which the hub shows as its card."""


def paths(text: str) -> set[str]:
    found = {match.group().rstrip("./-") for match in PATH.finditer(PRINTED.sub("", text))}
    return {path for path in found if not PLACEHOLDER.search(path)}


def resolve(name: str) -> Any:
    """The module, or what a module holds, of this dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise AttributeError(name)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_exists(document: str) -> None:
    found = paths((ROOT / document).read_text(encoding="utf-8"))
    assert found or document not in AT_THE_TOP
    assert {path for path in found if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_dotted_name_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for name in {match.group() for match in NAME.finditer(text)}:
        if not name.endswith((".py", ".md")) and name != PLUGINS:
            resolve(name)


def anchors(page: Path) -> set[str]:
    """The ids that headings have on GitHub, and in MkDocs."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(document: Path) -> list[str]:
    dead = []
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        if link.startswith("https://"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    assert dead_links(ROOT / document) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two` (three)\n[a](#one-two-three) [b](#four) [c](gone.md)", "utf-8")
    assert dead_links(page) == ["#four", "gone.md"]


def test_no_module_cites_a_page_that_is_not_here() -> None:
    pages = {path.name for path in ROOT.glob("**/*.md") if ".venv" not in path.parts}
    for folder in PACKAGES.split("|"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    cited = PAGE.findall(ast.get_docstring(node) or "")
                    assert {page.rpartition("/")[2] for page in cited} <= pages | OF_THE_HUB, path
