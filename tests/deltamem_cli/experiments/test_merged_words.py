"""Words are merged by their keys."""

from __future__ import annotations

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from deltamem_cli.experiments.merged_words import as_overrides, merged, replaced, value_of

words = st.lists(st.builds("{}={}".format, st.sampled_from("abcd"), st.integers(0, 9)))


@given(words, words)
def test_the_last_word_on_a_key_wins(first: list[str], second: list[str]) -> None:
    together = merged(first, second)
    oracle: dict[str, str] = dict(word.split("=") for word in [*first, *second])
    assert dict(word.split("=") for word in together) == oracle
    assert len(together) == len(oracle)


def test_another_choice_of_a_group_takes_its_settings_along() -> None:
    start = ["model=tiny", "bench=locomo", "bench.protocol=paper", "context=none"]
    done = replaced(start, "bench", ["bench=recall", "bench.dialogues=1"])
    assert done == ("model=tiny", "context=none", "bench=recall", "bench.dialogues=1")
    assert value_of(done, "bench") == "recall"
    assert value_of(done, "bench.protocol") is None


@given(st.lists(st.text("ab',\\\"[]{} =:./$", min_size=1, max_size=8), min_size=1, max_size=3))
def test_words_for_trainings_and_evaluations_arrive_as_they_were(texts: list[str]) -> None:
    wanted = [f"k={text}" for text in texts]
    words = [f"{part}:{word}" for word in wanted for part in ("train", "eval")]
    parser = OverridesParser.create()
    train, evaluate = (parser.parse_override(w) for w in as_overrides(["q", *words])[1:])
    assert (train.key_or_group, evaluate.key_or_group) == ("train", "eval")
    assert [str(text) for text in train.value()] == wanted
    assert [str(text) for text in evaluate.value()] == wanted
