"""The report of existing runs, in one or several formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.options import path, repeated
from harness.core.terminal import say
from harness.evidence.verdict import Verdict
from harness.report import files, formats, run_selection
from harness.report.build import build
from harness.report.run_selection import Chosen
from harness.results import run_scores
from harness.results.database import ingest
from harness.results.folder import ResultsFolder
from harness.results.remote import mirror
from harness.workflows.options.report import ReportOptions


@dataclass(frozen=True, kw_only=True)
class Report:
    """The files that were written, of which runs, and their verdicts."""

    files: tuple[Path, ...]
    chosen: Chosen
    verdicts: tuple[Verdict, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "files": [str(file) for file in self.files],
            "runs": list(self.chosen.runs),
            "unfinished": list(self.chosen.unfinished),
            "other_examples": list(self.chosen.other_examples),
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }


def from_options(options: ReportOptions) -> Report:
    """All that `harness report` does; what is left out is reported on stderr along the way.

    Raises:
        ConfigError: no such run or format, or a file that cannot be written.
    """
    results = options.results_path
    kinds = formats.parse(options.format)
    for problem in ingest.sync(results).problems:
        _note(problem)
    named, task = run_selection.or_task(results, repeated(options.runs), options.task)
    chosen = run_selection.choose(results, named, task)
    for note in chosen.notes:
        _note(note)
    folders = [ResultsFolder(results).run(run_id).path for run_id in chosen.runs]
    verdicts = run_scores.verdicts(folders)
    name, out = task or "report", path(options.out)
    base = out or files.named(name)
    alone = out is not None and len(kinds) == 1
    page = base if alone and kinds[0] == "html" else base.with_suffix(".html")
    placed = files.Placed(out=page) if named and out else files.place(results, page, chosen.runs)
    written: list[Path] = []
    for kind in kinds:
        if kind == "html":
            if placed.note:
                _note(placed.note)
            if placed.out is None:
                continue
            ids, title = (*chosen.runs, *chosen.unfinished), options.title or name
            written.append(build(results, placed.out, run_ids=ids, verdicts=verdicts, title=title))
        else:
            # Beside the page of the same runs: a table of others keeps its place with their page.
            file = base if alone else (placed.out or page).with_suffix(f".{kind}")
            table = files.Placed(out=file) if named and out else files.place_table(file, kind, verdicts)
            if table.note:
                _note(table.note)
            written.append(formats.write(verdicts, kind, table.file, run_scores.diagnoses(folders)))
        mirror.keep(results, written[-1])
    return Report(files=tuple(written), chosen=chosen, verdicts=tuple(verdicts))


def _note(text: str) -> None:
    say(f"note: {text}", error=True)
