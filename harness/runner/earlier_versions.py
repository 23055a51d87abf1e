"""Library versions, other than today's, that made a part of a run: a larger `--limit` keeps the answers that are there."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.json_types import JsonValue
from harness.results import likeness
from harness.results.folder import RunFolder
from harness.results.records.run import CellRecord
from harness.runner import environment

Versions = Mapping[str, str]


def of_answers(folder: RunFolder) -> list[Versions]:
    """Versions that made the answers already in a folder; none for a server, whose answers no library here makes."""
    head = folder.head()
    if head is None or not folder.samples.exists() or folder.samples.stat().st_size == 0:
        return []
    return others(head)


def of_weights(folder: RunFolder, trained_by: str | None) -> list[Versions]:
    """Versions that trained the weights, if another run did."""
    head = None if trained_by is None else RunFolder(folder.path.with_name(trained_by)).head()
    return [] if head is None else others(head)


def others(head: CellRecord) -> list[Versions]:
    """The versions of a record that are known not to be today's, each once."""
    now = environment.versions()
    made = [*head.earlier_versions, *([head.versions] if head.versions else [])]
    kept: list[Versions] = []
    for versions in made:
        if any(item.known for item in likeness.answered(versions, now)) and versions not in kept:
            kept.append(versions)
    return kept


def fields(*parts: list[Versions]) -> dict[str, JsonValue]:
    """The field of a record, absent if there are none."""
    kept = [dict(versions) for part in parts for versions in part]
    return {"earlier_versions": kept} if kept else {}
