"""Run folders read for the store and the report: everything readable, and in words what was not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.results import side_files
from harness.results.lines import loads, reason
from harness.results.records.run import RunRecord

JsonLine = Mapping[str, Any]
"""One line of a file that other programs define (lm-eval's samples), or one row of a table, by column."""
JOURNAL_REMEDY = "move it away"
CUT_OFF = "cut off in the middle of its last line"
FILES = ("samples.jsonl", "train_steps.jsonl", "benchmarks.jsonl")


@dataclass(frozen=True, kw_only=True)
class Head:
    """What `run.json` (or, for a run that is not finished, `cell.json`) says."""

    id: str
    folder: Path
    record: RunRecord
    source: str
    """Changes when any file of the run changes: tells whether the store is up to date."""
    problems: list[str] = field(default_factory=list)


def read_head(folder: Path) -> Head | str:
    """The head of a run folder, or the reason why there is none."""
    for name in ("run.json", "cell.json"):
        path = folder / name
        if not path.exists():
            continue
        try:
            for file in (name, *FILES):
                guarded.of_results(folder / file)
            raw = path.read_bytes()
            content = loads(raw)
        except ConfigError as error:
            return f"{error.file}: {error.message}; this run is left out"
        except (OSError, ValueError, RecursionError) as error:
            return f"{path}: not readable as JSON ({error}); this run is left out"
        if not isinstance(content, dict):
            return f"{path}: not a JSON object; this run is left out"
        begun = {"status": "partial"} if name == "cell.json" else {}
        try:
            record = RunRecord.of(begun | content)
        except ValueError as error:
            return f"{folder}: not in the layout of a run ({reason(error)}); left out"
        sizes = [_size(folder / file) for file in FILES]
        text = raw.decode("utf-8", errors="replace")
        return Head(id=folder.name, folder=folder, record=record, source=digest([text, sizes]))
    return f"{folder}: neither run.json nor cell.json; this run is left out"


def read_journal(path: Path, problems: list[str]) -> list[JsonLine]:
    """`read_rows` of a file of the results folder itself, such as `trials.jsonl`: one that is a directory, or leads out of
    its folder, is named in `problems` as well, and has no rows. A last line that a kill cut off is no problem."""
    if problem := side_files.problem_of(path):
        problems.append(f"{path}: {problem}; it is left out — {JOURNAL_REMEDY}")
        return []
    lines: list[str] = []
    rows = list(read_rows(path, lines))
    problems += [f"{path.parent}/{line}" for line in lines if CUT_OFF not in line]
    return rows


def read_rows(path: Path, problems: list[str]) -> Iterator[JsonLine]:
    """The objects of a JSONL file that has no record of its own; what cannot be read is skipped and named in
    `problems`.

    Raises:
        ConfigError: a directory, a device, a pipe, or a link out of its folder.
    """
    if not path.exists():
        return
    with guarded.of_results(path).open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = loads(line)
            except ValueError:
                cut = not line.endswith(b"\n")
                what = CUT_OFF if cut else "not JSON"
                problems.append(f"{path.name}:{number}: {what}; skipped")
                continue
            if isinstance(row, dict):
                yield row
            else:
                problems.append(f"{path.name}:{number}: not an object; skipped")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
