"""The lines that OpenAI Evals' `LocalRecorder` writes: a `spec`, a `final_report`, then events in any order.

`sample_id` is a line number of the samples file and does not identify content: the prompt is in the
`sampling` event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import file_digest
from harness.imports import chat, json_files
from harness.imports.json_files import list_of, object_of, shown_id, text_of
from harness.imports.protocol import LogFormat, suffix_of
from harness.imports.sample import ForeignLog, ForeignSample, Metric, Origin
from harness.imports.scores import number

METRICS = {"correct": "accuracy", "score": "score", "f1_score": "f1_score"}
"""Field of a `match` or `metrics` event → what the tool calls its mean."""


@dataclass
class _Events:
    """What is known about one sample."""

    prompt: JsonValue = None
    sampled: JsonValue = None
    target: JsonValue = None
    error: str = ""
    scores: dict[str, list[float]] = field(default_factory=dict)

    def means(self) -> dict[str, float | None]:
        return {name: sum(values) / len(values) if values else None for name, values in self.scores.items()}


@dataclass(frozen=True, kw_only=True)
class OpenaiEvals(LogFormat):
    """`correct` of a `match` event is the score; `picked` is null for a wrong answer of one eval, and a text for another."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        first = head.lstrip().split(b"\n", 1)[0]
        return suffix_of(file) == ".jsonl" and b'"spec"' in first and b'"completion_fns"' in first

    def read(self, file: Path) -> Sequence[ForeignLog]:
        runs: dict[str, _Run] = {}
        for id_, line in _lines(file):
            run, spec = runs.setdefault(id_, _Run()), object_of(line.get("spec"))
            run.spec = spec or run.spec
            run.events += "event_id" in line
            run.report = object_of(line.get("final_report")) or run.report
            if line.get("type") in ("match", "metrics"):
                run.names |= dict.fromkeys(name for name in METRICS if name in object_of(line.get("data")))
        answered = {id_: run for id_, run in runs.items() if run.events}
        if not answered:
            remedy = "run the eval again; a run that fails writes its spec line alone"
            raise ConfigError("holds no answer: the run stopped before it ended", file=file, remedy=remedy)
        sha256 = file_digest(file)
        counts: Counter[tuple[str, str]] = Counter()
        logs = []
        for id_, run in answered.items():
            log = _log(file, sha256, id_, run)
            counts[log.task, log.system] += 1
            count = counts[log.task, log.system]
            logs.append(log if count == 1 else replace(log, system=f"{log.system} #{count}"))
        return logs


def _lines(file: Path) -> Iterator[tuple[str, JsonObject]]:
    """Each line with its run: the one it names, else that of the latest spec."""
    latest: JsonValue = None
    for _, line in json_files.lines(file):
        latest = object_of(line.get("spec")).get("run_id") or latest
        yield shown_id(line.get("run_id") or latest), line


@dataclass
class _Run:
    """What a file says about one of its runs: a recorder that is given the same path again appends."""

    spec: JsonObject = field(default_factory=dict)
    report: JsonObject = field(default_factory=dict)
    events: int = 0
    names: dict[str, None] = field(default_factory=dict)


def _log(file: Path, sha256: str, id_: str, run: _Run) -> ForeignLog:
    spec = run.spec
    name = ", ".join(map(str, list_of(spec.get("completion_fns")))) or f"unnamed {sha256[:6]}"
    config = object_of(spec.get("run_config"))
    return ForeignLog(
        task=text_of(spec.get("eval_name")) or text_of(spec.get("base_eval")) or file.stem,
        system=name,
        model=name,
        origin=Origin(
            tool="openai-evals",
            version=None,
            file=file,
            sha256=sha256,
            settings={key: config[key] for key in ("completion_fns", "eval_spec") if key in config},
        ),
        metrics=tuple(
            Metric(name=METRICS[name], mean=number(run.report.get(METRICS[name]))) for name in run.names
        ),
        samples=partial(_samples, file, id_),
        streamed=True,
        created_at=_moment(text_of(spec.get("created_at"))),
        notes=() if run.report else ("no final report: the run stopped before it ended",),
    )


def _moment(text: str | None) -> str | None:
    return None if text is None else text.replace(" ", "T", 1)


def _samples(file: Path, run_id: str) -> Iterator[ForeignSample]:
    """One sample per `sample_id` of a run, in the order of the samples file; several scores of one sample are
    averaged."""
    known: dict[str, _Events] = {}
    for id_, line in _lines(file):
        if line.get("sample_id") is None or id_ != run_id:
            continue
        sample = known.setdefault(shown_id(line["sample_id"]), _Events())
        _add(sample, str(line.get("type")), object_of(line.get("data")))
    for id_ in sorted(known, key=_by_line):
        sample = known[id_]
        yield ForeignSample(
            id=id_,
            prompt=_prompt(sample.prompt),
            target=sample.target,
            answer=_prompt(sample.sampled),
            scores={} if sample.error else sample.means(),
            error=sample.error,
        )


def _add(sample: _Events, kind: str, data: JsonObject) -> None:
    if kind == "sampling":
        if sample.prompt is None:
            sample.prompt = data.get("prompt")
        sample.sampled = data.get("sampled")
    elif kind in ("match", "metrics"):
        sample.target = data.get("expected", sample.target)
        for name, label in METRICS.items():
            if name in data:
                value = number(data[name])
                sample.scores.setdefault(label, []).extend([] if value is None else [value])
    elif kind == "error":
        sample.error = str(data.get("message") or data.get("type") or "failed")


def _by_line(id_: str) -> tuple[str, int, str]:
    """Sorts `toy.dev.10` after `toy.dev.2`."""
    split, _, line = id_.rpartition(".")
    return (split, int(line), "") if line.isdigit() and len(line) < 19 else (id_, 0, id_)


def _prompt(given: JsonValue) -> str | None:
    """A text, the only text of a list, or the messages of a chat."""
    if isinstance(given, str) or given is None:
        return given
    parts = list_of(given)
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return chat.as_prompt(parts)
