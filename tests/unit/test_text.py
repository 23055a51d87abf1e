"""Characters written as two halves: what fuzzing found in task files and rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.core.recipes import read_yaml
from harness.core.text import whole
from harness.core.values import Message, Request
from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine
from harness.tasks.sources import read

EMOJI = "\U0001f633"


@given(
    value=st.recursive(
        st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_is_whole_stays(value: Any) -> None:
    assert whole(value) == value


@given(text=st.text(alphabet=st.characters(min_codepoint=0x10000), max_size=5))
def test_halves_are_joined(text: str) -> None:
    """Python's UTF-16 codec is the oracle of what the halves are."""
    raw = text.encode("utf-16-be")
    halves = "".join(chr(int.from_bytes(raw[i : i + 2])) for i in range(0, len(raw), 2))
    assert whole([{halves: halves}]) == [{text: text}]


def test_yaml_reads_the_escapes_of_json(tmp_path: Path) -> None:
    """JSON is YAML: PyYAML alone leaves two halves of an emoji, which no UTF-8 file can hold."""
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps({"instructions": f"Be nice {EMOJI}"}))
    assert read_yaml(file) == {"instructions": f"Be nice {EMOJI}"}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "task.yaml"])
def test_half_a_character_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('{"a": {"b": "x\\ud800y"}}')
    with pytest.raises(ConfigError, match=r"half a character \(the lone surrogate \\ud800\)"):
        read_yaml(file) if name == "task.yaml" else read(file)


@pytest.mark.parametrize("raw", ['{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a": ' + "1" * 5000 + "}"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_that_python_refuses_is_named(tmp_path: Path, raw: str, suffix: str) -> None:
    file = tmp_path / f"rows{suffix}"
    file.write_text(raw)
    with pytest.raises(ConfigError, match="broken JSON: "):
        read(file)


def test_half_a_character_from_a_server_is_remembered(tmp_path: Path) -> None:
    """It must not stop the run when the answer is written."""
    asked = Request(id="a", messages=(Message("user", "hello"),), max_new_tokens=3)
    answers = [
        [answer.text for _, answer in CachedEngine(FakeEngine("x\ud800"), tmp_path, "i").generate([asked])]
        for _ in range(2)
    ]
    assert answers == [["x\ud800"]] * 2
