"""Examples that several tools write in their own way: chats and texts, one accepted answer and a list of it, words for scores."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.imports import chat
from harness.imports.scores import graded, names_no_score
from harness.tasks import encodings
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, **options: Any) -> ImportResult:
    return from_options(ImportOptions(files=files, task="sums", verdict=False, **options))


def asked(name: str, messages: Any, target: Any = "{}") -> Path:
    """Inspect's log of three questions; `messages` makes an input of a question."""
    rows = kit.inspect_rows(["C", "I", "C"])
    for row in rows:
        row |= {
            "input": messages(row["input"]),
            "target": row["target"] if target == "{}" else [row["target"]],
        }
    return kit.inspect_json(Path(f"{name}.json"), name, rows)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def lm_eval_chat(name: str, *before: dict[str, str]) -> Path:
    """lm-eval's log of the same questions with a chat template."""
    results = kit.lm_eval(
        Path(name), name, [1.0, 0.0, 1.0], metric="judge", prompt="What is {}?", order=[1, 2, 3]
    )
    samples = next(Path(name).glob("samples_*"))
    lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    for line in lines:
        request = line["arguments"]["gen_args_0"]
        request["arg_0"] = [json.dumps([*before, *user(request["arg_0"])])]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return results


def test_a_text_is_the_chat_of_one_message_of_a_user() -> None:
    text, one = asked("text", str), asked("one", user)
    listed = asked("listed", user, target=["{}"])
    assert [(pair.paired, pair.of) for pair in imported(text, one, listed).pairings] == [(3, 3)] * 3
    assert imported(lm_eval_chat("chat"), text).pairings[0].paired == 3


def test_a_chat_with_more_messages_is_another_question_and_that_is_said() -> None:
    with pytest.raises(
        ConfigError, match="3 of system: the same question, but with other messages before it"
    ):
        imported(
            asked("text", str),
            asked("system", lambda text: [{"role": "system", "content": "Be brief."}, *user(text)]),
        )
    both = {"role": "system", "content": "Be brief."}
    shown = asked("shown", lambda text: [both, *user(text)])
    assert imported(lm_eval_chat("chat", both), shown).pairings[0].paired == 3


@pytest.mark.parametrize(
    "text",
    [
        "[{",
        "[{}]",
        '[{"role": "user"}]',
        '[{"a": 1}, 2]',
        "[1]",
        "[{" * 5000,
        '[{"role": "user", "content": ""}]',
    ],
)
def test_a_text_that_only_looks_like_a_chat_stays_as_it_is(text: str) -> None:
    assert chat.written_as_json(text) == text


def test_texts_that_name_no_score_count_as_0_and_are_shown() -> None:
    file = kit.inspect_json(
        Path("a.json"), "a", kit.inspect_rows(["C", "good", "fair", "good", "0.5", "N/A"])
    )
    done = imported(file)
    note = "judge: 3 of 6 values are texts that name no score ('good', 'fair'); they count as 0, as in inspect-ai"
    assert any(note in one for one in done.notes)
    assert any(note in one for one in done.records[0].to_json()["imported"]["notes"])
    assert done.records[0].mean("judge") == pytest.approx((1 + 0.5) / 5)
    plain = kit.inspect_json(Path("b.json"), "b", kit.inspect_rows(["C", "I", "yes", "False", 1, "0"]))
    assert not any("no score" in one for one in imported(plain).notes)


@pytest.mark.parametrize(
    ("value", "score", "worded"),
    [("C", 1.0, False), ("c", 0.0, True), (" Yes ", 1.0, False), ("N", 0.0, False), ("n/a", None, False), ("1e999", None, False),
     ("nan", None, False), ("good", 0.0, True), ([1], None, False), (True, 1.0, False)],
)  # fmt: skip
def test_a_value_is_a_score_a_word_for_one_or_no_score(
    value: object, score: float | None, worded: bool
) -> None:
    assert (graded(value), names_no_score(value)) == (score, worded)


def test_a_packed_log_is_named_wherever_it_lies() -> None:
    """In a folder beside other logs, as the only samples of a results file, and under the name of what it was."""
    folder = Path("logs")
    kit.lm_eval(folder / "a", "a", [1.0, 0.0])
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"id,model,score\n1,b,1\n"))
    (folder / "notes.gz").write_bytes(gzip.compress(b"not a log"))
    notes = [note for note in imported(folder).notes if "packed" in note]
    assert len(notes) == 1
    assert notes[0].endswith(
        "logs/b.csv.gz is packed by gzip: left out; unpack it first: gzip -d logs/b.csv.gz"
    )
    samples = next((folder / "a").glob("samples_*"))
    results = next((folder / "a").glob("results_*"))
    packed = samples.with_name(f"{samples.name}.gz")
    packed.write_bytes(gzip.compress(samples.read_bytes()))
    samples.write_bytes(packed.read_bytes())
    with pytest.raises(
        ConfigError, match=r"jsonl: is packed by gzip — unpack it first: gzip -dc < .*> unpacked.jsonl"
    ):
        imported(results)
    samples.unlink()
    with pytest.raises(ConfigError, match=rf"{packed.name}: is packed by gzip — unpack it first: gzip -d "):
        imported(results)
    results.write_bytes(gzip.compress(results.read_bytes()))
    with pytest.raises(ConfigError, match=r"json: is packed by gzip"):
        imported(results)


@pytest.mark.parametrize(
    ("head", "what"),
    [(gzip.compress(b"a,b\n1,2\n"), "is packed by gzip — unpack it first: gzip -dc < .* > unpacked.csv"),
     (bz2.compress(b"a,b\n1,2\n"), "is packed by bzip2"), (lzma.compress(b"a,b\n1,2\n"), "is packed by xz"),
     (b"PK\x03\x04rest", "is a zip archive, or a workbook, under another name")],
    ids=["gzip", "bzip2", "xz", "zip"],
)  # fmt: skip
def test_a_table_of_labeled_rows_that_is_packed_is_no_text_in_latin_letters(head: bytes, what: str) -> None:
    Path("rows.csv").write_bytes(head)
    with pytest.raises(ConfigError, match=what):
        encodings.read_text(Path("rows.csv"))
    Path("rows.csv").write_text("BZ,PK\n1,2\n", "utf-8")
    assert encodings.read_text(Path("rows.csv")).startswith("BZ")
