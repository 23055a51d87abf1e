"""The triage file: what `harness diagnose` left for later reports and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.files import write_json
from harness.core.keys import digest
from harness.core.validation import adapter
from harness.evidence.triage import Triage
from harness.results.folder import ResultsFolder, read_json


def triage_file(results: Path, task: str, model: str) -> Path:
    """Where a triage is kept, so that a later report can set it beside the outcome."""
    return ResultsFolder(results).triage(task, digest([task, model]))


def read_triage(results: Path, task: str, model: str) -> Triage | None:
    """The triage that an earlier `harness diagnose` left; None when there is none that can be read."""
    try:
        return adapter(Triage).validate_python(read_json(triage_file(results, task, model))["triage"])
    except (OSError, ValueError, KeyError):
        return None


def write_triage(results: Path, task: str, model: str, diagnosis: Mapping[str, object]) -> None:
    """Keep a diagnosis; it replaces an earlier one of the same task and model."""
    file = triage_file(results, task, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, dict(diagnosis))
