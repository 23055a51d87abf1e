"""Files that are only ever appended to: every machine uploads its own copy, and takes the lines of the others.

Two machines never write the same object, so nothing is overwritten; lines are compared by their bytes.
"""

from __future__ import annotations

import fcntl
from pathlib import Path, PurePosixPath

from harness.core.files import line_end

MACHINES = "machines"
"""Folder of the remote with a folder for each machine: its journals under the names they have here."""


def is_journal(name: str) -> bool:
    """Whether lines are appended to the file of this name, by any machine, in any order."""
    path = PurePosixPath(name)
    return (
        name in ("trials.jsonl", "pins.jsonl")
        or path.name == "benchmarks.jsonl"
        or (path.suffix == ".jsonl" and path.parent.name == "answers")
    )


def remote_name(machine: str, name: str) -> str:
    """Where a machine's copy is on the remote."""
    return f"{MACHINES}/{machine}/{name}"


def origin(name: str) -> tuple[str, str] | None:
    """The machine and the journal's name of a copy on the remote; None for any other file."""
    parts = name.split("/", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == MACHINES and is_journal(parts[2]) else None


def whole_lines(file: Path) -> bytes:
    """What a journal holds up to its last newline: another line may be in the middle of being written."""
    content = file.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def merge(file: Path, content: bytes) -> None:
    """Append the whole lines of `content` that the journal does not have yet, in their order."""
    lines = [line + b"\n" for line in content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        before = stream.read()
        known = set(before.split(b"\n"))
        new = [line for line in dict.fromkeys(lines) if line.strip() and line.rstrip(b"\n") not in known]
        if new:
            stream.write(line_end(stream) + b"".join(new))
