"""Every error that the harness raises on purpose.

    HarnessError                    exit code 3
    ├── ConfigError                 exit code 2: the user's input is at fault
    ├── RemoteError                 exit code 3: remote storage did not answer
    └── RunError                    exit code 3: a cell could not be finished
        ├── ParityError             training and evaluation disagree; the score is blocked
        ├── EngineError             a model or server did not answer
        ├── CellSkippedError        the user asked to skip it
        └── WorkerLostError         the process or machine that worked on it died

Authors of kinds raise plain Python errors; the runner turns them into a failed cell.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_MEANT = 2
"""If more names than this share a word, they are not a hint."""
_ALIKE = 0.6
"""`difflib`'s ratio below which two names are not taken for each other: `dpo` is not a misspelled `dora`."""


class HarnessError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command returns."""

    exit_code = 3


class ConfigError(HarnessError):
    """Input that cannot be used: says what, where (file and line) and how to fix it."""

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
    """Remote storage could not be read or written; finished work is kept here."""


class RunError(HarnessError):
    """A cell could not be finished; the other cells go on."""


class ParityError(RunError):
    """Training and evaluation do not agree, so a score would mean nothing."""

    checks: Sequence[Mapping[str, object]] = ()
    """Every check as the record of a run has it."""


class EngineError(RunError):
    """A model or server did not answer."""


class CellSkippedError(RunError):
    """The user asked to skip a cell; what it has done so far is kept."""


class WorkerLostError(RunError):
    """The worker died (killed, out of memory, machine gone) each time a job was tried."""


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust (tokenizers, safetensors, llguidance) gave up: no `Exception`, but no reason to
    end the process either."""
    return type(error).__name__ == "PanicException"


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy that suggests the known names that are near enough to be meant, and lists them all.

    A name is near if it has `name` as one of its words (`dpo`: `lora_dpo`), else if its spelling is the
    closest.
    """
    known = sorted(known)
    having = [one for one in known if name.lower() in re.split(r"[^a-z0-9]+", one.lower())]
    alike = (
        difflib.get_close_matches(name, known, 1, _ALIKE) or [k for k in known if _one_letter(name, k)][:1]
    )
    close = having if 0 < len(having) <= _MEANT else alike
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}known: {', '.join(known)}"


def _one_letter(name: str, other: str) -> bool:
    """Whether two names of one length differ in a single letter: `s4`, `s3`."""
    return len(name) == len(other) and sum(a != b for a, b in zip(name, other, strict=True)) == 1
