"""What a configuration can say comes back from its folder; whatever else a file says is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem import (
    DeltaMemConfig,
    DeltaMemory,
    Fault,
    InvalidInput,
    load_adapter,
    save_adapter,
    save_published_adapter,
)
from deltamem.adapter.authors_format import AuthorsKeys
from deltamem.adapter.files import stored_config, stores_writer
from deltamem.adapter.stored_config import CONFIG, Keys, config_keys, read_stored
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter, Writer
from deltamem.writers.stored import stored_writer, writer_of
from deltamem_base.faults import InvalidData

OTHER = {
    "rank": 5,
    "alpha": 3.5,
    "writer": SegmentWriter(unit="sentence", num_states=2),
    "heads": ("k", "v"),
    "layers": (1, 3),
    "beta_bias_init": -0.5,
    "own_retention": True,
    "update": "lambda_outside",
    "rowwise_gates": False,
    "normalize_qk": False,
    "init": "random",
    "init_gain": 0.25,
    "state_dtype": "bfloat16",
}
"""A value for every field of a configuration, none of them the default."""


@dataclass(frozen=True, kw_only=True)
class EveryNth(TokenWriter):
    """A writer from outside of the package, with fields of every kind that can be stored."""

    name: ClassVar[str] = "every_nth"
    every: int = 2
    share: float = 0.5
    label: str = "é\u2028"
    marks: tuple[int, ...] = ()
    ends: str | None = None


def folder_of(keys: dict[str, Any], path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / CONFIG).write_text(json.dumps(keys))
    return path


@pytest.mark.parametrize("name", [field.name for field in fields(DeltaMemConfig)])
def test_every_field_survives(name: str, tiny: Any, tmp_path: Path) -> None:
    """A new field of the configuration has no entry above, and fails here."""
    config = DeltaMemConfig(**{name: OTHER[name]})
    assert getattr(config, name) != getattr(DeltaMemConfig(), name)
    memory = DeltaMemory(config, tiny.model).initialise(tiny.model, seed=0)
    save_adapter(memory, tmp_path, backbone=tiny)
    loaded = load_adapter(tmp_path, tiny)
    assert loaded.config == config
    assert loaded.sha == memory.sha
    assert {w.device for w in loaded.parameters()} == {w.device for w in memory.parameters()}


def packaged() -> list[Writer]:
    """The writers of the yaml files, and of every unit."""
    made: list[Writer] = [SegmentWriter(unit="sentence"), MultiStateWriter(num_states=1)]
    for path in sorted((ROOT / "conf" / "writer").glob("*.yaml")):
        node = yaml.safe_load(path.read_text(encoding="utf-8"))
        module, _, name = node.pop("_target_").rpartition(".")
        made.append(getattr(sys.modules[module], name)(**node))
    return made


@pytest.mark.parametrize("writer", [*packaged(), EveryNth(), EveryNth(every=3, marks=(1, 2))])
def test_every_writer_survives(writer: Writer, tmp_path: Path) -> None:
    config = DeltaMemConfig(writer=writer)
    folder = folder_of(config_keys(config), tmp_path)
    assert stored_config(folder) == config
    assert type(stored_config(folder).writer) is type(writer)
    assert stores_writer(folder, writer)
    assert not stores_writer(folder, EveryNth(every=9))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        EveryNth,
        every=st.integers(-(2**70), 2**70),
        share=NUMBERS,
        label=st.text(st.characters(exclude_categories=("Cs",))),
        marks=st.lists(st.integers()).map(tuple),
    )
)
def test_any_fields_of_a_writer_survive(writer: EveryNth) -> None:
    assert writer_of(json.loads(json.dumps(stored_writer(writer)))) == writer


def test_a_writer_that_cannot_be_stored_is_refused_before_it_is_trained() -> None:
    with pytest.raises(InvalidInput, match=r"marks=\[1, 2\].* comes back as another value"):
        DeltaMemConfig(writer=EveryNth(marks=[1, 2]))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="'every_nth' cannot be stored .*: its fields must be"):
        DeltaMemConfig(writer=EveryNth(label=Path("x")))  # type: ignore[arg-type]


def test_a_writer_class_needs_a_name_that_is_its_own() -> None:
    with pytest.raises(InvalidInput, match=r"Nameless has no `name` of its own"):

        class Nameless(TokenWriter):
            pass

    with pytest.raises(InvalidInput, match="two writer classes have the name 'token'"):

        class Double(TokenWriter):
            name: ClassVar[str] = "token"


def test_the_authors_format_refuses_a_writer_that_it_has_no_words_for(
    tiny: Any, tmp_path: Path
) -> None:
    memory = DeltaMemory(DeltaMemConfig(writer=EveryNth()), tiny.model)
    with pytest.raises(InvalidInput, match="cannot hold the writer 'every_nth'"):
        save_published_adapter(memory, tmp_path, backbone=tiny)
    assert list(tmp_path.iterdir()) == []


PLUG_IN = """
from dataclasses import dataclass
from typing import ClassVar
from deltamem.writers import TokenWriter

@dataclass(frozen=True, kw_only=True)
class Plugged(TokenWriter):
    name: ClassVar[str] = "plugged"
    every: int = 1
"""


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "missing"])
def test_an_installed_plug_in_brings_its_writer(installed: bool, tmp_path: Path) -> None:
    """A folder of another process, whose writer lies in a package with an entry point."""
    site = tmp_path / "site"
    if installed:
        about = site / "plugged-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[deltamem.writers]\nplugged = plugged:Plugged\n")
        (site / "plugged.py").write_text(PLUG_IN)
    keys = config_keys(DeltaMemConfig())
    keys["writer"] = {"name": "plugged", "num_states": 1, "every": 7}
    folder = folder_of(keys, tmp_path / "adapter")
    read = (
        "import sys; from pathlib import Path\n"
        "from deltamem.adapter.files import stored_config\n"
        "from deltamem_base.faults import Fault\n"
        "try: print(stored_config(Path(sys.argv[1])).writer)\n"
        "except Fault as fault: print(fault)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(site)!r})\n{read}", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    if installed:
        assert done.stdout == "Plugged(num_states=1, every=7)\n"
    else:
        assert "there is no writer 'plugged'" in done.stdout
        assert "multi_state, segment, token" in done.stdout


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"mystery": 1}, "the key mystery is unknown"),
        ({"delta_o_rmsnorm": True}, "delta_o_rmsnorm is True; only False"),
        ({"delta_o_rmsnorm": 0}, "delta_o_rmsnorm is 0; only False"),
        ({"num_memory_partitions": 2}, "num_memory_partitions is 2; only 1"),
        ({"memory_write_granularity": "word_mean"}, "memory_write_granularity is 'word_mean'; ch"),
        ({"state_update_mode": "other"}, "state_update_mode is 'other'; choose"),
        ({"output_init": "other"}, "output_init is 'other'; choose"),
        ({"delta_heads": ["z"]}, "delta_heads is 'z'; choose one of q, k, v, o"),
        ({"delta_heads": []}, "delta_heads is a list; it must"),
        ({"normalize_qk": "x"}, 'normalize_qk is "x"; it must be true or false'),
        ({"alpha": float("nan")}, "alpha is NaN; it must be a finite number"),
        ({"alpha": float("inf")}, "alpha is Infinity; it must be a finite number"),
        ({"alpha": "16"}, 'alpha is "16"; it must be a number'),
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({"rank": -8}, "rank is -8; it must be at least 1"),
        ({"rank": 10**12}, "rank is 1000000000000; it must be at most 1024"),
        ({"rank": float("nan")}, "rank is NaN; it must be a whole number"),
        ({"rank": 8.0}, "rank is 8.0; it must be a whole number"),
        ({"num_state_heads": 10**30}, "num_state_heads is 10{30}; it must be at most 1024"),
        ({"num_state_heads": float("inf")}, "num_state_heads is Infinity; it must be a whole"),
        ({"target_layers": [-1]}, r"target_layers\[0\] is -1; it must be at least 0"),
        ({"target_layers": "all"}, 'target_layers is "all"; it must be a list'),
        ({"beta_bias_init": float("inf")}, "beta_bias_init is Infinity; it must be a finite"),
        ({"state_dtype": "float8"}, "state_dtype is 'float8'; choose"),
        ({"backbone": "Qwen"}, 'backbone is "Qwen"; it must be an object'),
        ({"backbone": {"name": 5}}, "backbone.name is 5; it must be text"),
        ({"writer": {}}, "the writer has the name None"),
        ({"writer": {"name": "os.system"}}, "there is no writer 'os.system'"),
        ({"writer": {"name": "token", "unit": "x"}}, "the writer 'token': the key unit is unknown"),
        ({"writer": {"name": "segment", "unit": "word"}}, "writer.unit is 'word'; choose one of"),
        ({"writer": {"name": "segment"}}, "memory_write_granularity is 'token' and .* 'segment'"),
        ({"writer": {"name": "token", "_target_": "os.system"}}, "the key _target_ is unknown"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_one_sentence_for_what_does_not_fit(
    keys: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    folder = folder_of(keys, tmp_path)
    with pytest.raises((InvalidInput, InvalidData), match=sentence) as fault:
        stored_config(folder)
    assert str(fault.value).startswith(str(tmp_path / CONFIG))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"writer": ' + '{"a":' * 600 + "1" + "}" * 601, "[]", "", "\x00", "7"]
)
def test_files_that_are_no_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(InvalidData):
        stored_config(tmp_path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_any_mutation_is_read_or_refused(tmp_path: Path) -> None:
    good = config_keys(DeltaMemConfig())

    @settings(max_examples=300)
    @given(st.sampled_from([*good, "backbone", "other"]), PLAIN)
    def mutate(key: str, value: Any) -> None:
        folder = folder_of({**good, key: value}, tmp_path)
        try:
            config = stored_config(folder)
        except Fault:
            return
        assert config_keys(config)[key] == value if key in AuthorsKeys.__annotations__ else True

    mutate()


def test_the_authors_defaults_are_ours(tmp_path: Path) -> None:
    assert read_stored(folder_of({}, tmp_path)).config == DeltaMemConfig()
    assert {field.name for field in fields(Keys)} >= {field.name for field in fields(AuthorsKeys)}
    assert replace(read_stored(tmp_path).keys, rank=4).config(
        writer=TokenWriter(), state_dtype="float32"
    ) == DeltaMemConfig(rank=4)
