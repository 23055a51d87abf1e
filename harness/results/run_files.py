"""A run folder read for the store: whatever is readable, and what was not, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.keys import digest

Row = dict[str, Any]
FILES = ("samples.jsonl", "train_steps.jsonl", "benchmarks.jsonl")


@dataclass(frozen=True, kw_only=True)
class Head:
    """What `run.json` (or, for a run that is not finished, `cell.json`) says."""

    id: str
    folder: Path
    record: Row
    source: str
    """Changes when any file of the run changes: tells whether the store is up to date."""
    problems: list[str] = field(default_factory=list)


def read_head(folder: Path) -> Head | str:
    """The head of a run folder, or why there is none."""
    for name in ("run.json", "cell.json"):
        path = folder / name
        if not path.exists():
            continue
        try:
            raw = path.read_bytes()
            record = _loads(raw)
        except (OSError, ValueError) as error:
            return f"{path}: not readable as JSON ({error}); this run is left out"
        if not isinstance(record, dict):
            return f"{path}: not a JSON object; this run is left out"
        record = {"status": "partial"} | record if name == "cell.json" else record
        sizes = [_size(folder / file) for file in FILES]
        return Head(id=folder.name, folder=folder, record=record, source=digest([_text(raw), sizes]))
    return f"{folder}: neither run.json nor cell.json; this run is left out"


def run_folders(results: Path) -> list[Path]:
    """The run folders of a results folder, by name."""
    runs = results / "runs"
    return sorted(p for p in runs.iterdir() if p.is_dir() and p.name[0] != ".") if runs.is_dir() else []


def read_rows(path: Path, problems: list[str]) -> Iterator[Row]:
    """The objects of a JSONL file. What cannot be read is skipped and said in `problems`.

    A last line without its newline is an answer that was being written when the run stopped.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = _loads(line)
            except ValueError:
                cut = not line.endswith(b"\n")
                what = "cut off in the middle of its last line" if cut else "not JSON"
                problems.append(f"{path.name}:{number}: {what}; skipped")
                continue
            if isinstance(row, dict):
                yield row
            else:
                problems.append(f"{path.name}:{number}: not an object; skipped")


def _loads(raw: bytes) -> Any:
    value = json.loads(_text(raw))
    return _repair(value) if b"\\ud" in raw.lower() else value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _repair(value: Any) -> Any:
    """Lone surrogates, which no UTF-8 file can hold, become the replacement character."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repair(key): _repair(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_repair(item) for item in value]
    return value


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
