"""lm-eval's lines that are read many at a time give what the same lines give one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.imports import json_files, lm_eval_plain
from harness.imports.content import Evidence, Known
from harness.imports.open_logs import open_logs
from harness.imports.sample import Columns, ForeignLog, ForeignSample, Metric
from harness.results.imported_rows import RowWriter
from harness.results.log_draft import LogDraft, draft
from tests.e2e import import_kit as kit

VALUES = [1.0, 0.0, 1.0, 0.25, 0.0]
SCORED = [("none", "exact_match", "exact_match")]


def lines_of(folder: Path, metric: str = "exact_match") -> tuple[Path, list[str]]:
    """A small log, and its lines."""
    results = kit.lm_eval(folder, "m", VALUES, metric=metric)
    return results, next(folder.glob("samples_*")).read_text("utf-8").splitlines(keepends=True)


def log_of(folder: Path, lines: list[str]) -> ForeignLog:
    results = next(folder.glob("results_*"))
    next(folder.glob("samples_*")).write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
    (log,) = open_logs([results])
    return log


def drafts(log: ForeignLog, folder: Path, pair_by: Evidence = "content") -> list[LogDraft]:
    """The draft by blocks, then one by one."""
    return [
        draft(folder / str(number), one, pair_by, Known())
        for number, one in enumerate((log, replace(log, blocks=None)))
    ]


def written(writer: RowWriter) -> object:
    """Its lines; with half a character in one of them, the others around it are spaced differently."""
    lines = writer.path.read_bytes()
    return lines if writer.checked else [json.loads(line) for line in lines.splitlines()]


def contents(made: LogDraft) -> dict[str, object]:
    """All that a draft says, without its place."""
    return {
        "names": made.names.names,
        "evidence": made.names.evidence,
        "unhashed": made.names.unhashed,
        "notes": made.notes,
        "writers": [
            (
                repeat,
                written(writer),
                writer.tallies,
                writer.count,
                writer.errors,
                writer.checked,
                repr(writer.plain_scores),
            )
            for repeat, writer in made.writers.items()
        ],
    }


def halves(line: str) -> list[str]:
    """An object over two lines, which a comma between them would make whole again."""
    return line.replace(', "t', '\n"t', 1).splitlines(keepends=True)


def changed(line: str, **fields: Any) -> str:
    return json.dumps(json.loads(line) | fields) + "\n"


def without(line: str, field: str) -> str:
    return json.dumps({name: value for name, value in json.loads(line).items() if name != field}) + "\n"


REQUEST = {"arg_0": "Q", "arg_1": {"until": []}}
ODD = {
    "a number as target": lambda line: changed(line, target=3),
    "a text as id": lambda line: changed(line, doc_id="7"),
    "a fraction as id": lambda line: changed(line, doc_id=7.0),
    "a large id": lambda line: changed(line, doc_id=10**25),
    "no id": lambda line: without(line, "doc_id"),
    "no hash": lambda line: without(line, "doc_hash"),
    "a number as hash": lambda line: changed(line, doc_hash=5),
    "an empty hash": lambda line: changed(line, doc_hash=""),
    "no filter": lambda line: without(line, "filter"),
    "another filter": lambda line: changed(line, filter="strict"),
    "no score": lambda line: without(line, "exact_match"),
    "no value": lambda line: changed(line, exact_match=None),
    "a whole score": lambda line: changed(line, exact_match=1),
    "a true score": lambda line: changed(line, exact_match=True),
    "NaN": lambda line: line.replace('"exact_match": 1.0', '"exact_match": NaN'),
    "minus zero": lambda line: changed(line, exact_match=-0.0),
    "no answer": lambda line: changed(line, resps=[]),
    "an empty answer": lambda line: changed(line, resps=[[]]),
    "several answers": lambda line: changed(line, resps=[["a", "b"], ["c"]]),
    "a deep answer": lambda line: changed(line, resps=[[["a"]]]),
    "likelihoods": lambda line: changed(
        line,
        arguments={f"gen_args_{n}": {"arg_0": "Q", "arg_1": f" {n}"} for n in range(2)},
        filtered_resps=[[-1.0, False], [-0.5, True]],
    ),
    "one likelihood": lambda line: changed(line, arguments={"gen_args_0": {"arg_0": "Q", "arg_1": " x"}}),
    "a chat": lambda line: changed(line, arguments={"gen_args_0": {"arg_0": ["[1]"], "arg_1": {}}}),
    "another name": lambda line: changed(line, arguments={"gen_args_1": REQUEST}),
    "a list of arguments": lambda line: changed(line, arguments=[["Q", {}]]),
    "a third argument": lambda line: changed(line, arguments={"gen_args_0": REQUEST | {"arg_2": 1}}),
    "no arguments": lambda line: without(line, "arguments"),
    "an example again": lambda line: line + line + without(line, "doc_hash"),
    "an empty line": lambda line: "\n" + line + " \n",
    "other line ends": lambda line: line.replace("\n", "\r\n"),
    "half a character": lambda line: line.replace('[["', '[["\\ud800'),
    "a whole character": lambda line: line.replace('[["', '[["\\ud83d\\ude00\u2028é'),
    "a decomposed character": lambda line: line.replace("Q: ", "Q: e\u0301  \u00a0e\u0301"),
    "controls": lambda line: line.replace("Q: ", "Q: \\u001f\\u0000 \\t\\n\\n  \\u007f"),
    "a field twice": lambda line: line.replace("{", '{"target": "x", "exact_match": 0.5, ', 1),
    "a byte order mark": lambda line: "\ufeff" + line,
}


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_block_with_another_line_is_read_line_by_line(
    odd: Any, position: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of two lines, so that plain ones stand before and behind it."""
    _, lines = lines_of(tmp_path / "log")
    monkeypatch.setattr(json_files, "BUFFER", len(lines[0]) + 1)
    lines[position] = odd(lines[position])
    log = log_of(tmp_path / "log", lines)
    assert log.blocks is not None
    blocks = list(log.blocks())
    assert any(isinstance(block, Columns) for block in blocks)
    fast, slow = drafts(log, tmp_path / "drafts")
    assert contents(fast) == contents(slow)


@pytest.mark.parametrize("pair_by", ["content", "hash", "id"])
def test_names_are_made_from_the_evidence_that_was_chosen(pair_by: Evidence, tmp_path: Path) -> None:
    _, lines = lines_of(tmp_path / "log")
    log = log_of(tmp_path / "log", [*lines, *lines[:2]])
    fast, slow = drafts(log, tmp_path / "drafts", pair_by)
    assert contents(fast) == contents(slow)
    assert len(fast.names.names) == 7


@pytest.mark.parametrize(
    "metric", ["target", "doc", "resps", "filter", "arguments", "doc_hash", "score_1", "acc norm"]
)
def test_a_score_may_have_the_name_of_another_field(metric: str, tmp_path: Path) -> None:
    _, lines = lines_of(tmp_path / "log", metric)
    fast, slow = drafts(log_of(tmp_path / "log", lines), tmp_path / "drafts")
    assert contents(fast) == contents(slow)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (lambda lines: [*lines[:3], lines[3][:-9]], ":4: the line is cut off in the middle"),
        (lambda lines: [*lines[:3], "rubbish\n", lines[4]], ":4: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].rstrip("\n") + lines[2], lines[3]], ":2: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].rstrip("\n") + "," + lines[2], *lines[3:]], ":2: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].replace(', "t', ',\n"t', 1), lines[2]], ":2: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].replace(', "t', '\n"t', 1), lines[2]], ":2: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].rstrip("\n") + "," + lines[2], *halves(lines[3])], ":2: the line is not JSON"),
        (lambda lines: [lines[0], lines[1].rstrip("\n") + lines[2], *halves(lines[3])], ":2: the line is not JSON"),
        (lambda lines: [lines[0], *halves(lines[1]), lines[2].rstrip("\n") + "," + lines[3]], ":2: the line is not JSON"),
        (lambda lines: [*lines[:2], "[1]\n", lines[3]], ":3: not a JSON object"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [2, 500, 1 << 20])
def test_a_line_that_is_none_is_named(
    lines: Any, error: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "BUFFER", size)
    _, good = lines_of(tmp_path / "log")
    log = log_of(tmp_path / "log", lines(good))
    for one in (log, replace(log, blocks=None)):
        with pytest.raises(ConfigError, match=error):
            draft(tmp_path / "draft", one, "content", Known())


def test_a_last_line_without_an_end_is_read(tmp_path: Path) -> None:
    _, lines = lines_of(tmp_path / "log")
    fast, slow = drafts(log_of(tmp_path / "log", [*lines[:4], lines[4].rstrip("\n")]), tmp_path / "drafts")
    assert contents(fast) == contents(slow)
    assert fast.writers[0].count == 5


@pytest.mark.parametrize("size", [2, 1 << 20])
@pytest.mark.parametrize("values", [(0.0, -0.0, 1.0), (-0.0, 0.0, 1.0)])
def test_a_score_of_minus_zero_is_written_and_kept_as_zero(
    values: tuple[float, ...], size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal to 0.0, so that one of them was written as whichever came first; `size` decides whether they share a block."""
    monkeypatch.setattr(json_files, "BUFFER", size)
    kit.lm_eval(tmp_path / "log", "m", values)
    (log,) = open_logs([next((tmp_path / "log").glob("results_*"))])
    for made in drafts(log, tmp_path / "drafts"):
        lines = made.writers[0].path.read_bytes()
        assert (lines.count(b'"value":0.0'), lines.count(b"-0.0")) == (2, 0)
        assert repr(made.writers[0].plain_scores) == "{'exact_match': array('d', [0.0, 0.0, 1.0])}"


def test_lines_under_several_filters_are_no_columns() -> None:
    assert lm_eval_plain.of("none", [*SCORED, ("strict", "exact_match", "exact_match,strict")]) is None
    assert lm_eval_plain.of(None, []) is None


text = st.text(max_size=8)
columns = st.lists(
    st.tuples(text, text, text, text, st.sampled_from(["", "h"]), st.floats(0, 1), st.floats(0, 1)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(rows=columns)
@example(rows=[("\ud800", "p", "t", "a", "h", 0.0, 1.0)])
@example(rows=[("1", "\x85 p\x1f", "e\u0301", "\x00", "h", 0.5, 1.0), ("1", "p", "t", "a", "", 0.5, 1.0)])
def test_columns_are_written_as_their_samples_are(
    rows: list[tuple[str, str, str, str, str, float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ids, prompts, targets, answers, hashes, one, two = (list(column) for column in zip(*rows, strict=True))
    written_columns = Columns(
        ids=ids,
        prompts=prompts,
        targets=targets,
        answers=answers,
        hashes=hashes,
        scores={"a": one, "b": two},
    )
    names = [f"n{index}" for index in range(len(rows))]
    folder = tmp_path_factory.mktemp("columns")
    metrics = [Metric(name="b", higher_is_better=False), Metric(name="a")]
    for count in (1, 2):
        fast, slow = (RowWriter(folder / name / "samples.jsonl", metrics[:count]) for name in "fs")
        first = ("first", ForeignSample(id="0", prompt="p", answer="a", scores={"a": 1.0, "b": 0.0}))
        for writer in (fast, slow):
            writer.add([first])
        fast.add_columns(names, written_columns)
        slow.add(zip(names, written_columns.samples(), strict=True))
        for writer in (fast, slow):
            writer.close()
        assert written(fast) == written(slow)
        assert (fast.count, fast.tallies, fast.checked) == (slow.count, slow.tallies, slow.checked)
