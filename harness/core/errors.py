"""Every error that the harness raises on purpose.

    HarnessError                    exit code 3
    ├── ConfigError                 exit code 2: the user's input is at fault
    ├── RemoteError                 exit code 3: remote storage did not answer
    └── RunError                    exit code 3: a cell could not be finished
        ├── ParityError             training and evaluation disagree; the score is blocked
        ├── EngineError             a model or server did not answer
        └── WorkerLostError         the process or machine that worked on it died

Authors of kinds raise plain Python errors; the runner turns them into a failed cell.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


class HarnessError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command returns."""

    exit_code = 3


class ConfigError(HarnessError):
    """Input that cannot be used: says what, where (file and line) and how to mend it."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        remedy: str = "",
    ) -> None:
        self.message, self.file, self.line, self.remedy = message, file, line, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        location = "" if self.file is None else f"{self.file}"
        if location and self.line is not None:
            location += f":{self.line}"
        head = f"{location}: {self.message}" if location else self.message
        return f"{head} — {self.remedy}" if self.remedy else head


class RemoteError(HarnessError):
    """Remote storage could not be read or written; what is done is kept here."""


class RunError(HarnessError):
    """A cell could not be finished; the other cells go on."""


class ParityError(RunError):
    """Training and evaluation do not agree, so a score would mean nothing."""

    checks: Sequence[Mapping[str, object]] = ()
    """Every check as the record of a run has it."""


class EngineError(RunError):
    """A model or server did not answer."""


class WorkerLostError(RunError):
    """The worker died (killed, out of memory, machine gone) each time that a job was tried."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy that names the closest known name and lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {', '.join(known)}"
