"""Drafts of several logs. Large ones are written at the same time: one by this process, each other one by its own."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.imports.content import Evidence, Known
from harness.imports.pairing import NamedLog
from harness.imports.sample import ForeignLog
from harness.results.imported_rows import RowWriter
from harness.results.log_draft import LogDraft, Progress, draft, folder_of

LARGE = 64 << 20
"""Bytes of a log that is worth a process, which takes a third of a second to start."""
AT_ONCE = 4
"""The most logs that are written at the same time: each process holds the names of its log's examples."""
_PROGRAM = "from harness.results.log_drafts import write_requested; write_requested()"
Process = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What decides a draft of a log that shows what was asked."""

    folder: Path
    log: ForeignLog
    pair_by: Evidence

    def draft(self, progress: Progress | None = None) -> LogDraft:
        """Write it here."""
        return draft(self.folder, self.log, self.pair_by, Known(), progress)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a process says of the draft that it wrote. `names` has a line per example: a long text is sent and read in a
    fraction of the time of as many short ones."""

    writers: dict[int, RowWriter]
    names: str
    evidence: Counter[Evidence]
    unhashed: frozenset[str]

    def draft(self, job: Job) -> LogDraft:
        """The draft as if it had been written here."""
        names = NamedLog(
            log=job.log,
            pair_by=job.pair_by,
            known=Known(),
            names=set(self.names.split("\n")),
            evidence=self.evidence,
            unhashed=self.unhashed,
        )
        return LogDraft(log=job.log, folder=job.folder, writers=self.writers, names=names)


def drafts(
    results: Path, logs: Sequence[ForeignLog], pair_by: Evidence, progress: Progress | None = None
) -> list[LogDraft]:
    """Drafts of logs that show what was asked, in the order of the logs.

    Raises:
        ConfigError: as `log_draft.draft`.
    """
    jobs = [Job(folder=folder_of(results, log, pair_by), log=log, pair_by=pair_by) for log in logs]
    count = min(os.cpu_count() or 1, AT_ONCE)
    groups = [jobs[start : start + count] for start in range(0, len(jobs), count)]
    return [made for group in groups for made in _together(group, progress)]


def _together(jobs: Sequence[Job], progress: Progress | None) -> list[LogDraft]:
    """The drafts of some jobs. A job whose process fails is done here, so that its error is raised here."""
    large = [position for position, job in enumerate(jobs) if _is_large(job.log)]
    with ExitStack() as stack:
        processes = {position: _started(jobs[position], stack) for position in large[1:]}
        made = {
            position: job.draft(progress) for position, job in enumerate(jobs) if position not in processes
        }
        for position, process in processes.items():
            written = None if process is None else _result(process)
            made[position] = (
                jobs[position].draft(progress) if written is None else written.draft(jobs[position])
            )
    return [made[position] for position in range(len(jobs))]


def _is_large(log: ForeignLog) -> bool:
    return log.streamed and log.origin.file.stat().st_size >= LARGE


def _started(job: Job, stack: ExitStack) -> Process | None:
    """A process that writes the draft of a job; it ends with the stack. None if the job cannot be sent."""
    try:
        request = pickle.dumps(job)
    except (
        pickle.PicklingError,
        AttributeError,
        TypeError,
    ):  # the reader of a package's format may be a closure
        return None
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(request)
    return process


def _result(process: Process) -> Written | None:
    """What a process wrote; None if it failed."""
    assert process.stdout is not None
    answer = process.stdout.read()
    if process.wait():
        return None
    written: Written = pickle.loads(answer)
    return written


def write_requested() -> None:
    """What such a process does: the job comes on stdin, and what was written goes to stdout, where nothing else may go."""
    gc.disable()  # millions of objects are made here, and none of them in a cycle
    answer, sys.stdout = sys.stdout.buffer, sys.stderr
    job: Job = pickle.load(sys.stdin.buffer)
    made = job.draft()
    written = Written(
        writers=made.writers,
        names="\n".join(made.names.names),
        evidence=Counter(made.names.evidence),
        unhashed=made.names.unhashed,
    )
    answer.write(pickle.dumps(written))
    answer.flush()
