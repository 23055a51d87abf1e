"""Which progress a command shows: a live table, plain lines, or nothing."""

from __future__ import annotations

import sys

from harness.runner.live_table import LiveProgress
from harness.runner.plain_progress import PlainProgress
from harness.runner.progress import Progress


def choose(*, quiet: bool) -> Progress:
    """The progress that suits stderr: a table on a terminal, plain lines elsewhere; nothing if `quiet`."""
    if quiet:
        return Progress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
