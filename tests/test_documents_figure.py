"""The picture of the mechanism is what its script draws."""

from __future__ import annotations

import runpy

from conftest import ROOT


def test_the_picture_is_what_the_script_draws() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "figures" / "mechanism.py"))
    # python docs/figures/mechanism.py draws it again
    assert script["FILE"].read_text(encoding="utf-8") == script["draw"]()
