"""A run's folder: `cell.json` first, samples as they come, `run.json` last.

The existence of `run.json` is what says that a run is finished, so it is written whole under
another name and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.run.missing import has_answers, is_final


class RunFolder:
    """Reads and writes one run below `results/runs/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def steps(self) -> Path:
        return self.path / "train_steps.jsonl"

    def stage(self, index: int) -> Path:
        return self.path / "weights" / str(index)

    def finished(self) -> dict[str, Any] | None:
        """The record of a run that was completed without an error; None when there is none."""
        record = self.record()
        done = isinstance(record, dict) and record.get("status") == "done"
        return record if done else None

    def answered(self) -> dict[str, Any] | None:
        """The record of a run that came to its end with answers, even where some of them are missing."""
        record = self.record()
        return record if has_answers(record) else None

    def drop_errors(self) -> None:
        """Take rows without an answer out of the samples, so that they are asked again, where that can help."""
        rows = self.rows()
        kept = [row for row in rows if row["finish_reason"] != "error" or is_final(row)]
        if len(kept) < len(rows):
            part = self.samples.with_suffix(f".{os.getpid()}.part")
            part.unlink(missing_ok=True)
            part.touch()
            for row in kept:
                append_line(part, row)
            part.replace(self.samples)

    def record(self) -> dict[str, Any] | None:
        try:
            return read_json(self.path / "run.json")
        except (FileNotFoundError, ValueError):
            return None

    def begin(self, cell: dict[str, Any]) -> None:
        """Make the folder and say what runs in it; an earlier failure's record is dropped.

        Raises:
            ConfigError: the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "run.json").unlink(missing_ok=True)
            write_json(self.path / "cell.json", cell)
        except OSError as error:
            remedy = "choose another folder with --results, or make this one writable"
            raise ConfigError(f"cannot be written: {error.strerror}", file=self.path, remedy=remedy) from None

    def finish(self, record: dict[str, Any]) -> None:
        write_json(self.path / "run.json", record)

    def rows(self) -> list[dict[str, Any]]:
        """Complete sample rows so far; a half-written last line is cut off, so that it is asked again."""
        rows, end = [], 0
        if not self.samples.exists():
            return []
        with self.samples.open("rb") as stream:
            for line in stream:
                try:
                    row = json.loads(line)
                except ValueError:
                    break
                if not (line.endswith(b"\n") and isinstance(row, dict) and "sample_id" in row):
                    break
                rows.append(row)
                end += len(line)
        if end < self.samples.stat().st_size:
            os.truncate(self.samples, end)
        return rows


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FileNotFoundError, json.JSONDecodeError: there is none.
    """
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file; a half-written last line is left out."""
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.endswith("\n"):
                    yield json.loads(line)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def append_line(path: Path, value: Any) -> None:
    """Append one JSON line and hand it to the system at once; a lone surrogate is written as JSON escapes it."""
    with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(json.dumps(value, ensure_ascii=False) + "\n")
