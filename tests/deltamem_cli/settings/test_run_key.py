"""What a run's key holds: every setting but a short list, and content in place of names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from fnmatch import fnmatch
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import leaves
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.run_key import deciding_settings, planned_key, run_key

GROUPS = {
    "eval": ("model", "writer", "method", "bench", "context", "control", "runtime"),
    "train": ("model", "writer", "steer", "method", "training", "runtime", "tracker"),
}
NEEDED = {
    "training=jsonl": ["training.data.path=episodes.jsonl"],
    "model=hf": ["model.id=some/model"],
}
TRAINED = ("delta_mem", "context2lora", "memgen", "mlp_memory")
CASES = [
    (verb, group, option)
    for verb, groups in GROUPS.items()
    for group in groups
    for option in options(group)
    if verb == "eval" or group != "method" or option in TRAINED
]
SILENT = {
    "both": [
        *("runs_dir", "results_dir", "tracker", "tracker.*", "runtime.batch_size"),
        *("*.device", "*.dtype", "*.attention", "method.natural_context"),
        *("model.id", "model.gguf_file", "model.memory_layers"),
        *("model.adapters", "model.adapters.*", "model.architecture.*"),
        *("method.family", "method.state", "method.instead_of_weights"),
    ],
    "eval": [
        *("adapter", "bench.path", "bench.templates", "bench.entities"),
        *("bench.excluding", "bench.judge_path", "judge.*"),
        *("method.compressor", "method.embedder", "method.learner.*", "writer.*"),
    ],
    "train": ["adapter", "training.data.path", "writer.*", "steer.*"],
}
"""Settings that do not decide a key: where things go, how many at once, what only describes, and
what has its content, its numerics or its weights in the key instead."""
TSW_SCORE = 0.875
"""As seen: 7 of 8 questions, with the shipped adapter."""
TSW = ["context=none", "bench.dialogues=1", "bench.facts=[1]"]


def other(value: Any) -> Any:
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, "more"]
    return "x" if value is None else f"{value}x"


def keys_of(tree: Mapping[str, Any], verb: str) -> dict[str, bool]:
    """By the name of every setting: whether the key stays when it alone changes."""
    whole = run_key(deciding_settings(tree, verb), "data")
    found = {}
    for name, value in leaves(tree):
        changed = deepcopy(tree)
        *above, last = name.split(".")
        node = reduce(getitem, above, changed)
        node[last] = other(value)
        found[name] = run_key(deciding_settings(changed, verb), "data") == whole
    return found


@pytest.mark.parametrize(("verb", "group", "option"), CASES, ids=str)
def test_every_setting_is_in_the_key_but_for_a_short_list(
    verb: str, group: str, option: str
) -> None:
    (composed,) = compose_each(verb, [[f"{group}={option}", *NEEDED.get(f"{group}={option}", [])]])
    tree = composed.tree
    learner = "method.learner" if not tree["method"]["needs_adapter"] else "memory"
    for name, same in keys_of(tree, verb).items():
        if verb == "train" and name.startswith(("method.", "memory.")):
            patterns = [] if name.startswith((f"{learner}.", "method.needs_adapter")) else ["*"]
        else:
            patterns = [*SILENT["both"], *SILENT[verb]]
        assert same is any(fnmatch(name, pattern) for pattern in patterns), name


def test_a_name_does_not_decide_a_key_and_content_does(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for name, text in (("a.json", "one"), ("here/b.json", "one"), ("c.json", "two")):
        (tmp_path / name).write_text(text)
    words = [[f"bench.path={tmp_path / name}"] for name in ("a.json", "here/b.json", "c.json")]
    configs = [c.tree for c in compose_each("eval", [["bench=locomo", *w] for w in words])]
    first, moved, changed = (planned_key(config, "eval") for config in configs)
    assert first == moved != changed
    settings = [deciding_settings(config, "eval") for config in configs]
    keys = {run_key(own, "data", {"model": n, "x": 1}) for n, own in enumerate(settings)}
    assert len(keys) == 1
    assert run_key(settings[0], "data", {"x": 2}) not in keys


def evaluated(cli: Callable[..., Any], *words: str) -> dict[str, Any]:
    done = cli("eval", "-q", "--json", *TSW, *words)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def lines_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    samples = Path(record["path"]).with_name("samples.jsonl")
    return [json.loads(line) for line in samples.read_text().splitlines()]


def test_answers_of_other_numbers_are_not_kept(cli: Callable[..., Any]) -> None:
    """Asked again in bfloat16, a run of float32 answers anew, and each says what it was."""
    usual, named = evaluated(cli), evaluated(cli, "runtime=cpu")
    halved = evaluated(cli, "runtime.dtype=bfloat16")
    assert usual["cell"] == named["cell"] != halved["cell"]
    for record, dtype in ((usual, "float32"), (halved, "bfloat16")):
        assert record["provenance"]["backbone"]["model_dtype"] == [dtype]
        origins = [line["origin"] for line in lines_of(record)]
        assert {o["numerics"]["model_dtype"] for o in origins} == {dtype}
        versions = record["provenance"]["environment"]["versions"]
        assert all(
            {name: [v] for name, v in o["environment"]["versions"].items()} == versions
            for o in origins
        )


@pytest.mark.parametrize(
    ("words", "control"),
    [
        (["control.writes=foreign"], "foreign"),
        (["control.state=zero"], "zero"),
        (["control=zero", "control.writes=foreign"], "foreign+zero"),
        (["control=zero", "control.state=kept"], "none"),
    ],
    ids=str,
)
def test_a_control_given_by_its_parts_is_that_control(
    words: list[str], control: str, cli: Callable[..., Any]
) -> None:
    data = ["bench.dialogues=2", "bench.facts=[2]"]
    controlled, plain = evaluated(cli, *data, *words), evaluated(cli, *data)
    assert (controlled["control"], plain["control"]) == (control, "none")
    assert (controlled["cell"] == plain["cell"]) is (control == "none")
    assert plain["metrics"]["em"]["mean"] == TSW_SCORE
    if control in options("control"):
        assert evaluated(cli, *data, f"control={control}")["cell"] == controlled["cell"]
    else:
        shown = cli("inspect", str(Path(controlled["path"]).parent), "-q")
        assert shown.code == 0, shown.err


def test_a_local_model_is_itself_wherever_it_lies(cli: Callable[..., Any]) -> None:
    from deltamem.backbone.loading.load import tiny_folder

    ours = [*TSW, "method=frozen", "model=hf", "--limit", "1"]
    for place in ("a", "b"):
        shutil.copytree(tiny_folder(), place, ignore=shutil.ignore_patterns("adapters"))
    names = ["a", str(Path("b").resolve())]
    records = [evaluated(cli, *ours, f"model.id={name}") for name in names]
    assert records[0]["cell"] == records[1]["cell"]
    assert str(Path.cwd()) not in json.dumps({**records[1], "path": ""})


@pytest.mark.parametrize("recipe", ["qasper_8192", "chat"])
def test_questions_that_are_not_joined_leave_the_key_of_earlier_runs(recipe: str) -> None:
    words = [f"training={recipe}"]
    apart, joined = compose_each("train", [words, [*words, "training.data.together=16"]])
    assert apart.tree["training"]["data"]["together"] == 1
    assert "training.data.together" not in deciding_settings(apart.tree, "train")
    assert deciding_settings(joined.tree, "train")["training.data.together"] == 16


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (("method=frozen",), False),
        (("method=delta_mem", "adapter=OWNER/NAME"), False),
        (("method=delta_mem",), True),
    ],
)
def test_a_released_adapter_counts_in_a_plan_where_it_may_be_taken(
    words: tuple[str, ...], counts: bool, tmp_path: Path
) -> None:
    (tmp_path / "one").write_text("weights", encoding="utf-8")
    adapters = ("/here/facts-ssw", "/there/facts-ssw", str(tmp_path / "one"))
    asked = [("model=smollm2-135m", *words, f"model.adapters.ssw={name}") for name in adapters]
    here, there, shipped = (planned_key(one.tree, "eval") for one in compose_each("eval", asked))
    assert here == there
    assert (here != shipped) is counts
