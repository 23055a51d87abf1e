"""What a report is about: the tasks that were asked, and the models or systems that were asked them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.validation import adapter
from harness.results import run_scores
from harness.results.folder import ResultsFolder
from harness.results.records.run import CellRecord


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One task and one model; of another tool's log, one system in one file."""

    task: str
    model: str
    """The model as it was named, or the imported system."""
    data: str = ""
    """The task's data, or the contents of the imported file, as a hash; empty where it is not known."""
    handle: str = ""
    """The task as it was typed, which leads to the same task after its data changed; empty for an imported log."""

    def same(self, other: Subject) -> bool:
        """Whether both ask one model one task, whatever its rows are by now."""
        if (self.task, self.model) != (other.task, other.model):
            return False
        unknown = not (self.data and other.data)
        return unknown or self.data == other.data or (bool(self.handle) and self.handle == other.handle)

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def of_record(record: CellRecord) -> Subject:
    """What a run is about."""
    if record.imported is not None:
        sha256 = str(record.imported.sha256 or "")
        return Subject(task=record.task.name, model=record.recipe.name, data=sha256[:16])
    return Subject(
        task=record.task.name,
        model=record.model.spec,
        data=str(record.task.data_hash or ""),
        handle=run_scores.invocation(record, "").task,
    )


def of_runs(results: Path, runs: Iterable[str]) -> tuple[Subject, ...]:
    """What `runs` are about, each subject once."""
    records = [ResultsFolder(results).run(run).record() for run in runs]
    return tuple(dict.fromkeys(of_record(record) for record in records if record is not None))


def read(summary: Mapping[str, object]) -> tuple[Subject, ...]:
    """The subjects in a report's summary; of a report from before they were written, those of its verdicts."""
    for name in ("subjects", "verdicts"):
        if isinstance(entries := summary.get(name), list):
            try:
                return tuple(adapter(Subject).validate_python(_known(entry)) for entry in entries)
            except (ValueError, AttributeError, TypeError):
                continue
    return ()


def _known(entry: dict[str, object]) -> dict[str, object]:
    return {name: entry[name] for name in ("task", "model", "data", "handle") if name in entry}


def covered(earlier: Iterable[Subject], now: Iterable[Subject]) -> bool:
    """Whether a report about `now` has all that one about `earlier` is about."""
    subjects = tuple(now)
    return all(any(subject.same(other) for other in subjects) for subject in earlier)
