"""Which progress is shown: a table on a terminal, lines in a log, nothing when quiet."""

from __future__ import annotations

import sys

from harness.runner.live_table import LiveProgress
from harness.runner.progress import PlainProgress, Progress


def choose(*, quiet: bool) -> Progress:
    """The progress that fits where stderr goes."""
    if quiet:
        return Progress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
