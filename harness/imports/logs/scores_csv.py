"""A table of scores: `id, model, score`, and optionally `prompt`, `target`, `answer`, `task`, `repeat`,
`error`.

Without a prompt column, only the id identifies the example.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.keys import file_digest
from harness.imports.names import safe_name
from harness.imports.protocol import LogFormat, suffix_of
from harness.imports.sample import UNNAMED, ForeignLog, ForeignSample, Metric, Origin
from harness.imports.scores import cell, lower_is_better

COLUMNS = {
    "id": ("id", "sample_id", "example_id", "doc_id", "example"),
    "model": ("model", "system", "run", "model_name"),
    "score": ("score", "value", "correct"),
    "prompt": ("prompt", "input", "question"),
    "target": ("target", "expected", "reference", "ideal"),
    "answer": ("answer", "output", "completion", "response"),
    "metric": ("metric", "scorer"),
    "task": ("task", "eval", "benchmark"),
    "repeat": ("repeat", "epoch", "seed"),
    "error": ("error",),
}
"""What a column holds → the names that it may have."""
NEEDED = ("model", "score")
NAMES = frozenset({"model", "task", "metric"})
_DECIMAL = re.compile(r"-?\d+\.0")
OTHER_BYTES = "backslashreplace"
"""How bytes are read that are not UTF-8: as their numbers, so that different prompts stay different."""
UNENDED = "its last line does not end: if the file was cut off, its last row may be too"
Row = dict[str, str]
Numbered = tuple[int, Row]
"""A row with its line."""
_Key = tuple[str, str, str, int]
"""Id, prompt, repeat, and the line of a row that has neither id nor prompt, else 0."""


class _SafeNames(dict[str, str]):
    """Names as they are written → as `safe_name` makes them: a table repeats few names in many rows."""

    def __missing__(self, name: str) -> str:
        self[name] = safe_name(name)
        return self[name]


@dataclass(frozen=True, kw_only=True)
class ScoresCsv(LogFormat):
    """One row per example, model and metric."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        if suffix_of(file) not in (".csv", ".tsv"):
            return False
        text = head.decode("utf-8-sig", errors=OTHER_BYTES)
        try:
            columns = _columns(next(csv.reader(io.StringIO(text), delimiter=_delimiter(text)), []))
        except csv.Error:
            return False
        return all(name in columns for name in NEEDED) and ("id" in columns or "prompt" in columns)

    def read(self, file: Path) -> Sequence[ForeignLog]:
        groups: dict[tuple[str, str], list[Numbered]] = {}
        for line, row in _with_plain_ids(list(_rows(file))):
            groups.setdefault((row.get("task") or file.stem, row["model"] or UNNAMED), []).append((line, row))
        if not groups:
            raise ConfigError("holds no row of scores", file=file, remedy="write a row per example and model")
        sha256 = file_digest(file)
        last = max(groups.values(), key=lambda rows: rows[-1][0])
        return [
            ForeignLog(
                task=task,
                system=model,
                model=model,
                origin=Origin(tool="csv", version=None, file=file, sha256=sha256),
                metrics=tuple(
                    Metric(name=name, higher_is_better=not lower_is_better(name))
                    for name in dict.fromkeys(_metric(row) for _, row in rows)
                ),
                samples=partial(_samples, file, rows),
                notes=(UNENDED,) if rows is last and _is_unended(file) else (),
            )
            for (task, model), rows in groups.items()
        ]


def _is_unended(file: Path) -> bool:
    """Whether the last line has no line break; a table that was cut off within a value still reads as one."""
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) not in b"\r\n"


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _columns(header: Sequence[str]) -> dict[str, int]:
    """What is held → the column that holds it."""
    names = [name.strip().lower() for name in header]
    known = {what: [names.index(n) for n in accepted if n in names] for what, accepted in COLUMNS.items()}
    return {what: places[0] for what, places in known.items() if places}


def _rows(file: Path) -> Iterator[Numbered]:
    try:
        text = file.read_text(encoding="utf-8-sig", errors=OTHER_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    lines = list(io.StringIO(text, newline=""))
    # The line added at the end is a blank row, unless it lies within quotation marks.
    reader = csv.reader([*lines, "\n"], delimiter=_delimiter(text))
    safe = _SafeNames()
    try:
        header = next(reader, [])
        columns = _columns(header)
        _refuse_twins(file, header)
        end = reader.line_num
        for values in reader:
            start, end = end + 1, reader.line_num
            if values and end > len(lines):
                what = "is cut off: the row that begins here ends within quotation marks"
                remedy = 'copy the file again, or close the quotation mark (")'
                raise ConfigError(what, file=file, line=start, remedy=remedy)
            if not any(values):
                continue
            if len(values) != len(header):
                what = f"{len(values)} columns where the first line has {len(header)}"
                remedy = 'write a value that holds the separator in quotation marks (")'
                raise ConfigError(what, file=file, line=reader.line_num, remedy=remedy)
            row = {name: values[column] for name, column in columns.items()}
            for name in NAMES & row.keys():
                row[name] = safe[row[name]]
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"not a table: {error}", file=file, line=reader.line_num) from None


def _refuse_twins(file: Path, header: Sequence[str]) -> None:
    """Two columns of one name that is read: nothing says which of them counts."""
    counts = Counter(name.strip().lower() for name in header)
    for name in (name for accepted in COLUMNS.values() for name in accepted):
        if counts[name] > 1:
            what = f"{counts[name]} columns are called '{name}'"
            raise ConfigError(what, file=file, line=1, remedy="rename all but one of them")


def _with_plain_ids(rows: Sequence[Numbered]) -> Iterator[Numbered]:
    """The rows with their ids as the tools write them: if every id ends with ".0", a spreadsheet program
    turned them into numbers."""
    ids = [id_ for _, row in rows if (id_ := row.get("id", "").strip())]
    decimal = bool(ids) and all(_DECIMAL.fullmatch(id_) for id_ in ids)
    for line, row in rows:
        if "id" in row:
            row["id"] = row["id"].strip().removesuffix(".0") if decimal else row["id"].strip()
        yield line, row


def _metric(row: Row) -> str:
    return row.get("metric") or "score"


def _samples(file: Path, rows: Sequence[Numbered]) -> Iterator[ForeignSample]:
    """One sample per example and repeat; an example that appears twice for one metric is refused. A row without id and
    prompt is an example of its own: nothing says which."""
    merged: dict[_Key, tuple[Row, dict[str, float | None]]] = {}
    errors: dict[_Key, str] = {}  # of any of an example's rows: there is one answer behind them
    for line, row in rows:
        id_, prompt = row.get("id", ""), row.get("prompt", "")
        key = (id_, prompt, row.get("repeat", ""), 0 if id_ or prompt else line)
        _, scores = merged.setdefault(key, (row, {}))
        metric = _metric(row)
        if metric in scores:
            raise ConfigError(
                f"example '{key[0] or key[1]}' of {row['model']} is there twice",
                file=file,
                line=line,
                remedy="say which repeat each row is in a column `repeat`",
            )
        scores[metric] = _score(file, line, row["score"])
        errors[key] = errors.get(key, "") or row.get("error", "").strip()
    order = {text: index for index, text in enumerate(sorted({key[2] for key in merged}, key=_by_number))}
    for key, (row, scores) in merged.items():
        (id_, prompt, repeat, _), error = key, errors[key]
        yield ForeignSample(
            id=id_,
            prompt=prompt or None,
            target=row.get("target"),
            answer=row.get("answer"),
            scores={} if error else scores,
            error=error,
            repeat=order[repeat],
        )


def _score(file: Path, line: int, text: str) -> float | None:
    try:
        return cell(text)
    except ValueError:
        remedy = "write a number with a decimal point, true or false, or N/A"
        raise ConfigError(f"'{text}' is no score", file=file, line=line, remedy=remedy) from None


def _by_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text
