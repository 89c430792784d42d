"""Seeds that stored records and conversations depend on."""

from __future__ import annotations

import pytest

from deltamem_base.seeds import seed_of
from deltamem_evaluations.sample import sample_seed


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("0:conv-26/3", 45090921044871975),
        ("1:conv-26/3", 67559167691551720),
        ("", 64089176690719772),
    ],
)
def test_seeds_stay_as_they_are(text: str, seed: int) -> None:
    assert seed_of(text) == seed < 2**56


def test_the_seed_of_a_sample_holds_the_run_and_the_question() -> None:
    assert sample_seed(1, "conv-26/3") == seed_of("1:conv-26/3") != sample_seed(0, "conv-26/3")
