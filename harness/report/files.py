"""Which file a report goes to: none is replaced by one about something else, or that holds fewer finished runs."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from harness.core import names
from harness.core.errors import ConfigError
from harness.evidence.verdict_types import Verdict
from harness.report import formats, index, subjects
from harness.report.subjects import Subject
from harness.results.folder import ResultsFolder

RESERVED = ("index", "history")
"""Pages of a folder of reports that are none."""


def named(name: str) -> Path:
    """The file of a report where the command names none; `name` may be that of a foreign task."""
    plain = name if names.is_valid(name) else names.slug(name) or index.FOLDER
    return Path(index.FOLDER) / (f"{plain}-report.html" if plain in RESERVED else f"{plain}.html")


SHOWN = 3
"""Tasks and models of a report that are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a report goes (None: nothing new to write), which one is kept, and what that one holds."""

    out: Path | None
    kept: Path | None = None
    holds: str = ""

    @property
    def file(self) -> Path:
        """The report to look at."""
        file = self.out or self.kept
        assert file is not None
        return file

    @property
    def note(self) -> str:
        """What is reported about the report that is kept; empty if none is."""
        return "" if self.kept is None else f"{self.kept} is kept: {self.holds}"


def check(out: Path, remedy: str = "choose another file for the report") -> None:
    """Reject a file that cannot be written before any work is done.

    Raises:
        ConfigError: it is a folder or a link to nothing, or its folder cannot be made or written.
    """
    above = out.parent
    while not (above.exists() or above.is_symlink()):
        above = above.parent
    for path, folder in ((out, False), (above, True)):
        if path.is_symlink() and not path.exists():
            raise ConfigError("is a link to nothing", file=path, remedy=f"delete it, or {remedy}")
        if path.exists() and path.is_dir() != folder:
            raise ConfigError(f"is {'no' if folder else 'a'} folder", file=path, remedy=remedy)
    written_through = out.exists() and not out.is_file()  # a device or a pipe
    if not written_through and not os.access(above, os.W_OK | os.X_OK):
        raise ConfigError("cannot be written", file=above, remedy=remedy)


def place(results: Path, out: Path, finished: Collection[str]) -> Placed:
    """Where to write a report of the runs `finished`: `out`, or beside it where `out` holds more or something else.

    Runs that are no longer in the results folder do not count, unless none of the report's is: then it was made from
    another results folder, and all of them count. A report without any finished run is written only where there is none.
    """
    about = subjects.of_runs(results, finished)
    here = _Held.by(results, out)
    if here.fits(finished, about):
        return Placed(out=out)
    why = here.sentence(about)
    if not finished:
        return Placed(out=None, kept=out, holds=why)
    for number in count(2):
        beside = out.with_stem(f"{out.stem}-{number}")
        if _Held.by(results, beside).fits(finished, about):
            return Placed(out=beside, kept=out, holds=why)
    raise AssertionError("unreachable")


def place_table(out: Path, kind: str, verdicts: Sequence[Verdict]) -> Placed:
    """Where to write verdicts as Markdown, JSON or CSV: `out`, or beside it where `out` is about something else."""
    about = formats.subjects(verdicts, kind)
    missing = formats.subjects_in(out, kind) - about
    if not missing:
        return Placed(out=out)
    named = sorted(heading.removeprefix("## ") for heading in missing)
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    for number in count(2):
        beside = out.with_stem(f"{out.stem}-{number}")
        if formats.subjects_in(beside, kind) <= about:
            return Placed(out=beside, kept=out, holds=f"it is about {', '.join(named[:SHOWN])}{more}")
    raise AssertionError("unreachable")


@dataclass(frozen=True, kw_only=True)
class _Held:
    """What a report that is there holds."""

    runs: frozenset[str]
    """Its finished runs that are still in the results folder; all, if it was made from another one."""
    subjects: tuple[Subject, ...]

    @classmethod
    def by(cls, results: Path, report: Path) -> _Held:
        summary = index.read_summary(report)
        finished = index.finished_runs(summary)
        if _is_from_elsewhere(results, index.ended(summary)):
            return cls(runs=frozenset(finished), subjects=subjects.read(summary))
        runs = frozenset(run for run in finished if ResultsFolder(results).run(run).path.is_dir())
        return cls(runs=runs, subjects=subjects.of_runs(results, runs) if runs else subjects.read(summary))

    def fits(self, finished: Collection[str], about: Collection[Subject]) -> bool:
        """Whether a report of the runs `finished` may take this one's place."""
        return len(self.runs) <= len(set(finished)) and subjects.covered(self.subjects, about)

    def sentence(self, about: Collection[Subject]) -> str:
        """What this report holds that one about `about` does not."""
        missing = [subject for subject in self.subjects if not subjects.covered([subject], about)]
        if about and missing:
            named = list(dict.fromkeys(f"{subject.task} · {subject.model}" for subject in missing))
            more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            other = " on other data" if _same_names(missing, about) else ""
            return f"it is about {', '.join(named[:SHOWN])}{more}{other}"
        count = len(self.runs)
        return f"it holds {count or 'other'} finished {'run' if count == 1 else 'runs'}"


def _is_from_elsewhere(results: Path, ended: Mapping[str, str]) -> bool:
    """Whether a report was made from another results folder: the same command has runs of the same ids in each, and they
    ended at other times."""
    here = {run: ResultsFolder(results).run(run).record() for run in ended}
    return bool(ended) and not any(
        record is not None and str(record.finished_at) == ended[run] for run, record in here.items()
    )


def _same_names(missing: Collection[Subject], about: Collection[Subject]) -> bool:
    pairs = {(subject.task, subject.model) for subject in about}
    return all((subject.task, subject.model) in pairs for subject in missing)
