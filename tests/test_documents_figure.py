"""The picture of the mechanism is what its script draws."""

from __future__ import annotations

import importlib.util

from conftest import ROOT


def test_the_picture_is_what_the_script_draws() -> None:
    spec = importlib.util.spec_from_file_location("mechanism", ROOT / "docs/figures/mechanism.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    # python docs/figures/mechanism.py draws it again
    assert script.FILE.read_text(encoding="utf-8") == script.draw()
