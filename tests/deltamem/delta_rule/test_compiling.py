"""The compiled form is built once by whatever compiler there is, or says that there is none."""

from __future__ import annotations

import ctypes
import subprocess
import sys
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


def libraries(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/*.so"))


@needs_compiler
def test_built_once_and_again_when_the_source_changes(empty_cache: Path, tmp_path: Path) -> None:
    load()
    (library,) = libraries(empty_cache)
    made = library.stat().st_mtime_ns
    load()
    assert [p.stat().st_mtime_ns for p in libraries(empty_cache)] == [made]
    changed = tmp_path / SOURCE.name
    changed.write_text('extern "C" int piece() { return 1; }', encoding="utf-8")
    load(changed)
    assert len(libraries(empty_cache)) == 2


PROCESS = """
import sys
from pathlib import Path
from deltamem.delta_rule.compiling import load_library
from deltamem_base.faults import Unavailable
try:
    print(load_library(Path(sys.argv[1])).one())
except Unavailable as fault:
    print(fault)
"""
ONE = 'extern "C" int one() { return 1; }'
PLANTED = """
#include <cstdio>
__attribute__((constructor)) static void run() { std::fclose(std::fopen("MARK", "w")); }
extern "C" int one() { return 2; }
"""


@pytest.fixture
def small(empty_cache: Path, tmp_path: Path) -> Path:
    """A source that compiles at once, and has been compiled."""
    source = tmp_path / "small.cpp"
    source.write_text(ONE, encoding="utf-8")
    load(source)
    return source


def load_in_a_process(source: Path) -> str:
    """What a library returns, or a sentence: a damaged one would end the process that loads it."""
    command = [sys.executable, "-c", PROCESS, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def plant(library: Path, tmp_path: Path) -> Path:
    """Put another library in the place of ours; the file that it makes when it is loaded."""
    mark, source = tmp_path / "mark", tmp_path / "planted.cpp"
    source.write_text(PLANTED.replace("MARK", str(mark)), encoding="utf-8")
    planted = tmp_path / "planted.so"
    command = [str(compiler()), "-shared", "-fPIC", str(source), "-o", str(planted)]
    subprocess.run(command, check=True)
    ctypes.CDLL(str(planted))
    mark.unlink()  # it does run where it is loaded
    planted.replace(library)
    return mark


@needs_compiler
def test_a_library_that_others_could_plant_is_not_loaded(
    small: Path, empty_cache: Path, tmp_path: Path
) -> None:
    (library,) = libraries(empty_cache)
    mark = plant(library, tmp_path)
    library.parent.chmod(0o777)
    assert "others may write to it: remove it" in load_in_a_process(small)
    library.parent.chmod(0o700)
    assert load_in_a_process(small) == "1"  # it is not what was built here: built anew
    assert not mark.exists()


@needs_compiler
def test_nothing_is_loaded_from_a_folder_of_all(
    small: Path, empty_cache: Path, tmp_path: Path
) -> None:
    (library,) = libraries(empty_cache)
    mark = plant(empty_cache / library.name, tmp_path)
    empty_cache.chmod(0o777)
    assert load_in_a_process(small) == "1"
    assert not mark.exists()


@needs_compiler
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_library_is_built_anew(small: Path, empty_cache: Path, share: float) -> None:
    (library,) = libraries(empty_cache)
    whole = library.read_bytes()
    # another file in its place: this process has the old one mapped
    library.unlink()
    library.write_bytes(whole[: int(share * len(whole))])
    assert load_in_a_process(small) == "1"
    assert library.stat().st_size == len(whole)


@needs_compiler
def test_what_a_compiler_complains_of_is_one_sentence(empty_cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.cpp"
    broken.write_text("int main( {", encoding="utf-8")
    with pytest.raises(Unavailable, match="could not compile") as caught:
        load(broken)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert not libraries(empty_cache)


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
