"""The compiled form is built once by whatever compiler there is, or says that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scan_inputs import DOUBLE, close, inputs

from deltamem.delta_rule import VARIABLE, delta_rule, delta_rule_compiled, delta_rule_naive
from deltamem.delta_rule.compiling import compiler, load_library
from deltamem.delta_rule.many_tokens.compiled import SOURCE
from deltamem_base.faults import InvalidInput, Unavailable

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def load(source: Path = SOURCE) -> object:
    """As a fresh process would."""
    return load_library.__wrapped__(source)


@needs_compiler
def test_built_once_and_again_when_the_source_changes(empty_cache: Path, tmp_path: Path) -> None:
    load()
    (library,) = empty_cache.iterdir()
    made = library.stat().st_mtime_ns
    load()
    assert [p.stat().st_mtime_ns for p in empty_cache.iterdir()] == [made]
    changed = tmp_path / SOURCE.name
    changed.write_text('extern "C" int piece() { return 1; }', encoding="utf-8")
    load(changed)
    assert len(list(empty_cache.iterdir())) == 2


@needs_compiler
def test_what_a_compiler_complains_of_is_one_sentence(empty_cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.cpp"
    broken.write_text("int main( {", encoding="utf-8")
    with pytest.raises(Unavailable, match="could not compile") as caught:
        load(broken)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert not list(empty_cache.iterdir())


@needs_compiler
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="file"):
        load()


def test_without_a_compiler(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=f"needs a C\\+\\+ compiler.*unset {VARIABLE}") as caught:
        load()
    assert caught.value.exit_code == 4


@needs_compiler
def test_the_variable_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = inputs(1, 40, 1, 8)
    monkeypatch.setenv(VARIABLE, "cpp")
    reads, state = delta_rule(*tensors.values())
    wanted_reads, wanted_state = delta_rule_compiled(*tensors.values())
    assert torch.equal(reads, wanted_reads)
    assert torch.equal(state, wanted_state)
    close(reads, delta_rule_naive(*tensors.values())[0], DOUBLE)


@needs_compiler
def test_threads_share_the_states_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = inputs(5, 20, 1, 4)
    one = delta_rule_compiled(*tensors.values())
    torch.set_num_threads(3)
    three = delta_rule_compiled(*tensors.values())
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_it_is_for_cpus() -> None:
    tensors = (x.to("meta") for x in inputs(1, 5, 1, 4).values())
    with pytest.raises(InvalidInput, match="for CPUs and was given meta"):
        delta_rule_compiled(*tensors)
