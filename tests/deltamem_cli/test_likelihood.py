"""``likelihood=true``: the weight of the right answer, from the command line to a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL

RECALL = ["bench.dialogues=2", "bench.facts=[1,2]", "method=delta_mem", "context=none"]


def test_from_the_command_line(cli: Callable[..., Any]) -> None:
    """The state of another dialogue makes the right answer more surprising."""
    made = {}
    for control in ("none", "foreign"):
        done = cli("eval", "-q", "--json", *RECALL, "likelihood=true", f"control={control}")
        assert done.code == 0, done.err
        made[control] = json.loads(done.out)
    assert made["none"]["metrics"][REFERENCE_NLL]["mean"] < 1
    folders = [str(Path(made[control]["path"]).parent) for control in ("none", "foreign")]
    compared = cli("compare", *folders)
    assert compared.code == 0, compared.err
    assert "nats a token of the first reference; lower is better" in compared.out
    rows = json.loads(cli("compare", *folders, "--json").out)["rows"]
    row = next(r for r in rows if (r["metric"], r["group"]) == (REFERENCE_NLL, "all"))
    assert row["effect"] > row["ci95"][0] > 0
    without = json.loads(cli("eval", "-q", "--json", *RECALL).out)
    assert set(without["metrics"]) == {"em"}
    assert without["metrics"]["em"] == made["none"]["metrics"]["em"]
