"""SHA-256 of large files, computed once."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from harness.core.files import draft
from harness.core.keys import digest, file_digest
from harness.models import cache


def folder_digest(folder: Path) -> str:
    """A digest of the names and contents of all files in a folder, subfolders included."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return digest({str(file.relative_to(folder)): remembered_digest(file) for file in files})


def remembered_digest(file: Path) -> str:
    """The SHA-256 of a file, cached by its path, size, inode and times.

    A file rewritten with the size and modification time of the old one (`cp -p`, `rsync -t`) has a different
    inode or a different change time, which no program can set.
    """
    real = file.resolve()
    state = real.stat()
    key = digest([str(real), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino])
    memory = cache.folder() / "digests" / f"{key}.json"
    try:
        return str(json.loads(memory.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError):
        pass
    sha256 = file_digest(real)
    # A cache that cannot be written remembers nothing, but the digest is still correct.
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        with draft(memory) as part:
            part.write_text(json.dumps({"sha256": sha256}), encoding="utf-8")
    return sha256
