"""lm-eval's `results_*.json` with the `samples_*.jsonl` beside it, as `--output_path` and `--log_samples` write them.

A samples file has one block of lines per filter: the same documents again, with the scores of another filter.
They become further scores of the same answers. Of several repeats in a line lm-eval scores the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.keys import file_digest
from harness.imports import json_files, lm_eval_files, lm_eval_lines, lm_eval_plain
from harness.imports.lm_eval_types import Output
from harness.imports.protocol import LogFormat, suffix_of
from harness.imports.sample import Block, ForeignLog, ForeignSample, Metric, Origin, together
from harness.imports.scores import lower_is_better

KNOWN_VERSIONS = ("0.4.",)
"""How the versions begin whose files are known."""


@dataclass(frozen=True, kw_only=True)
class LmEval(LogFormat):
    """`doc_id` does not identify a document: after `--samples` out of order it belongs to another one."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        if suffix_of(file) == ".jsonl":
            return b'"doc_id"' in head and (b'"doc"' in head or b'"doc_hash"' in head)
        whole = suffix_of(file) == ".json" and b'"results"' in head
        return whole and (
            b'",none"' in head or b',none"' in head or b'"alias"' in head or b'"sample_len"' in head
        )

    def read(self, file: Path) -> Sequence[ForeignLog]:
        if suffix_of(file) == ".jsonl":
            return [_log(file, lm_eval_files.results_beside(file), lm_eval_files.task_of(file))]
        output = lm_eval_files.read(file)
        tasks = [name for name in output["results"] if lm_eval_files.samples_file(file, name).is_file()]
        if not tasks:
            lm_eval_files.refuse_packed(file, output)
            raise ConfigError(
                "no samples_*.jsonl of its date lies beside it, so no example can be paired",
                file=file,
                remedy="name the samples file itself if it has another name, or run lm_eval with --log_samples; the means "
                "alone: harness benchmark --import FILE",
            )
        lost = lm_eval_files.without_samples(output, tasks)
        logs = [_log(lm_eval_files.samples_file(file, task), file, task) for task in tasks]
        note = f"no samples file of {', '.join(lost)} lies beside {file.name}: left out"
        return [replace(log, notes=(*log.notes, note)) for log in logs[:1]] + logs[1:] if lost else logs


def _log(samples: Path, results: Path | None, task: str) -> ForeignLog:
    output: Output = {"results": {}} if results is None else lm_eval_files.read(results)
    unscored = lm_eval_files.predicted_only(output, task)
    reported = () if unscored else tuple(_reported(output, task)) or tuple(_named(samples))
    sha256 = file_digest(samples)
    name = lm_eval_files.model_name(output) or f"unnamed {sha256[:6]}"
    version = json_files.mapping(output.get("versions")).get(task)
    asked, offered = lm_eval_files.sizes(output, task)
    scored = [(kept, field, metric.field) for metric, field, kept in reported]
    return ForeignLog(
        task=task,
        task_version=None if version is None else json_files.shown_id(version),
        system=name,
        model=name,
        origin=Origin(
            tool="lm-eval",
            version=_text(output, "lm_eval_version"),
            file=samples,
            sha256=sha256,
            settings=lm_eval_files.settings(output, task),
        ),
        metrics=tuple(metric for metric, _, _ in reported),
        samples=partial(_samples, samples, scored),
        blocks=partial(_blocks, samples, scored),
        streamed=True,
        created_at=None if results is None else lm_eval_files.measured_at(output, results).isoformat(),
        asked=asked,
        offered=offered,
        notes=tuple(_notes(output, results, unscored, bool(reported))),
    )


def _notes(output: Output, results: Path | None, unscored: bool, scored: bool) -> Iterator[str]:
    version = _text(output, "lm_eval_version")
    if version is not None and not version.startswith(KNOWN_VERSIONS):
        known = " and ".join(f"{number}*" for number in KNOWN_VERSIONS)
        yield f"lm-eval {version} is not known (known: {known}); read anyway, because it has the expected fields"
    if unscored:
        yield "made with --predict_only: its answers are not scored"
    elif results is None and not scored:
        yield (
            "its lines have no field `metrics`, and no results file of its date names them: put the results_*.json of the "
            "same run beside it"
        )
    elif results is None:
        yield "no results file of its date: means are not checked"


def _text(output: Output, name: str) -> str | None:
    value = output.get(name)
    return value if isinstance(value, str) else None


def _reported(output: Output, task: str) -> Iterator[tuple[Metric, str, str]]:
    """Each metric with its field in a sample and its filter."""
    for metric, kept, mean, _ in lm_eval_files.metrics(output, task):
        better = lm_eval_files.higher_is_better(output, task, metric)
        name = lm_eval_files.metric_name(metric, kept)
        yield Metric(name=name, mean=mean, higher_is_better=better), metric, kept


def _named(samples: Path) -> Iterator[tuple[Metric, str, str]]:
    """What the lines themselves say, if there is no results file."""
    named: dict[tuple[str, str], None] = {}
    for line in json_files.records(samples, lm_eval_lines.Fields):
        named |= {(str(field), str(line.filter)): None for field in json_files.list_of(line.metrics)}
    for field, kept in named:
        better = not lower_is_better(field)
        yield Metric(name=lm_eval_files.metric_name(field, kept), higher_is_better=better), field, kept


def _samples(file: Path, scored: Sequence[lm_eval_lines.Scored]) -> Iterator[ForeignSample]:
    """One sample per document, with the scores of every filter. The documents are those of the first filter that
    has a score: one whose mean is NaN may come before it."""
    several = len({kept for kept, _, _ in scored}) > 1
    later = _of_all_filters(file, scored) if several else {}
    counts: Counter[str] = Counter()
    first = _first_filter(file, scored)
    for line, kept, scores in lm_eval_lines.read(file, scored, lm_eval_lines.Line):
        first = kept if first is None else first
        if kept != first:
            continue
        if several:
            id_ = json_files.shown_id(line.doc_id)
            scores |= later.get((id_, counts[id_]), {})
            counts[id_] += 1
        yield lm_eval_lines.sample_of(line, scores)


def _blocks(file: Path, scored: Sequence[lm_eval_lines.Scored]) -> Iterator[Block]:
    """As `_samples`, many at a time where their lines are plain."""
    first = _first_filter(file, scored)
    plain = lm_eval_plain.of(first, scored)
    if plain is None:
        yield from together(_samples(file, scored))
        return
    for number, block in json_files.raw_blocks(file):
        columns = plain.columns(block)
        if columns is not None:
            yield columns
            continue
        lines = json_files.lines_of(block, number)
        yield [
            lm_eval_lines.sample_of(line, scores)
            for line, kept, scores in lm_eval_lines.read(file, scored, lm_eval_lines.Line, lines)
            if kept == first
        ]


def _first_filter(file: Path, scored: Sequence[lm_eval_lines.Scored]) -> str | None:
    """The first filter in a file that has a score; None if none has."""
    filters = {kept for kept, _, _ in scored}
    lines = lm_eval_lines.read(file, scored, lm_eval_lines.Numbered) if filters else ()
    return next((kept for _, kept, _ in lines if kept in filters), None)


def _of_all_filters(
    file: Path, scored: Sequence[lm_eval_lines.Scored]
) -> dict[tuple[str, int], lm_eval_lines.Scores]:
    """Scores of all filters, by number and occurrence of the document within its filter's block."""
    known: dict[tuple[str, int], lm_eval_lines.Scores] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for line, kept, scores in lm_eval_lines.read(file, scored, lm_eval_lines.Numbered):
        id_ = json_files.shown_id(line.doc_id)
        known.setdefault((id_, counts[kept, id_]), {}).update(scores)
        counts[kept, id_] += 1
    return known
