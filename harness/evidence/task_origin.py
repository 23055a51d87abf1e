"""The data that `harness init` made a task of, and how more of its rows become test examples."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass

from harness.core import formatting
from harness.evidence.verdict_types import Jsonable


@dataclass(frozen=True, kw_only=True)
class Origin(Jsonable):
    """What to type to make the task again."""

    data: str
    """The file or folder, as typed."""
    words: tuple[str, ...] = ()
    """Options of `harness init` other than `--test-size` and `--force`."""
    test_share: float | None = None
    """Share of the rows that go to test by default; None if the data have a test split of their own."""
    spare: int = 0
    """Labeled rows that init left out, and that `--test-size` brings to test."""
    growing: bool = True
    """Whether the user can add rows; not to a data set on the hub or behind a URL."""
    edited: bool = False
    """Whether the task file was changed since: making the task again undoes that."""
    changed: bool = False
    """Whether the data have changed since, so that the task's rows are those of earlier data."""

    def command(self, test_size: int | None = None) -> str:
        size = [] if test_size is None else ["--test-size", str(test_size)]
        return shlex.join(["harness", "init", self.data, *self.words, *size, "--force"])

    @property
    def outdated(self) -> str:
        """That the task is older than its data, and the command that makes it anew; empty if it is not."""
        if not self.changed:
            return ""
        after = "which writes task.yaml again, without your changes" if self.edited else ""
        return f"made from {self.data}, which has changed since; to use its rows as they are now: {_aside(self.command(), after)}"

    def more(self, asked: int, more: int | None) -> str:
        """How to get `more` test examples than the `asked`; empty if these data cannot give them."""
        where = self.data if self.test_share is not None else f"the test split of {self.data}"
        after = "which writes task.yaml again, without your changes" if self.edited else ""
        if more is not None and self.spare >= more:
            command = self.command(asked + more)
            again = "train and dev are drawn anew"
            return f"init left out {self.spare:,} rows; to use some: {_aside(command, again, after)}"
        if not self.growing:
            return ""
        if more is None:
            return f"add labeled rows to {where}, then: {_aside(self.command(), after)}"
        share = ""
        if self.test_share is not None:
            rows = math.ceil(round(more / self.test_share, 6))
            share = f"without --test-size, {formatting.percent(self.test_share)} of the rows go to test, so that it takes {rows:,} rows"
        command = self.command(asked + more)
        return f"add {more:,} labeled rows to {where}, then: {_aside(command, share, after)}"


def _aside(command: str, *notes: str) -> str:
    kept = "; ".join(filter(None, notes))
    return f"{command} ({kept})" if kept else command
