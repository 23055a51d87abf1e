"""Another tool's log as a draft: a folder beside the runs whose name starts with a dot, which is never taken for a run."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.secrets import beginning
from harness.imports.content import Evidence, Known
from harness.imports.pairing import NamedLog, Namers, by_repeat
from harness.imports.sample import Columns, ForeignLog, Metric
from harness.results import answer_columns
from harness.results.answer_columns import AnswerColumns
from harness.results.imported_rows import RowWriter
from harness.results.imported_tally import Tally, unusable

FEW, SHOWN = 3, 40
"""How many texts a note shows, and how much of each."""
EVERY = 10_000
"""Samples between two reports of progress."""
ABANDONED = 24 * 60 * 60
"""Seconds; an import writes every few of them, and the clocks of two machines may differ."""
ROOM = "make room there, or choose another folder with --results"
Progress = Callable[[int], None]


@dataclass(kw_only=True)
class LogDraft:
    """One log, written but not yet a run: a writer for each repeat."""

    log: ForeignLog
    folder: Path
    writers: dict[int, RowWriter] = field(default_factory=dict)
    names: NamedLog
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notes += fewer(self.log, len(self.names.names))
        self.notes += without_scores(self.log, self.writers.values())

    @cached_property
    def usable(self) -> list[Metric]:
        """The metrics whose samples are scores; the reasons why others are not go to `notes`."""
        kept = []
        for metric in self.log.metrics:
            total = Tally()
            for writer in self.writers.values():
                total.join(writer.tallies[metric.name])
            why = unusable(metric, total)
            if why:
                self.notes.append(why)
            else:
                kept.append(metric)
        return kept


def fewer(log: ForeignLog, count: int) -> Iterator[str]:
    """A note if a log holds fewer examples than the tool says that it asked."""
    if log.asked is not None and count < log.asked:
        yield f"holds {count:,} of the {log.asked:,} examples that {log.origin.tool} says it asked"


def without_scores(log: ForeignLog, writers: Collection[RowWriter]) -> Iterator[str]:
    """A note on each metric that has texts in place of scores."""
    answers = sum(writer.count for writer in writers)
    for metric in log.metrics:
        texts = sum((writer.worded.get(metric.field, Counter()) for writer in writers), Counter[str]())
        if texts:
            shown = ", ".join(repr(beginning(text, SHOWN)) for text, _ in texts.most_common(FEW))
            yield (
                f"{metric.name}: {texts.total():,} of {answers:,} values are texts that name no score ({shown}); they count as "
                f"0, as in {log.origin.tool}"
            )


def folder_of(results: Path, log: ForeignLog, pair_by: str) -> Path:
    """Where this process drafts a log: another one, or one of another machine, may be importing the same."""
    # Not imported with this file: a process that only writes a draft starts faster without it.
    from harness.results.folder import ResultsFolder

    mark = digest([log.origin.sha256, log.task, log.system, pair_by])[:12]
    return ResultsFolder(results).runs / f".import-{mark}-{_machine()}-{os.getpid()}"


def _machine() -> str:
    """This machine, as the machines that share a results folder tell each other apart."""
    return digest(socket.gethostname())[:8]


def remove_left_behind(folder: Path) -> None:
    """Remove drafts of the same log whose process was killed. Whether a process of another machine is alive is not known
    here: its draft is removed once nothing was written to it for `ABANDONED` seconds.

    Args:
        folder: what `folder_of` gives.
    """
    from harness.results.live import is_alive

    machine = folder.name.rpartition("-")[0]
    log = machine.rpartition("-")[0]
    for other in [folder.with_name(log), *folder.parent.glob(f"{log}-*")]:
        if other == folder or not other.is_dir():
            continue
        made_by, _, process = other.name.rpartition("-")
        here = made_by == machine and process.isdigit()
        if not is_alive(int(process)) if here else _is_abandoned(other):
            shutil.rmtree(other, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    written = 0.0
    for path in (folder, *folder.rglob("*")):
        with suppress(OSError):  # such as one that is just being put in place
            written = max(written, path.stat().st_mtime)
    return time.time() - written > ABANDONED


def draft(
    folder: Path, log: ForeignLog, pair_by: Evidence, known: Known, progress: Progress | None = None
) -> LogDraft:
    """Write the draft of a log into its folder.

    Raises:
        ConfigError: a damaged log, one without a sample, or a folder that cannot be written.
    """
    writers: dict[int, RowWriter] = {}
    namers = Namers(log, pair_by, known)
    count = 0
    large = log.blocks is not None and log.origin.file.stat().st_size >= answer_columns.LARGE

    def writer(repeat: int) -> RowWriter:
        if repeat not in writers:
            columns = AnswerColumns(folder / f"{repeat}.arrow") if large else None
            lines = folder / str(repeat) / "samples.jsonl"
            writers[repeat] = RowWriter(lines, log.metrics, columns=columns)
            opened.callback(writers[repeat].close)
        return writers[repeat]

    try:
        with ExitStack() as opened:  # closing writes the last lines, and fails on a full disk as well
            for block in log.all_blocks():
                if isinstance(block, Columns):
                    writer(0).add_columns(namers[0].columns(block), block)
                else:
                    for repeat, group in by_repeat(block):
                        writer(repeat).add(namers[repeat].each(group))
                if progress is not None and (count + len(block)) // EVERY > count // EVERY:
                    progress(count + len(block))
                count += len(block)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=folder, remedy=ROOM) from None
    if not count:
        raise ConfigError("holds no sample", file=log.origin.file)
    evidence: Counter[Evidence] = Counter()
    for namer in namers.values():
        evidence += namer.evidence
    first, *others = (namer.names for namer in namers.values())
    names = first.union(*others) if others else first
    unhashed = frozenset[str]().union(*(namer.unhashed for namer in namers.values()))
    named_log = NamedLog(
        log=log, pair_by=pair_by, known=known, names=names, evidence=evidence, unhashed=unhashed
    )
    return LogDraft(log=log, folder=folder, writers=writers, names=named_log)
