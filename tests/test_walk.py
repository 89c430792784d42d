"""One LoCoMo history from the verb to the disk: few files, and those that CONTRIBUTING lists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from child_environment import child_environment
from conftest import ROOT

LONGEST = 20
"""Files that a stranger may have to open on the way."""
PLACES = ("read_conversation", "history", "delta_rule", "append", "write_json")
"""Functions at which the way is looked at: a row, its history, its write, its line, its record."""
FOLLOW = """
import json, sys
from pathlib import Path

root, out, places, *words = sys.argv[1:]
seen, stacks = set(), []

def ours(file):
    return file.startswith(root) and not file.startswith(root + ".")  # .venv lies in a checkout too

def look(frame, event, argument):
    code = frame.f_code
    place = (code.co_filename, code.co_name)
    if event != "call" or code.co_name not in places.split(",") or place in seen:
        return
    if not ours(code.co_filename):
        return
    seen.add(place)
    while frame is not None:
        stacks.append(frame.f_code.co_filename)
        frame = frame.f_back

from deltamem_cli.app import app
sys.setprofile(look)
try:
    app(words, standalone_mode=False)
finally:
    sys.setprofile(None)
    walked = {Path(file).relative_to(root).as_posix() for file in stacks if ours(file)}
    Path(out).write_text(json.dumps(sorted(walked)), encoding="utf-8")
"""
"""Runs a verb and stores the files of ours on the way to the places."""
SESSION = [
    {"speaker": "Ann", "dia_id": "D1:1", "text": "I am in Oslo."},
    {"speaker": "Bo", "dia_id": "D1:2", "text": "How nice."},
]
CONVERSATION = {
    "sample_id": "conv-1",
    "conversation": {
        "speaker_a": "Ann",
        "speaker_b": "Bo",
        "session_1_date_time": "1:00 pm on 8 May, 2023",
        "session_1": SESSION,
    },
    "qa": [{"question": "Where is Ann?", "answer": "Oslo", "evidence": ["D1:1"], "category": 4}],
}


def listed() -> set[str]:
    """Files in CONTRIBUTING's section about the way."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## The walk of one history")[2].partition("\n## ")[0]
    steps = section[section.index("\n1. ") :]
    return set(re.findall(r"`([\w/]+\.py)`", steps))


def test_the_walk_is_short_and_written_down(tmp_path: Path) -> None:
    data = tmp_path / "locomo10.json"
    data.write_text(json.dumps([CONVERSATION]), encoding="utf-8")
    words = ["eval", "bench=locomo", f"bench.path={data}", "context=none", "writer=ssw"]
    out = tmp_path / "files.json"
    command = [sys.executable, "-c", FOLLOW, f"{ROOT}/", str(out), ",".join(PLACES), *words]
    done = subprocess.run(
        command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = set(json.loads(out.read_text(encoding="utf-8")))
    assert found == listed()
    assert len(found) <= LONGEST
