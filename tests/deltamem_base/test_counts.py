"""Numbers with what they count."""

from deltamem_base.counts import counted


def test_one_is_singular() -> None:
    assert [counted(n, "history") for n in (0, 1, 2)] == ["0 histories", "1 history", "2 histories"]
    assert [counted(n, "sample") for n in (1, 1986)] == ["1 sample", "1,986 samples"]
