"""Whatever of a history does not reach the model is in the rows, the record and the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from test_memory_agent_bench import parquet, row_of

DOCUMENTS = "\n".join(f"Document {i}: River {i} runs through town {i * i}." for i in range(600))
LOST = "what was looked up did not fit in view for 2 of 2 samples: of those, on average "


def evaluated(cli: Callable[..., Any], *words: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    row = row_of("ruler_qa1_197K", context=DOCUMENTS)
    parquet([row], Path("mab/data/Accurate_Retrieval-00000-of-00001.parquet"))
    bench = ("bench=memory_agent_bench", "bench.path=mab", "bench.sources=[ruler_qa1_197K]")
    done = cli("eval", "model=tiny", *bench, *words, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    lines = Path(record["path"]).with_name("samples.jsonl").read_text().splitlines()
    return record, [json.loads(line) for line in lines]


def test_units_that_do_not_fit(cli: Callable[..., Any]) -> None:
    """Ten chunks of 512 tokens are looked up, and the tiny model attends to 2,048 tokens."""
    record, rows = evaluated(cli, "method=bm25_rag")
    assert [row["recalled_units"] + row["dropped_units"] for row in rows] == [10, 10]
    assert all(row["dropped_units"] >= 6 for row in rows)
    assert [(row["cut_side"], row["cut_tokens"]) for row in rows] == [(None, 0)] * 2
    dropped = mean(row["dropped_units"] for row in rows)
    sentence = f"{LOST}{dropped:,.1f} of 10.0 units were dropped"
    assert sentence in record["deviations"]
    report = cli("report", "runs")
    assert report.code == 0, report.err
    assert sentence in report.out


def test_tokens_that_do_not_fit(cli: Callable[..., Any]) -> None:
    record, rows = evaluated(cli, "method=frozen", "context=visible")
    for row in rows:
        assert (row["recalled_units"], row["dropped_units"]) == (None, None)
        assert row["cut_side"] == "start"
        assert row["cut_tokens"] == row["original_tokens"] - row["shown_tokens"] > 0
    cut, whole = rows[0]["cut_tokens"], rows[0]["original_tokens"]
    assert (
        "the history did not fit in view for 2 of 2 samples: of those, on average "
        f"{cut:,} of {whole:,} tokens were cut"
    ) in record["deviations"]


def test_nothing_is_said_where_all_is_shown(cli: Callable[..., Any]) -> None:
    done = cli("eval", "method=bm25_rag", "bench.dialogues=1", "bench.facts=[4]", "--json")
    record = json.loads(done.out)
    assert not any("fit in view" in sentence for sentence in record["deviations"])
