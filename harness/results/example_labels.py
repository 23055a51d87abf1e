"""What a list shows of an example: the id that its own log had, and the beginning of its question."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core import secrets
from harness.core.names import as_shown
from harness.results.records.run import CellRecord

LENGTH = 60
"""How many characters of a question a list shows."""


def named_by_contents(record: CellRecord) -> bool:
    """Whether a run's examples are named by a hash of what they ask, so that several logs pair."""
    return record.imported is not None and (record.task.format or {}).get("kind") == "imported"


def label(record: CellRecord, sample_id: str, meta: Mapping[str, object] | None) -> str:
    """The id of an example as the user knows it: for an imported log, the one in the log."""
    own = (meta or {}).get("id")
    return str(own) if named_by_contents(record) and own not in (None, "") else sample_id


def beginning(asked: Mapping[str, object] | None, length: int = LENGTH) -> str:
    """The first characters of a question on one line: its only field, or all of them with their names."""
    fields = asked or {}
    texts = [
        f"{value}" if len(fields) == 1 else f"{as_shown(name)}: {value}" for name, value in fields.items()
    ]
    return secrets.beginning(" ".join(" ".join(texts).split()), length)
