"""The README.md of an adapter folder, as the hub expects it: front matter, then sections by title.

``deltamem train`` writes it; ``deltamem push`` fills in what only publishing knows, by replacing
whole sections (:func:`with_section`), so that what somebody wrote by hand in others stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

    from deltamem.backbone.backbone import Backbone
    from deltamem.layers.memory_layers import MemoryLayers

__all__ = [
    "EMBEDDED",
    "LOADING",
    "how_to_load",
    "loading_call",
    "model_card",
    "stated_sha",
    "with_section",
]

LOADING = "Loading"
EMBEDDED = "tiny"
"""The backbone that is no repository of the hub and no folder of a user's."""
HUB_DATA = re.compile(r"([\w.-]+/[\w.-]+), ")
"""Beginning of the facts of data from the hub: its id, then the split."""
STATED = re.compile(r"^\| adapter weights \(sha256\) \| (\w+) \|$", re.MULTILINE)
BAR = r"\|"
"""A bar that ends no column."""
ASSIGNED = "backbone = "
"""Beginning of the line that holds a loading call."""
COLUMNS = 100
"""Characters in a line of Python at most: what ``ruff format`` leaves as it is."""
TEMPLATE = """---
{{ card_data }}
---

# δ-mem adapter for {{ name }}

An online memory ([arXiv 2605.12357](https://arxiv.org/abs/2605.12357)) for the frozen backbone
`{{ name }}`{{ where }}.
Every layer with a memory reads a small state before each token, lets what it read steer its
attention, and then writes to the state, so that the model can answer from a history that it no
longer sees.

{{ shape }}
## Training

{{ training }}
## Loading

Add the `model=` of the command above, where it has one.

{{ loading }}
## Limits

{{ limits }}"""
"""The card of an adapter; each part that is filled in ends with its last line."""


def model_card(memory: MemoryLayers, backbone: Backbone, *, facts: Mapping[str, object]) -> str:
    """Markdown with hub front matter: what it is, how it was made, how to load it, its limits.

    ``base_model`` is named where the backbone is a repository of the hub, at one commit.
    """
    from huggingface_hub import ModelCard

    name, revision = backbone.origin["name"] or "", backbone.revision
    where = f" at revision `{revision}`" if revision else ""
    where = ", which ships with deltamem" if name == EMBEDDED else where
    call = loading_call(
        name, revision=revision, switches=backbone.template_kwargs, **_file(backbone)
    )
    card = ModelCard.from_template(
        _metadata(backbone, facts),
        template_str=TEMPLATE,
        name=name,
        where=where,
        shape=_table(_shape(memory, backbone)),
        training=_table(facts),
        loading=how_to_load("FOLDER", model=(), evaluations=(("context=none",),), call=call),
        limits=_limits(memory, facts),
    )
    return str(card)


def stated_sha(card: str) -> str | None:
    """The sha256 of the adapter's weights that a card states; None where it states none."""
    found = STATED.search(card)
    return found.group(1) if found else None


def loading_call(
    name: str,
    *,
    revision: str | None,
    switches: Mapping[str, object],
    id: str | None = None,
    gguf_file: str | None = None,
) -> str:
    """The Python call that loads a backbone, with a line for each argument where it is long.

    Args:
        name: of the backbone; the embedded one has no hub id.
        revision: its commit on the hub; None for a folder.
        switches: of its chat template.
        id: repository of a GGUF file that it was dequantised from.
        gguf_file: name of that file.
    """
    if name == EMBEDDED:
        return "load_tiny()"
    place = id or name
    words = [f'"{place}"' if revision else f'"FOLDER OF {name}"']
    words += [f'revision="{revision}"'] if revision else []
    words += [f'gguf_file="{gguf_file}"'] if gguf_file else []
    words += [f'name="{name}"'] if name != place else []
    words += [f"template_kwargs={_switches(switches)}"] if switches else []
    call = f"load_backbone({', '.join(words)})"
    if len(ASSIGNED + call) <= COLUMNS:
        return call
    return "load_backbone(\n" + "".join(f"    {word},\n" for word in words) + ")"


def _switches(switches: Mapping[str, object]) -> str:
    """Switches of a chat template as Python, with the quotation marks that a formatter leaves."""
    told = (
        f"{_quoted(name)}: {_quoted(value) if isinstance(value, str) else repr(value)}"
        for name, value in switches.items()
    )
    return f"{{{', '.join(told)}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def how_to_load(
    adapter: str, *, model: Sequence[str], evaluations: Iterable[Sequence[str]], call: str
) -> str:
    """The lines that use an adapter, at the command line and in Python.

    Args:
        adapter: a folder, or ``OWNER/NAME[@REVISION]``.
        model: words of ``deltamem`` that name its backbone.
        evaluations: further words of ``deltamem eval``, a line for each.
        call: see :func:`loading_call`.
    """
    named = [*model, f"adapter={adapter}"]
    lines = [" ".join(["deltamem eval", *named, *words]) for words in evaluations]
    lines.append(" ".join(["deltamem chat", *named, "context=none"]))
    commands = "\n".join(lines)
    return f"""```
{commands}
```

In Python, a conversation in which only the memory knows what was said before:

```python
from deltamem import adapter_folder, load_adapter, {call.partition("(")[0]}
from deltamem.conversation.conversation import Conversation
from deltamem_evaluations.sample import Decoding

{ASSIGNED}{call}
memory = load_adapter(adapter_folder("{adapter}"), backbone)
talk = Conversation(backbone, memory, decoding=Decoding(max_new_tokens=64), context="none")
talk.say("Anna is in Paris.")
print(talk.say("Where is Anna today?").text)
```
"""


def with_section(text: str, title: str, body: str, *, before: str | None = None) -> str:
    """A card with the section ``title`` replaced, or added where it has none.

    Args:
        text: of the card.
        title: of a section of the second level.
        body: Markdown.
        before: title of the section that a new one comes before; else it comes last.
    """
    section = f"## {title}\n\n{body.strip()}\n"
    found = _section(text, title)
    after = _section(text, before) if before is not None else None
    if found is not None:
        start, end = found.span()
    else:
        start = end = after.start() if after is not None else len(text)
    head, tail = text[:start].rstrip("\n"), text[end:]
    return f"{head}\n\n{section}" + (f"\n{tail}" if tail else "")


def _section(text: str, title: str) -> re.Match[str] | None:
    pattern = rf"^## {re.escape(title)}[ \t]*$.*?(?=^## |\Z)"
    return re.search(pattern, text, re.MULTILINE | re.DOTALL)


def _file(backbone: Backbone) -> dict[str, str]:
    """The arguments of :func:`loading_call` that name a backbone's GGUF file."""
    file = backbone.file
    return {} if file is None else {"id": file.id, "gguf_file": file.name}


def _metadata(backbone: Backbone, facts: Mapping[str, object]) -> ModelCardData:
    """Metadata for the hub; a backbone that is no repository there is not named."""
    from huggingface_hub import ModelCardData

    on_hub = backbone.revision is not None
    data_set = HUB_DATA.match(str(facts.get("data", "")))
    return ModelCardData(
        base_model=(backbone.file.id if backbone.file else backbone.name) if on_hub else None,
        base_model_relation="adapter" if on_hub else None,
        datasets=[data_set.group(1)] if data_set else None,
        library_name="deltamem",
        pipeline_tag="text-generation",
        tags=["delta-mem", "memory"],
    )


def _shape(memory: MemoryLayers, backbone: Backbone) -> dict[str, object]:
    """Shape and identity of an adapter and its backbone."""
    config, placement = memory.config, memory.placement
    unit = config.writer.granularity.removesuffix("_mean")
    mean = ", by the mean of its hidden vectors" if unit != config.writer.granularity else ""
    return {
        "backbone weights (fingerprint)": backbone.fingerprint,
        "adapter weights (sha256)": memory.sha,
        "trained numbers": f"{memory.trained_parameters:,}",
        "writes": f"once per {unit}{mean}",
        "state": f"{config.writer.num_states} × {config.rank} × {config.rank} numbers per layer",
        "steers": f"{', '.join(config.heads)} (scale {config.alpha:g} / {config.rank})",
        "layers": placement["layers"],
    }


def _limits(memory: MemoryLayers, facts: Mapping[str, object]) -> str:
    seed = f" (seed {facts['seed']})" if "seed" in facts else ""
    limits = (
        "It works with this backbone only: loading checks the fingerprint. It is no LoRA and no "
        "PEFT adapter, and cannot be merged into the weights of the backbone.",
        f"The state has {memory.zeros(1).nbytes:,} bytes however long the history is, so that what "
        "is written later can blur what was written before.",
        f"It comes from a single training run{seed}: how much another one would differ is not "
        "known.",
        "What was not measured here is not known, other languages and tasks included.",
    )
    return "".join(f"- {sentence}\n" for sentence in limits)


def _table(facts: Mapping[str, object]) -> str:
    known = {name: str(value) for name, value in facts.items() if value is not None}
    rows = "".join(f"| {name} | {value.replace('|', BAR)} |\n" for name, value in known.items())
    return f"| | |\n|---|---|\n{rows}"
