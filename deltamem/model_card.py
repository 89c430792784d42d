"""The README.md of an adapter folder, as the hub expects it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltamem.adapter import DeltaMemory
    from deltamem.backbone import Backbone

__all__ = ["model_card"]


def model_card(memory: DeltaMemory, backbone: Backbone, *, facts: Mapping[str, Any]) -> str:
    """Markdown with hub front matter: what it is, how it was made, how to load it."""
    config = memory.config
    revision = f" at revision `{backbone.revision}`" if backbone.revision else ""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""---
base_model: {backbone.name}
base_model_relation: adapter
library_name: deltamem
pipeline_tag: text-generation
tags:
- delta-mem
- memory
---

# δ-mem adapter for {backbone.name}

An online memory (arXiv 2605.12357) for the frozen backbone `{backbone.name}`{revision}. Per
attention layer it keeps {config.writer.num_states} state(s) of {config.rank} × {config.rank}
numbers, written by `{config.writer.granularity}`, steering the projections
{", ".join(config.heads)}. {memory.trained_parameters:,} numbers were trained. It cannot be merged
into the backbone.

| | |
|---|---|
| backbone weights (fingerprint) | {backbone.fingerprint} |
| adapter weights (sha256) | {memory.sha} |
{rows}

Load it with `deltamem eval adapter=FOLDER`, or in Python:

```python
from deltamem import load_adapter, {_loading(backbone).partition("(")[0]}

backbone = {_loading(backbone)}
memory = load_adapter(FOLDER, backbone)
with memory.attach(backbone.model):
    ...
```
"""


def _loading(backbone: Backbone) -> str:
    """The call that loads this backbone: the embedded one has no hub id."""
    name = backbone.name
    return "load_tiny()" if name == "tiny" else f'load_backbone("{name}")'
