"""Only classes of our packages and of registered plug-ins have a name that can be followed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deltamem_base.faults import InvalidInput
from deltamem_base.plugins import named_object, trusted_packages


@pytest.mark.parametrize(
    "name",
    [
        "torch.load",
        "os.system",
        "builtins.eval",
        "hydra.utils.get_method",
        "deltamem.backbone.loading.hub.os.system",
        "deltamem.training.torch.load",
        "deltamem_cli.settings.instantiate.Annotated",
        "deltamem_evaluations.records.record.read_document.__globals__",
        "deltamem_evil.Thing",
        "deltamem",
        "deltamem.writers.Nobody",
        "deltamem..writers",
        ".deltamem.writers",
        "",
    ],
)
def test_what_may_not_be_named(name: str) -> None:
    with pytest.raises(InvalidInput, match="no class|not a class|only imported there") as fault:
        named_object(name)
    assert "\n" not in str(fault.value)


def test_a_package_is_trusted_when_it_is_installed_as_a_plug_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deltamem.writers import TokenWriter

    assert named_object("deltamem.writers.TokenWriter") is TokenWriter
    code, site = tmp_path / "code", tmp_path / "site"
    code.mkdir()
    (code / "lab_memories.py").write_text("class Mine:\n    pass\n")
    monkeypatch.syspath_prepend(code)
    with pytest.raises(InvalidInput, match="entry point of the group deltamem.plugins"):
        named_object("lab_memories.Mine")
    assert "lab_memories" not in sys.modules
    about = site / "lab-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[deltamem.plugins]\nlab = lab_memories\n")
    monkeypatch.syspath_prepend(site)
    assert trusted_packages()[-1] == "lab_memories"
    assert named_object("lab_memories.Mine").__module__ == "lab_memories"
