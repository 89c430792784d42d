"""Bytes that are no text, and text that is no JSON: file, line and character, in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import parse_json, read_document
from deltamem_evaluations.data.rows.files import read_file

ROW = '{"question": "Wo ist Jörg?"}\n'
DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ((ROW * 2).encode() + ROW.encode("latin-1"), "line 3, character 23: the byte 0xf6 is not"),
        (ROW.encode("utf-16"), "line 1, character 1: this is UTF-16 text; save it as UTF-8"),
        (ROW.encode("utf-16-le"), "line 1, character 1: this is UTF-16 text"),
        (ROW.encode("utf-32"), "line 1, character 1: this is UTF-32 text"),
        (ROW.encode() + b'{"a": "x\\ud83d"}', r"line 2, character 9: \\ud83d is half of a surrog"),
        (ROW.encode() + b'{"\\uDC00": 1}', r"line 2, character 3: \\uDC00 is half of a surrogate"),
        (b'[\n {"a":\n  "\\ud800\\u0041"}]', r"line 3, character 4: \\ud800 is half"),
        (ROW.encode() + b"[" * DEEP, "line 2: the JSON is nested too deeply"),
        (b"[" * DEEP + b"\n" + b"[" * DEEP, "line 1: the JSON is nested too deeply"),
        (b'[\n{"a": 1},\n{"a" 2}]', r"line 3, character 6: this is not JSON \(Expecting ':'"),
        (ROW.encode() + b'\n{"a": 1,}\n', "line 3, character 9: this is not JSON"),
        (ROW.encode() + b'{"a": ' + b"9" * 5000 + b"}", "line 2: Exceeds the limit"),
        (b'{"a": 1, "a": 2}', "line 1: an object has the key 'a' twice"),
        (b" \n", "is empty"),
        (b"[]", "holds no row"),
        (b"7", "holds a number, not a list of rows"),
        (b"[[1]]", "row 1 holds a list, not a row"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_what_cannot_be_read(content: bytes, sentence: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=f"{name}.* ?{sentence}") as fault:
        list(read_file(path))
    assert "\n" not in str(fault.value)


def test_csv_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("question\nok\nJörg\n".encode("latin-1"))
    with pytest.raises(InvalidData, match=r"rows.csv, line 3, character 2: the byte 0xf6"):
        list(read_file(tmp_path / "rows.csv"))
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and more")
    with pytest.raises(InvalidData, match=r"rows.parquet cannot be read as parquet: "):
        list(read_file(tmp_path / "rows.parquet"))
    with pytest.raises(InvalidData, match=r"rows.txt is not one of .json, .jsonl, .csv, .parquet"):
        list(read_file(tmp_path / "rows.txt"))
    with pytest.raises(InvalidData, match=r"nowhere.json cannot be read: No such file"):
        list(read_file(tmp_path / "nowhere.json"))


def test_a_document_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "entity2id.json").write_text("[1]")
    with pytest.raises(InvalidData, match=r"entity2id.json holds a list, not an object"):
        read_document(tmp_path / "entity2id.json", dict)


TEXTS = st.text(alphabet=st.characters() | st.sampled_from('\\ud8D3c"😀\ud83d\ude00'), max_size=8)


@given(text=TEXTS)
@example(text="\\ud83d")
@example(text="\\\ud83d")
@example(text="\ud83d\ud83d\ude00")
@example(text="\\\\ud83d\ude00")
@example(text="\U0001f600\U0001f600")
def test_half_of_a_pair_is_found_and_nothing_else(text: str) -> None:
    """Whatever escapes stand around it; Python's own encoder says what is text."""
    spelt = json.dumps([text])
    whole = json.loads(spelt)[0]
    try:
        whole.encode()
    except UnicodeEncodeError:
        with pytest.raises(InvalidData, match="is half of a surrogate pair"):
            parse_json(spelt, where="x")
    else:
        assert parse_json(spelt, where="x") == [whole]
