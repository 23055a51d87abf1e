"""lm-eval's `results_*.json` with the `samples_*.jsonl` beside it, as `--output_path` and `--log_samples` write them.

A samples file has one block of lines per filter: the same documents once more, with the scores of another filter. They
become further scores of the same answers. Of several repeats in a line lm-eval scores the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import file_digest
from harness.imports import json_files, lm_eval_files
from harness.imports.lm_eval_types import Output
from harness.imports.protocol import LogFormat
from harness.imports.sample import ForeignLog, ForeignSample, Metric, Origin
from harness.imports.scores import lower_is_better, number


@dataclass(frozen=True, kw_only=True)
class LmEval(LogFormat):
    """`doc_id` is no document: after `--samples` out of order it is another one's."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        if file.suffix == ".jsonl":
            return b'"doc_id"' in head and (b'"doc"' in head or b'"doc_hash"' in head)
        whole = file.suffix == ".json" and b'"results"' in head
        return whole and (
            b'",none"' in head or b',none"' in head or b'"alias"' in head or b'"sample_len"' in head
        )

    def read(self, file: Path) -> Sequence[ForeignLog]:
        if file.suffix == ".jsonl":
            return [_log(file, lm_eval_files.results_beside(file), lm_eval_files.task_of(file))]
        output = lm_eval_files.read(file)
        tasks = [name for name in output["results"] if lm_eval_files.samples_file(file, name).is_file()]
        if not tasks:
            raise ConfigError(
                "no samples_*.jsonl of its date lies beside it, so no example can be paired",
                file=file,
                remedy="run lm_eval with --log_samples; its means alone: harness benchmark --import FILE",
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
        samples=partial(_samples, samples, [(kept, field, metric.name) for metric, field, kept in reported]),
        created_at=None if results is None else lm_eval_files.measured_at(output, results).isoformat(),
        notes=_notes(results, unscored),
    )


def _notes(results: Path | None, unscored: bool) -> tuple[str, ...]:
    if unscored:
        return ("made with --predict_only: its answers are not scored",)
    return () if results is not None else ("no results file of its date: means are not checked",)


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
    """What the lines themselves name, where there is no results file."""
    named: dict[tuple[str, str], None] = {}
    for _, line in json_files.lines(samples):
        kept = str(line.get("filter", "none"))
        for field in json_files.list_of(line.get("metrics")):
            named[str(field), kept] = None
    for field, kept in named:
        better = not lower_is_better(field)
        yield Metric(name=lm_eval_files.metric_name(field, kept), higher_is_better=better), field, kept


def _samples(file: Path, reported: Sequence[tuple[str, str, str]]) -> Iterator[ForeignSample]:
    """One sample per document, with the scores of every filter."""
    fields: dict[str, list[tuple[str, str]]] = {}
    for kept, field, name in reported:
        fields.setdefault(kept, []).append((field, name))
    later = _of_later_filters(file, fields) if len(fields) > 1 else {}
    counts: Counter[str] = Counter()
    first: str | None = None
    for _, line in json_files.lines(file):
        kept = str(line.get("filter", "none"))
        first = first or kept
        if kept != first:
            continue
        scores = {name: number(line.get(field)) for field, name in fields.get(kept, ())}
        if later:
            id_ = json_files.shown_id(line.get("doc_id"))
            scores |= later.get((id_, counts[id_]), {})
            counts[id_] += 1
        yield sample_of(line, scores)


def _of_later_filters(
    file: Path, fields: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[tuple[str, int], dict[str, float | None]]:
    """Scores of all filters, by number and occurrence of the document within its filter's block."""
    scores: dict[tuple[str, int], dict[str, float | None]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for _, line in json_files.lines(file):
        kept, id_ = str(line.get("filter", "none")), json_files.shown_id(line.get("doc_id"))
        known = scores.setdefault((id_, counts[kept, id_]), {})
        known |= {name: number(line.get(field)) for field, name in fields.get(kept, ())}
        counts[kept, id_] += 1
    return scores


def sample_of(line: JsonObject, scores: Mapping[str, float | None]) -> ForeignSample:
    """A line of a samples file with the scores that were read of it."""
    texts, continuations = _asked(line.get("arguments"))
    prompt = texts[0] if texts else None
    others = [text for text in texts[1:] if text != prompt] + continuations
    doc, hash_ = line.get("doc"), line.get("doc_hash")
    return ForeignSample(
        id=json_files.shown_id(line.get("doc_id")),
        prompt=prompt,
        target=line.get("target"),
        conditions="\x1e".join(others),
        document=doc if isinstance(doc, dict) else None,
        hash=hash_ if isinstance(hash_, str) else "",
        answer=_answer(line, continuations),
        scores=scores,
    )


def _asked(arguments: JsonValue) -> tuple[list[str], list[str]]:
    """The prompts of a document, and the continuations whose likelihood was asked."""
    given = list(arguments.values()) if isinstance(arguments, dict) else json_files.list_of(arguments)
    prompts, continuations = [], []
    for argument in given:
        parts = list(argument.values()) if isinstance(argument, dict) else json_files.list_of(argument)
        if parts and isinstance(parts[0], str):
            prompts.append(parts[0])
        if len(parts) > 1 and isinstance(parts[1], str):
            continuations.append(parts[1])
    return prompts, continuations


def _answer(line: JsonObject, continuations: Sequence[str]) -> str | None:
    """The text that was generated, or the likeliest of several continuations."""
    responses = json_files.list_of(line.get("resps"))
    if not continuations:
        first: JsonValue = responses[0] if responses else None
        while isinstance(first, list):
            first = first[0] if first else None
        return first if isinstance(first, str) else None
    likelihoods = [_likelihood(item) for item in json_files.list_of(line.get("filtered_resps"))]
    if len(likelihoods) != len(continuations) or len(likelihoods) < 2 or None in likelihoods:
        return None
    known = [value for value in likelihoods if value is not None]
    return continuations[known.index(max(known))].strip()


def _likelihood(response: JsonValue) -> float | None:
    first = response[0] if isinstance(response, list) and response else None
    try:
        return float(first) if isinstance(first, str | int | float) else None
    except ValueError:
        return None
