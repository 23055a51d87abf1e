"""Which files of a results folder are uploaded, and as what: a run, a journal, or a file by itself."""

from __future__ import annotations

from pathlib import Path

from harness.core.guarded import is_inside
from harness.results.folder import LIVE
from harness.results.remote import journals, runs
from harness.results.remote.filesystem import is_safe

INDEX = "harness.duckdb"
"""Built from the files on every machine, so of no use to another machine."""


def to_upload(folder: Path) -> list[str]:
    """What is to be uploaded: finished runs first (by their `run.json`), then journals, then other files."""
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and is_inside(path, folder)
    ]
    kept = [name for name in names if is_record(name) or is_plain(name) or journals.is_journal(name)]
    return sorted(kept, key=lambda name: (not is_record(name), not journals.is_journal(name), name))


def of_searches(folder: Path) -> list[str]:
    """What searches know about their trials: uploaded with every trial that finishes."""
    studies = (path.relative_to(folder).as_posix() for path in folder.glob("studies/*.journal"))
    return ["trials.jsonl", *studies]


def is_record(name: str) -> bool:
    """Whether a name is that of a run's `run.json`, which stands for the whole run."""
    parts = name.split("/")
    return len(parts) >= 3 and parts[-3] == "runs" and parts[-1] == runs.RECORD and is_safe(name)


def is_plain(name: str) -> bool:
    """Whether a file is uploaded and fetched by itself: not a journal, and not part of a run."""
    parts = name.split("/")
    of_run = parts[parts.index("runs") + 2 :] if "runs" in parts else []
    own = bool(of_run) and of_run[0] not in runs.LATER
    derived = parts[0].startswith(INDEX) or parts[0] == LIVE or name.endswith((".part", ".lock"))
    apart = parts[0] == journals.MACHINES or journals.is_journal(name) or (parts[-2:-1] == ["runs"])
    return is_safe(name) and not (own or derived or apart)
