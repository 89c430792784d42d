"""Agreement with the authors' implementation on all stored cases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from deltamem import InvalidInput, Unavailable
from deltamem.parity import ATTENTIONS, TOLERANCE, run_case, run_folder

CASES = (
    "qwen3_msw",
    "qwen3_qkvo",
    "qwen3_ssw_message",
    "qwen3_tsw",
    "qwen3_tsw_decode",
    "qwen3_tsw_left_padded",
    "qwen3_tsw_read_only",
    "smollm3_tsw",
)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("case", CASES)
def test_case(case: str, attention: str, parity_folder: Path) -> None:
    result = run_case(parity_folder / case, attention=attention)
    assert result.passed
    assert result.logits <= TOLERANCE
    assert result.states <= TOLERANCE


def test_a_wrong_expectation_fails(parity_folder: Path, tmp_path: Path) -> None:
    case = shutil.copytree(parity_folder / "qwen3_tsw", tmp_path / "case")
    for name in ("logits", "state.1", "grad.model.layers.0.self_attn.beta_bias"):
        tensors = load_file(parity_folder / "qwen3_tsw" / "expected.safetensors")
        tensors[name] = tensors[name] + 1e-3 * tensors[name].abs().max()
        save_file(tensors, case / "expected.safetensors")
        assert not any(result.passed for result in run_folder(case))


def test_a_state_that_we_do_not_have_fails(parity_folder: Path, tmp_path: Path) -> None:
    case = shutil.copytree(parity_folder / "qwen3_tsw", tmp_path / "case")
    tensors = load_file(case / "expected.safetensors")
    tensors["state.7"] = tensors["state.0"].clone()
    save_file(tensors, case / "expected.safetensors")
    assert not run_case(case, attention="sdpa").passed


def test_missing_and_damaged_cases(parity_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no parity case in"):
        run_folder(tmp_path)
    case = shutil.copytree(parity_folder / "qwen3_tsw", tmp_path / "case")
    (case / "expected.safetensors").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="cannot be read"):
        run_folder(tmp_path)
