"""Imported runs of a task in the results folder: a log that is imported later pairs with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.json_types import JsonObject
from harness.imports.content import NAMELESS, Evidence, Known
from harness.imports.json_files import list_of, object_of, text_of
from harness.imports.pairing import NamedLog
from harness.imports.sample import ForeignLog, ForeignSample, Metric, Origin
from harness.results import lines
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord


@dataclass(frozen=True, kw_only=True)
class StoredLog(NamedLog):
    """A run of another tool as it was stored, under the names that its examples got then."""

    record: RunRecord

    def samples(self) -> Iterator[tuple[str, ForeignSample]]:
        for row in lines.samples(RunFolder(self.log.origin.file).samples):
            yield row.sample_id, _sample(row)

    @property
    def shows_content(self) -> bool:
        """Whether its examples are known by what they ask."""
        return bool(self.evidence.get("content"))


def of_task(results: Path, logs: Sequence[ForeignLog]) -> list[StoredLog]:
    """The stored runs of the task of `logs`, one per system, except those of the same files and systems."""
    given = {(log.origin.sha256, log.system) for log in logs}
    task = logs[0].task
    kept: dict[tuple[str, str], tuple[RunRecord, Path]] = {}
    for folder in ResultsFolder(results).run_folders():
        record = RunFolder(folder).answered()
        if record is None or record.imported is None or not _is_imported_task(record, task):
            continue
        key = (record.imported.sha256, record.recipe.name)
        if key not in given and (key not in kept or record.seed < kept[key][0].seed):
            kept[key] = record, folder
    return [_stored(record, folder) for record, folder in kept.values()]


def _is_imported_task(record: RunRecord, task: str) -> bool:
    """Whether the run is of this task under its tool's name, and not scored by one of our tasks."""
    return record.task.name == task and dict(record.task.format or {}).get("kind") == "imported"


def _stored(record: RunRecord, folder: Path) -> StoredLog:
    assert record.imported is not None
    names = [row.sample_id for row in lines.samples(RunFolder(folder).samples)]
    evidence: Counter[Evidence] = Counter(kind for name in names if (kind := _evidence(name)) is not None)
    return StoredLog(
        log=ForeignLog(
            task=record.task.name,
            system=record.recipe.name,
            model=record.model.spec,
            origin=Origin(
                tool=record.imported.tool,
                version=record.imported.version,
                file=folder,
                sha256=record.imported.sha256,
                settings=record.imported.settings,
            ),
            metrics=tuple(Metric(name=scorer.name) for scorer in record.task.scorers),
            samples=tuple,
        ),
        pair_by="content",
        known=Known(),
        names=frozenset(names),
        evidence=dict(evidence),
        record=record,
    )


def _evidence(name: str) -> Evidence | None:
    if name.startswith(NAMELESS):
        return None
    return "id" if name.startswith("id-") else "hash" if name.startswith("hash-") else "content"


def _sample(row: SampleRecord) -> ForeignSample:
    """What is stored about an example. Without a prompt, its input is what the tool showed in its place."""
    shown, about = object_of(row.input), object_of(row.meta)
    prompt = text_of(shown.get("prompt"))
    bare = prompt is None and set(shown) == {"id"}
    given: JsonObject | None = None if bare or prompt is not None else shown
    return ForeignSample(
        id=text_of(about.get("id")) or "",
        prompt=prompt,
        input=given,
        target=row.target,
        conditions="\x1e".join(map(str, list_of(shown.get("choices")))) if prompt is not None else "",
        hash=text_of(about.get("hash")) or "",
    )
