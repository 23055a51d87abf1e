"""The name that a task gets if the user gives none: that of its data, or of the folder around them."""

from __future__ import annotations

import re
from pathlib import Path

from harness.results.remote.filesystem import is_url
from harness.tasks.split_names import SPLITS, split_of

GENERAL = {
    "data", "dataset", "all", "examples", "export", "output", "input", "file", "download", "downloads", "dump",
    "raw", "clean", "cleaned", "final", "full", "part", "shard", "default", "new", "old", "copy", "sheet", "table",
    "book", "mappe", "tabelle", "untitled", "unnamed", "document", "documents", "desktop", "tmp", "temp", "home",
    "of", "csv", "jsonl", "json", "parquet", "xlsx",
}  # fmt: skip
"""Words that say nothing about the contents of a file."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)


def of(data: str) -> str:
    """A name for a task made of `data`: the file's name, or its folder's if that says more.

    The query of an address is left out: it may hold a signature.
    """
    path = Path(re.split(r"[?#]", data)[0] if is_url(data) else data)
    stem = path.stem
    if path.suffix and _is_general(stem) and not _is_general(path.resolve().parent.name):
        stem = path.resolve().parent.name
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def _is_general(stem: str) -> bool:
    """Whether a name has no word that says what the data are: `train`, `Export (3)`, `part-00000-of-00002`."""
    words = [word for word in re.split(r"[\W_]+", UUID.sub("", stem).lower()) if word and not word.isdigit()]
    return (split_of(stem) in SPLITS and len(words) == 1) or all(word in GENERAL for word in words)
