"""Write ``docs/reference/``, every setting and verb, from the code: ``python docs/generate.py``."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from deltamem_base.plugins import named_object
from deltamem_base.ranges import field_types, range_of
from deltamem_cli.app import app
from deltamem_cli.settings.groups import about, groups, options
from deltamem_cli.settings.instantiate import OF_NO_CLASS, UNSEEN
from deltamem_cli.settings.paths import config_folder

__all__ = ["FOLDER", "pages"]

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- written by `python docs/generate.py` from the code: edit that, not this page -->"
TARGET = "_target_"
NO_SETTINGS = (TARGET, "defaults", "hydra")
WITHOUT_TABLE = ("experiment", "scale")
"""Groups whose files are tables of runs, not settings."""
PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", NoneType: "null"}
ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {6,}\S.*)*)", re.MULTILINE)
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
ROLE = re.compile(r":\w+:`~?([^`]+)`|``([^`]+)``")
WIDTH = 92


@dataclass(frozen=True, kw_only=True)
class Written:
    """A value of a yaml as it is written there, with the comment beside it."""

    text: str
    comment: str


Tree = dict[str, "Tree | Written"]


def pages() -> dict[str, str]:
    """Every page of the reference: its name and its whole text."""
    found = {f"{group}.md": _page_of_group(group) for group in groups()}
    commands = [path.stem for path in sorted(config_folder().glob("*.yaml")) if path.stem != "run"]
    found["commands.md"] = _page(
        "Settings of the commands",
        "The settings of each command, beside the options of its [groups](README.md).",
        [_section(_command(name), config_folder() / f"{name}.yaml", "") for name in commands],
    )
    found["verbs.md"] = _page("Verbs", "What `deltamem VERB --help` says.", list(_helps()))
    rows = [f"- [`{group}=`]({group}.md): {', '.join(options(group))}" for group in groups()]
    intro = (
        "[Verbs](verbs.md) and the [settings of commands](commands.md) have pages of their own."
        " `GROUP=OPTION` chooses an option of a group, `GROUP.SETTING=VALUE` sets what is in it:"
    )
    found["README.md"] = _page("Reference", intro, ["\n".join(rows)])
    return found


def _page(title: str, intro: str, sections: Sequence[str]) -> str:
    return "\n\n".join([f"# {title}", MADE, intro, *sections]) + "\n"


def _command(name: str) -> str:
    """The command that a primary config is of: the name that its second line begins with."""
    second = (config_folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
    own = second.removeprefix("# ").partition(" ")[0]
    return own if own.startswith("deltamem-") else f"deltamem {name}"


def _page_of_group(group: str) -> str:
    sections = []
    for name in options(group):
        path = config_folder() / group / f"{name}.yaml"
        if group in WITHOUT_TABLE:
            sections.append(f"## {group}={name}\n\n{about(group, name)}")
        else:
            sections.append(_section(f"{group}={name}", path, f"{group}."))
    return _page(f"{group}=", f"`{group}=` has {len(options(group))} options.", sections)


def _section(title: str, path: Path, prefix: str) -> str:
    tree = _read(path)
    sentence = path.read_text(encoding="utf-8").splitlines()[0].partition("#")[2].strip()
    rows = list(_rows(tree, prefix))
    head = "| setting | default | values | |\n|---|---|---|---|\n"
    return f"## {title}\n\n{sentence}" + ("\n\n" + head + "\n".join(rows) if rows else "")


def _read(path: Path) -> Tree:
    """The settings of a yaml over those of the files that it stands on."""
    text = path.read_text(encoding="utf-8")
    root, lines, tree = yaml.compose(text), text.splitlines(), Tree()
    if not isinstance(root, yaml.MappingNode):
        return tree
    for base in yaml.safe_load(text).get("defaults", []):
        written = base if isinstance(base, str) else "=".join(map(str, *base.items()))
        below, place = _stands_on(written, path)
        if below.exists() and below.stem != "run":
            _lay_over(tree, {place: _read(below)} if place else _read(below))
    _lay_over(tree, _tree_of(root, lines))
    return tree


def _stands_on(base: str, path: Path) -> tuple[Path, str]:
    """The file that an entry of ``defaults`` names, and where its settings go."""
    name, _, place = base.partition("@")
    place, _, option = place.partition("=")
    if not place:
        return path.parent / f"{name}.yaml", ""
    return config_folder() / f"{name.lstrip('/')}{f'/{option}' if option else ''}.yaml", place


def _tree_of(node: yaml.MappingNode, lines: Sequence[str]) -> Tree:
    tree = Tree()
    for key, value in node.value:
        if key.value == "defaults" or key.value == "hydra":
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            tree[key.value] = _tree_of(value, lines)
            continue
        block = not getattr(value, "flow_style", True)
        line = lines[key.start_mark.line if block else value.start_mark.line]
        comment = re.search(r"\s# (.*)", line)
        written = " ".join(_source(value, lines).split())
        tree[key.value] = Written(text=written, comment=comment[1] if comment else "")
    return tree


def _source(node: yaml.Node, lines: Sequence[str]) -> str:
    start, end = node.start_mark, node.end_mark
    if not getattr(node, "flow_style", True):
        return "[" + ", ".join(_source(item, lines) for item in node.value) + "]"
    held = list(lines[start.line : end.line + 1])
    held[-1] = held[-1][: end.column]
    held[0] = held[0][start.column :]
    return "\n".join(held)


def _lay_over(tree: Tree, other: Tree) -> None:
    for key, value in other.items():
        below = tree.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            _lay_over(below, value)
        elif isinstance(value, Written) and isinstance(below, Written):
            tree[key] = Written(text=value.text, comment=value.comment or below.comment)
        else:
            tree[key] = dict(value) if isinstance(value, dict) else value


def _rows(tree: Tree, prefix: str) -> Iterator[str]:
    target = tree.get(TARGET)
    made = named_object(target.text) if isinstance(target, Written) else None
    kinds: Mapping[str, Any] = field_types(made) if made is not None else {}
    said = _sentences(made) if made is not None else {}
    for key, value in tree.items():
        whole = f"{prefix}{key}"
        unseen = key in UNSEEN.get(prefix.rstrip("."), ())
        if isinstance(value, dict) and (not unseen or TARGET in value):
            yield from _rows(value, f"{whole}.")
        elif isinstance(value, Written) and key not in NO_SETTINGS and not unseen:
            kind = kinds.get(key, OF_NO_CLASS.get(whole))
            values = "" if kind is None else _words(kind)
            sentence = _sentence(value.comment or said.get(key, ""))
            cells = (f"`{whole}`", _default(value.text), values, sentence)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(text: str) -> str:
    if text == "???":
        return "must be given"
    if "${" not in text:
        return f"`{text}`"
    plain = REFERENCE.fullmatch(text)
    return f"that of `{plain[1]}`" if plain else "follows other settings"


def _sentence(text: str) -> str:
    return ROLE.sub(lambda found: f"`{found[1] or found[2]}`", text).strip().removesuffix(".")


def _words(kind: Any) -> str:
    """The values that a type allows, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = range_of(kind)
        if inner[0] is str:
            return limits
        if get_origin(inner[0]) is not None:  # the range repeats that of what the list holds
            limits = limits.partition(" values")[0] + " values"
        return f"{_words(inner[0])}, {limits}" if limits else _words(inner[0])
    if origin in (Union, UnionType):
        named = sorted(inner, key=lambda one: one is not NoneType)
        return ", or ".join(_words(one) for one in named)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if kind in PLAIN:
        return PLAIN[kind]
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "mapping"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"list, each {_words(inner[0])}"
    return getattr(kind, "__name__", "value")


def _sentences(made: Callable[..., Any]) -> dict[str, str]:
    """What docstrings say of each argument or field."""
    found: dict[str, str] = {}
    parts = list(reversed(made.__mro__)) if inspect.isclass(made) else [made]
    for part in parts:
        if not part.__module__.startswith("deltamem"):
            continue
        for text in (part.__doc__, getattr(part.__init__, "__doc__", "") if part in parts else ""):
            arguments = (text or "").partition("Args:\n")[2]
            block = textwrap.dedent(arguments.partition("\n\n")[0])
            found |= {
                name: " ".join(words.split())
                for name, words in ARGUMENT.findall(textwrap.indent(block, "    "))
            }
        if inspect.isclass(part):
            found |= dict(_documented_fields(part))
    return found


def _documented_fields(part: type) -> Iterator[tuple[str, str]]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(text.value.value).split())


def _helps() -> Iterator[str]:
    import typer

    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        context = command.context_class(
            command, info_name=f"deltamem {name}", terminal_width=WIDTH, max_content_width=WIDTH
        )
        yield f"## {name}\n\n```text\n{command.get_help(context)}\n```"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for stale in set(FOLDER.glob("*.md")) - {FOLDER / name for name in made}:
        stale.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
