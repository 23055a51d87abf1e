"""The triage file: what `harness diagnose` left for later reports and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.core.validation import adapter
from harness.evidence.triage import Triage
from harness.results import likeness, side_files
from harness.results.folder import ResultsFolder
from harness.results.records.run import TaskRecord

OF = "of"
"""The key of a triage file that says which data, scoring and weights it belongs to."""
REMEDY = "delete it; `harness diagnose` makes it again"


def triage_file(results: Path, task: str, model: str) -> Path:
    """Where a triage is kept, so that a later report can show it beside the outcome."""
    return ResultsFolder(results).triage(task, digest([task, model]))


def read_triage(
    results: Path, task: str, model: str, *, about: TaskRecord | None = None, fingerprint: str | None = None
) -> Triage | None:
    """The triage that an earlier `harness diagnose` left; None if there is no readable one.

    Args:
        about: the `task` part of the record beside which the triage is shown: a triage of other data, or with
            other scoring, does not count. One from before this was recorded is accepted.
        fingerprint: the same for the model's weights.
    """

    def of(content: JsonObject) -> Triage | None:
        mark = content.get(OF)
        if mark is not None and about is not None and mark != _of(about, fingerprint):
            return None
        triage: Triage = adapter(Triage).validate_python(content["triage"])
        return triage

    return side_files.read(triage_file(results, task, model), of, REMEDY)


def write_triage(
    results: Path, model: str, diagnosis: Mapping[str, object], *, about: TaskRecord, fingerprint: str
) -> None:
    """Keep a diagnosis, with what it belongs to; it replaces an earlier one of the same task and model."""
    file = triage_file(results, about.name, model)
    side_files.write(file, {**diagnosis, OF: _of(about, fingerprint)})


def _of(about: TaskRecord, fingerprint: str | None) -> dict[str, str | None]:
    return {
        "data_hash": about.data_hash,
        "scored": likeness.scoring_mark(about),
        "fingerprint": fingerprint,
    }
