"""What a study found: its trials, the best of them, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import RunError
from harness.results.records.trial import TrialRecord
from harness.results.trials import read as read_trials
from harness.search import objectives
from harness.search.study_config import StudyConfig
from harness.search.trial_loop import open_study, recorded


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The result of a search: all rows of the study, the best of them (or the Pareto front)."""

    study: str
    rows: tuple[TrialRecord, ...]
    best: TrialRecord
    front: tuple[TrialRecord, ...]

    def time(self) -> dict[str, float]:
        """Seconds of all trials, the share of them that was training, and their optimizer steps.

        A trial whose run existed already, trained by an earlier command, took no time.
        """
        own = [row for row in self.rows if row.seconds and row.duplicate_of is None]
        here = [row for row in own if (row.seconds or 0.0) >= (row.train_seconds or 0.0)]
        total = sum(row.seconds or 0.0 for row in here)
        training = sum(row.train_seconds or 0.0 for row in here)
        share = training / total if total else 0.0
        steps = sum(row.train_steps or 0 for row in own)
        return {"trials": total, "training": training, "share_training": share, "steps": steps}


def collect(plan: StudyConfig) -> SearchResult:
    """The study as its storage has it; `trials.jsonl` is updated to match.

    Raises:
        RunError: no trial was finished.
    """
    recorded(plan, open_study(plan))
    rows = tuple(row for row in read_trials(plan.results) if row.study == plan.study)
    done = [row for row in rows if row.state == "complete" and row.duplicate_of is None]
    feasible = [row for row in done if row.feasible]
    if not done:
        cause = next((row.error for row in rows if row.error), "no trial was run")
        raise RunError(f"all {len(rows)} trials failed; the first: {cause}")
    if not feasible:
        least = min(done, key=lambda row: sum(max(x, 0) for x in (row.constraints or {}).values()))
        raise RunError(
            f"no trial of {len(done)} satisfies the constraints; trial {least.number} comes closest, "
            f"above by {least.constraints} — loosen --constraint or widen --space"
        )
    sign = 1 if objectives.direction(plan.objectives[0]) == "maximize" else -1
    best = max(feasible, key=lambda row: (sign * (row.value or 0.0), -row.number))
    return SearchResult(study=plan.study, rows=rows, best=best, front=tuple(_front(feasible)))


def _front(rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that no other trial dominates: none is at least as good in every objective and better in one."""

    def points(row: TrialRecord) -> list[float]:
        pairs = zip((row.objectives or {}).values(), row.directions, strict=True)
        return [value if direction == "maximize" else -value for value, direction in pairs]

    def beaten(row: TrialRecord) -> bool:
        own = points(row)
        others = [points(other) for other in rows]
        return any(o != own and all(a >= b for a, b in zip(o, own, strict=True)) for o in others)

    return [row for row in rows if not beaten(row)]
