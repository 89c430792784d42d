"""Settings from files are looked through for what Hydra would act on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_base.faults import InvalidData
from deltamem_base.plain_values import check_plain

LEAVES = st.none() | st.booleans() | st.integers() | st.text("ab_{}$ .", max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab_"), inner, max_size=2),
    max_leaves=6,
)
ACTING = [
    {"_target_": "torch.load"},
    {"_partial_": True},
    {"_recursive_": False},
    {"_args_": []},
    {"${oc.env:HOME}": 1},
    "${oc.env:HOME}",
]


def acts(tree: Any) -> bool:
    if isinstance(tree, dict):
        return any(
            (len(k) > 2 and k[0] == k[-1] == "_") or acts(k) or acts(v) for k, v in tree.items()
        )
    return any(map(acts, tree)) if isinstance(tree, list) else "${" in str(tree)


@given(TREES)
def test_only_what_acts_is_refused(tree: Any) -> None:
    try:
        check_plain(tree, where="record.json")
    except InvalidData:
        assert acts(tree)
    else:
        assert not acts(tree)


@pytest.mark.parametrize("acting", ACTING, ids=str)
def test_the_place_is_named_however_deep(acting: Any) -> None:
    with pytest.raises(InvalidData, match=r"record\.json: bench\.kinds.* may not (name|refer)"):
        check_plain({"bench": {"kinds": [[acting]]}}, where="record.json")
