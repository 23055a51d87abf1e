"""The mean score of the answers that a run has given so far: something to watch, and no evidence.

It has no interval on purpose. Short answers end first, and prompts that begin alike are asked together, so the first
answers are not a random part of the test set, however many there are.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.report.html.page import visible
from harness.results.folder import RunFolder

LONGEST_LINE = 1 << 22
"""Bytes of a line; a longer one is skipped, because no answer is that long."""


@dataclass
class ScoreSoFar:
    """Reads only the lines that a file of answers has gained since the last call."""

    folder: RunFolder
    _file: int = 0
    """Inode of the file that was read."""
    _read: int = 0
    """Bytes of its whole lines."""
    _scores: list[float] = field(default_factory=list)

    def words(self) -> str:
        """The scorer, the mean, and of how many answers; empty if none is scored yet or the file cannot be read."""
        head = self.folder.head()
        primary = "" if head is None else str(head.task.primary)
        try:
            self._read_on(primary)
        except (OSError, ConfigError):
            return ""
        if not self._scores:
            return ""
        mean = sum(self._scores) / len(self._scores)
        return visible(f"{primary} {mean:.3f} so far, of the first {len(self._scores)}")

    def _read_on(self, primary: str) -> None:
        path: Path = self.folder.samples
        with guarded.of_results(path).open("rb") as stream:
            state = path.stat()
            if (
                state.st_ino != self._file or state.st_size < self._read
            ):  # another attempt wrote a file of its own
                self._file, self._read, self._scores = state.st_ino, 0, []
            stream.seek(self._read)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                score = None if len(line) > LONGEST_LINE else primary_score(line, primary)
                if score is not None and math.isfinite(score):
                    self._scores.append(score)


def primary_score(line: bytes, primary: str) -> float | None:
    """The primary scorer's value in a line of answers; None if it has none."""
    try:
        return score_of(json.loads(line), primary)
    except (ValueError, RecursionError):
        return None


def score_of(row: JsonValue, primary: str) -> float | None:
    """The primary scorer's value in a row of answers; None if it has none.

    Raises:
        ValueError: the row is not laid out as an answer.
    """
    scores = (row.get("scores") or []) if isinstance(row, dict) else None
    if not isinstance(scores, list):
        raise ValueError("not an answer")
    for score in scores:
        if isinstance(score, dict) and score.get("scorer") == primary:
            value = score.get("value")
            return float(value) if isinstance(value, int | float) else None
    return None
