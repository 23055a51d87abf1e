"""What the live page shows, read from the results folder, so it also works for a run of another process or of
yesterday."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.core.errors import HarnessError
from harness.core.finite import finite_json
from harness.evidence import early
from harness.evidence.verdict_types import Verdict
from harness.report import build
from harness.report.badges import badge, tone
from harness.report.data import load, with_verdicts
from harness.report.html.page import visible
from harness.report.live import tail
from harness.report.live.score_so_far import ScoreSoFar
from harness.report.live.tail import Answer, Curve
from harness.results import live, run_scores
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.live import LiveRun
from harness.runner.states import ENDED, in_words

POLL = 0.4
"""Seconds between two checks of the folder."""
REBUILT = 4.0
"""Minimum number of seconds between two reports; after a slow build the wait is ten times its duration."""
NOT_YET = ("incomplete",)
"""Sections that would report a running run as interrupted."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe's line in the verdict so far."""

    recipe: str
    mean: float
    low: float
    high: float
    n: int
    planned: int | None


@dataclass(frozen=True, kw_only=True)
class VerdictSoFar:
    task: str
    model: str
    badge: str
    tone: str
    """The badge's color, as in the report."""
    sentence: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class CellShown:
    """A cell in words. `since` is when its state began, in seconds since the epoch; None if it is not at work.
    `so_far` is the score of the answers so far; empty once the cell has ended."""

    id: str
    name: str
    state: str
    done: int
    total: int
    training: float | None
    result: str
    active: bool
    over: bool
    since: float | None = None
    so_far: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that the page needs; `report` counts the reports so far, and `final` says that the report's file
    exists."""

    name: str
    state: str
    seconds_left: float | None = None
    cells: tuple[CellShown, ...] = ()
    curves: tuple[Curve, ...] = ()
    answers: tuple[Answer, ...] = ()
    verdicts: tuple[VerdictSoFar, ...] = ()
    report: int = 0
    final: bool = False


@dataclass
class Watch:
    """Watches one experiment from a thread of its own; `json` is the latest snapshot, `version` counts
    changes."""

    results: Path
    name: str
    json: str = "{}"
    version: int = 0
    page: str = ""
    """The report so far."""
    _report: int = 0
    _built: float = 0.0
    _took: float = 0.0
    _known: tuple[object, ...] = ()
    _verdicts: tuple[VerdictSoFar, ...] = ()
    _scores: dict[str, ScoreSoFar] = field(default_factory=dict)
    _closed: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.look()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def final(self) -> Path | None:
        """The report's file, once the command has ended: read now, because the latest check may be older than
        its end."""
        return _final(self._state_now())

    def _state_now(self) -> LiveRun:
        """What the command says of itself; read again where its process is gone, because it may have ended after the
        first reading."""
        run = live.read(self.results, self.name) or LiveRun(name=self.name)
        return (live.read(self.results, self.name) or run) if run.interrupted else run

    def _run(self) -> None:
        while not self._closed.wait(POLL):
            self.look()

    def look(self) -> None:
        """Read what changed; a file that cannot be read now is read at the next check."""
        run = self._state_now()
        try:
            self._rebuild(run)
        except (OSError, ValueError, KeyError, HarnessError):
            self._built = time.monotonic()  # a run folder that is being changed
        text = finite_json(asdict(self._snapshot(run)), compact=True)
        if text != self.json:
            self.json = text
            self.version += 1

    def _snapshot(self, run: LiveRun) -> Snapshot:
        folders = {cell.id: ResultsFolder(self.results).run(cell.id) for cell in run.cells}
        begun = [
            (_name(cell), folders[cell.id]) for cell in run.cells if cell.state != "waiting" or cell.done
        ]
        return Snapshot(
            name=visible(run.name),
            state=_state(run),
            seconds_left=run.seconds_left if run.at_work else None,
            cells=tuple(_shown(cell, run, self._so_far(cell, folders[cell.id])) for cell in run.cells),
            curves=tuple(curve for name, folder in begun if (curve := tail.curve(name, folder)) is not None),
            answers=tail.latest(begun),
            verdicts=self._verdicts,
            report=self._report,
            final=_final(run) is not None,
        )

    def _so_far(self, cell: live.LiveCell, folder: RunFolder) -> str:
        """The score of a cell that is not over yet."""
        if cell.state in ENDED or not cell.done:
            self._scores.pop(cell.id, None)
            return ""
        return self._scores.setdefault(cell.id, ScoreSoFar(folder)).words()

    def _rebuild(self, run: LiveRun) -> None:
        """The verdict and the report over the finished runs, if these have changed."""
        if time.monotonic() - self._built < max(REBUILT, 10 * self._took) and self._built:
            return
        folders = [ResultsFolder(self.results).run(cell.id) for cell in run.cells]
        ended = [folder for folder in folders if folder.answered() is not None]
        known = tuple((f.path.name, (f.path / "run.json").stat().st_mtime_ns) for f in ended)
        if known == self._known or len(known) < len(self._known):  # the next round of a run has begun
            return
        clock = time.monotonic()
        verdicts = [
            early.so_far(verdict) for verdict in run_scores.verdicts([folder.path for folder in ended])
        ]
        data = with_verdicts(load(self.results, [f.path.name for f in ended]), self.name, verdicts)
        sections = [name for name, _ in build.discover() if name not in NOT_YET]
        self.page = build.render(data, only=sections)
        self._verdicts = tuple(_verdict(verdict) for verdict in verdicts if len(verdict.summaries) > 1)
        self._known, self._report = known, self._report + 1
        self._built, self._took = time.monotonic(), time.monotonic() - clock


def _final(run: LiveRun) -> Path | None:
    """The report's file, once the command has ended."""
    from harness.report import index

    if run.at_work or not run.report:
        return None
    file = Path(run.report)
    return file if index.is_report(file) else None


def _state(run: LiveRun) -> str:
    if run.at_work:
        return "running"
    if run.interrupted and run.cells:
        return "interrupted: to resume, run the same command"
    words = {
        "done": "finished",
        "stopped": "stopped: to resume, run the same command",
        "failed": "ended with an error",
    }
    return words.get(run.ending, "starting")


def _name(cell: live.LiveCell) -> str:
    labels = "" if cell.labels is None else f" (n={cell.labels})"
    seed = f", seed {cell.seed}" if cell.seed else ""
    return visible(f"{cell.recipe}{labels}{seed}")


def _shown(cell: live.LiveCell, run: LiveRun, so_far: str) -> CellShown:
    over = cell.state in ENDED
    interrupted = not over and not run.at_work and (cell.state != "waiting" or cell.done > 0)
    active = run.at_work and not over and cell.state != "waiting"
    return CellShown(
        id=cell.id,
        name=_name(cell),
        state="interrupted" if interrupted else visible(in_words(cell.state)),
        done=cell.done,
        total=cell.total,
        training=cell.training,
        result=visible(cell.result),
        active=active,
        over=over or not run.at_work,
        since=cell.since if active else None,
        so_far=so_far,
    )


def _verdict(verdict: Verdict) -> VerdictSoFar:
    rows = [
        Row(recipe=visible(s.recipe), mean=s.mean, low=s.low, high=s.high, n=s.n, planned=s.planned)
        for s in verdict.summaries
    ]
    return VerdictSoFar(
        task=visible(verdict.task),
        model=visible(verdict.model),
        badge=visible(badge(verdict)),
        tone=tone(verdict),
        sentence=visible(verdict.sentence),
        rows=tuple(rows),
    )
