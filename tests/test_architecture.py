"""The arrows between packages, and the habits that keep the tree readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = (
    "deltamem_base",
    "deltamem",
    "deltamem_baselines",
    "deltamem_evaluations",
    "deltamem_cli",
)
ALLOWED = {
    "deltamem_base": {"deltamem_base"},
    "deltamem": {"deltamem", "deltamem_base"},
    "deltamem_evaluations": {"deltamem_evaluations", "deltamem_base"},
    "deltamem_baselines": {
        "deltamem_baselines",
        "deltamem.backbone",
        "deltamem.training",
        "deltamem_base",
    },
    "deltamem_cli": set(PACKAGES),
}
FORBIDDEN_ANYWHERE = {"hydra", "omegaconf", "typer", "rich"}
"""Only the command line may know these."""
ROOMS = (
    "state",
    "delta_rule",
    "backbone",
    "writers",
    "layers",
    "attachment",
    "adapter",
    "parity",
    "memory",
    "method",
    "conversation",
    "training",
    "pretraining",
    "tiny",
)
"""Rooms of ``deltamem``, from the ground up."""
LONGEST_FILE = 300
MOST_ARGUMENTS = 12
VAGUE = re.compile(
    r"utils|helpers|common|misc|impl|compat|experimental|official|manager|(^|_)new(_|$)"
)

MOST_MODULES = 20
"""Modules in one folder, those in folders below it left out."""
LONGEST_FUNCTION = 40
LEANING = re.compile(r"(Of|What|Whose|That of)\b")
"""How a sentence begins that cannot be read without the name above it."""

MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of_files() -> dict[str, set[str]]:
    """Module -> modules of ours that its file imports at its top, for types alone included."""
    known = {module_of(path): path for path in MODULES}
    return {
        name: set(top_imports(ast.parse(path.read_text(encoding="utf-8")).body, known)) - {name}
        for name, path in known.items()
    }


def top_imports(body: list[ast.stmt], known: Mapping[str, Path]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from top_imports([*node.body, *node.orelse], known)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found = below if below in known else node.module
                yield from [found] if found in known else []


def circle_of(arrows: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as fault:
        return list(fault.args[1])
    return []


def test_no_circle_of_imports() -> None:
    assert circle_of({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert circle_of(imports_of_files()) == []


def test_rooms_of_the_mechanism_are_in_order() -> None:
    """Each room of ``deltamem`` imports only those that stand before it."""
    place = {room: number for number, room in enumerate(ROOMS)}
    for module, others in imports_of_files().items():
        for other in others:
            if module.startswith("deltamem.") and other.startswith("deltamem."):
                here, there = (name.split(".")[1] for name in (module, other))
                assert place[there] <= place[here], f"{module} imports {other}"


def config_names() -> set[str]:
    """Names of benchmarks, methods and writers: files of their config groups."""
    groups = ("bench", "method", "writer")
    return {p.stem for group in groups for p in (ROOT / "conf" / group).glob("*.yaml")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_arrows(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
        top = module.partition(".")[0]
        if top in PACKAGES:
            allowed = ALLOWED[package]
            assert any(module == a or module.startswith(f"{a}.") for a in allowed), module
        if package != "deltamem_cli":
            assert top not in FORBIDDEN_ANYWHERE, module


ABOVE = {"verbs": {"app"}, "experiments": {"verbs"}, "demo": {"verbs"}, "app": {"__main__"}}
"""Room of the command line -> the rooms beside it that may import it; all may import the others."""


@pytest.mark.parametrize("path", sorted((ROOT / "deltamem_cli").rglob("*.py")), ids=name_of)
def test_rooms_of_the_command_line(path: Path) -> None:
    """A verb calls what runs; nothing that runs calls a verb."""
    room = path.relative_to(ROOT / "deltamem_cli").parts[0].removesuffix(".py")
    for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
        top, _, rest = module.partition(".")
        below = rest.partition(".")[0]
        if top == "deltamem_cli" and below in ABOVE:
            assert room == below or room in ABOVE[below], module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_settings_know_hydra(path: Path) -> None:
    if (ROOT / "deltamem_cli" / "settings") in path.parents:
        return
    for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
        assert module.partition(".")[0] not in ("hydra", "omegaconf"), module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_size_names_and_docstrings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    assert not VAGUE.search(path.stem)
    tree = ast.parse(text)
    assert path.name == "__init__.py" or ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert len([a for a in arguments if a.arg != "self"]) <= MOST_ARGUMENTS, node.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_names_are_listed_and_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    defined = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    if path.name in ("__main__.py", "app.py") or (path.name == "__init__.py" and not listed):
        return
    assert listed, "no __all__"
    for name in listed[0]:
        if name in defined:
            assert ast.get_docstring(defined[name]), name
    for function in ast.walk(tree):
        if isinstance(function, ast.ClassDef) and function.name in listed[0]:
            for method in function.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    assert ast.get_docstring(method), f"{function.name}.{method.name}"


def summaries(tree: ast.AST) -> Iterator[str]:
    """First lines of all docstrings: of modules, classes, functions, and of what is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield (ast.get_docstring(node) or "").partition("\n")[0]
            for above, below in pairwise(node.body):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(above, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Constant):
                    yield str(text.value).partition("\n")[0]


def leaning(path: Path) -> list[str]:
    """Summaries that lean on the name above them."""
    return [s for s in summaries(ast.parse(path.read_text(encoding="utf-8"))) if LEANING.match(s)]


def long_functions(path: Path) -> list[str]:
    """Functions whose body, its docstring aside, is over the limit."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and (body[-1].end_lineno or 0) - body[0].lineno >= LONGEST_FUNCTION:
                found.append(node.name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_summaries_stand_without_the_name_above_them(path: Path) -> None:
    assert leaning(path) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    assert long_functions(path) == []


def test_no_folder_is_flat() -> None:
    verbs = ROOT / "deltamem_cli" / "verbs"  # a file each, in the one list of `deltamem --help`
    for folder in {path.parent for path in MODULES} - {verbs}:
        assert len(list(folder.glob("*.py"))) <= MOST_MODULES + 1, folder  # and its __init__


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_comparison_with_a_name_of_the_registry(path: Path) -> None:
    """A benchmark, method or writer is chosen by its yaml, never by an `if` on its name."""
    names = config_names()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            constants = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant)]
            assert not names & {c for c in constants if isinstance(c, str)}, ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_prints_but_the_console(path: Path) -> None:
    if path.name == "console.py":
        return
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "print" not in calls


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_has_a_time_limit(path: Path) -> None:
    """A slow machine is no fault: no limit for a process, none for an example, none by a clock."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            limits = [k.value for k in node.keywords if k.arg in ("timeout", "deadline")]
            assert all(ast.unparse(value) == "None" for value in limits), ast.unparse(node)
            assert getattr(node.func, "attr", "") != "alarm", ast.unparse(node)


def test_nothing_runs_code_from_files() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pickle\.loads?\(|trust_remote_code=True|weights_only=False", text)
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call


def test_no_path_of_one_machine() -> None:
    for folder in (*PACKAGES, "conf", "results", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".json", ".md"):
                text = path.read_text(encoding="utf-8")
                assert str(ROOT) not in text, path
                assert "../shared" not in text, path
