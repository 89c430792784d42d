"""Every path, name, link and ``make`` target in the documents exists, and a site is built."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment
from conftest import ROOT

AT_THE_TOP = (
    "CONTRIBUTING.md",
    "README.md",
    "deltamem_baselines/README.md",
    "benchmarks/README.md",
)
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = (*AT_THE_TOP, "CHANGELOG.md", "SECURITY.md", *GUIDES)
PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
"""What a program printed: files of the reader's stand there."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PACKAGES = "deltamem_base|deltamem_cli|deltamem_baselines|deltamem_evaluations|deltamem"
FOLDERS = f"{PACKAGES}|adapters|benchmarks|conf|docs|examples|results|tests"
PATH = re.compile(rf"(?<![\w./:-])(?:{FOLDERS})/[\w./-]*")
NAME = re.compile(rf"(?<![\w./-])(?:{PACKAGES})(?:\.\w+)+")
PLACEHOLDER = re.compile(r"\b(NAME|VERB)\b|_(NAME|VERB)\b")
PAGE = re.compile(r"(?<![\w/-])[\w./-]+\.md\b")
PLUGINS = "deltamem.plugins"
"""A group of entry points, which is no module."""
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"^`?make ([a-z-]+)", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
TREE = re.compile(r"^```\n(deltamem_base/.*?)^```$", re.MULTILINE | re.DOTALL)
"""The list of packages and their folders in CONTRIBUTING."""
FOLDER = re.compile(r"(?<!\S)(\w+)/(?!\S)")
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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = {target for code in CODE.findall(text) for target in MADE.findall(code)}
    assert found <= set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    assert document != "README.md" or {"demo", "test", "laptop"} <= found


def folders_in_the_tree() -> set[str]:
    """``PACKAGE/FOLDER`` of all folders that CONTRIBUTING names; indented lines go on with one."""
    (tree,) = TREE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    package, found = "", set()
    for line in tree.splitlines():
        names = FOLDER.findall(line)
        if not line.startswith(" "):
            package, *names = names
        found |= {f"{package}/{name}" for name in names}
    return found


def test_every_folder_of_a_package_is_in_the_tree() -> None:
    methods = {f"deltamem_baselines/{path.stem}" for path in (ROOT / "conf" / "method").iterdir()}
    folders = {
        f"{package}/{path.name}"
        for package in PACKAGES.split("|")
        for path in (ROOT / package).iterdir()
        if path.is_dir() and any(file.name != "__pycache__" for file in path.iterdir())
    }
    assert folders - methods == folders_in_the_tree()


def test_a_site_is_made_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="MkDocs is not installed: pip install 'deltamem[docs]'")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = child_environment(NO_MKDOCS_2_WARNING="1")
    done = subprocess.run(
        call, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "quickstart" / "index.html").is_file()


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
