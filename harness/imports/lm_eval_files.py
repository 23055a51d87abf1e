"""What lm-eval's files say besides the scores: model, date, limit, settings, and which files belong together.

results_<date>.json            what `lm_eval --output_path FOLDER` writes (`--output_path x.json`: x_<date>.json)
samples_<task>_<date>.jsonl    what `--log_samples` adds beside it; the date links the two
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import cast

from harness.core import packed
from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue
from harness.core.secrets import beginning, hidden
from harness.imports import json_files
from harness.imports.json_files import mapping
from harness.imports.lm_eval_types import Output
from harness.imports.scores import lower_is_better, number

BYPASS = "bypass"
"""The metric that `--predict_only` writes, as 999."""
_STAMP = re.compile(r"_(\d{4}-\d\d-\d\d)T(\d\d-\d\d-\d\d)(\.\d+)?$")
_SECONDS = re.compile(r"(?!\d{8}$)\d+(\.\d+)?")
"""Seconds since 1970 as text; eight digits are a day: 20260501."""
_ASKED = ("gen_kwargs", "system_instruction", "chat_template_sha", "fewshot_as_multiturn")


def read(file: Path) -> Output:
    """lm-eval's results.

    Raises:
        ConfigError: missing, not JSON, or without results by task.
    """
    remedy = "name a results_*.json that lm_eval --output_path wrote"
    if not file.exists():
        raise ConfigError("no such file", file=file, remedy=remedy)
    output = json_files.whole(file)
    results = output.get("results")
    if not isinstance(results, Mapping) or not all(isinstance(item, Mapping) for item in results.values()):
        raise ConfigError("not results of lm-eval: no 'results' by task", file=file, remedy=remedy)
    return cast(Output, output)


def stamp(file: Path) -> str:
    """The date in a file's name, verbatim, with the underscore before it; empty if there is none."""
    match = _STAMP.search(file.stem)
    return "" if match is None else match[0]


def samples_file(results: Path, task: str) -> Path:
    """The path of a task's samples beside a results file."""
    return results.with_name(f"samples_{task.replace('/', '__')}{stamp(results) or _rest(results)}.jsonl")


def refuse_packed(results: Path, output: Output) -> None:
    """Name the first samples file of a results file that somebody packed.

    Raises:
        ConfigError: there is one.
    """
    for task in output["results"]:
        samples = samples_file(results, task)
        for file in (samples.with_name(f"{samples.name}{ending}") for ending in packed.ENDINGS):
            refusal = packed.refusal(file, packed.beginning(file)) if file.is_file() else None
            if refusal is not None:
                raise refusal


def results_beside(samples: Path) -> Path | None:
    """The results file that a samples file belongs to: the one with its date; None if there is none."""
    mark = stamp(samples)
    beside = sorted(samples.parent.glob(f"*{mark}.json")) if mark else []
    return beside[0] if beside else None


def task_of(samples: Path) -> str:
    """The task that a samples file is named after."""
    return samples.stem.removeprefix("samples_").removesuffix(stamp(samples))


def metrics(output: Output, task: str) -> Iterator[tuple[str, str, float, float | None]]:
    """(metric, filter, value, standard error) of a task, in lm-eval's order; what is not a number is left
    out, and so is the 999 of `--predict_only`."""
    reported = output["results"].get(task) or {}
    for name, value in reported.items():
        metric, comma, kept = name.partition(",")
        known = number(value) if not isinstance(value, bool) else None
        if not comma or metric.endswith("_stderr") or metric == BYPASS or known is None:
            continue
        yield metric, kept, known, number(reported.get(f"{metric}_stderr,{kept}"))


def predicted_only(output: Output, task: str) -> bool:
    """Whether `--predict_only` left nothing to score."""
    return any(name.partition(",")[0] == BYPASS for name in output["results"].get(task) or {})


def without_samples(output: Output, tasks: Collection[str]) -> list[str]:
    """The tasks that have results and are not among `tasks`; a group of tasks has no samples of its own."""
    parts = mapping(output.get("group_subtasks"))
    groups = {*mapping(output.get("groups")), *(name for name, tasks_of_it in parts.items() if tasks_of_it)}
    return [name for name in output["results"] if name not in tasks and name not in groups]


def metric_name(metric: str, kept: str) -> str:
    """lm-eval's `metric,filter`, without the filter if there is none."""
    return metric if kept == "none" else f"{metric},{kept}"


def higher_is_better(output: Output, task: str, metric: str) -> bool:
    """As lm-eval says; if it says nothing, as the metric's name suggests."""
    known = mapping(mapping(output.get("higher_is_better")).get(task)).get(metric)
    return known if isinstance(known, bool) else not lower_is_better(metric)


def model_name(output: Output) -> str | None:
    """The model that was measured: `hf` and the like name a way to load a model, not a model."""
    config = mapping(output.get("config"))
    arguments = _arguments(config.get("model_args"))
    name = output.get("model_name") or arguments.get("pretrained") or arguments.get("model")
    return hidden(str(name)) if name else None


def _arguments(given: JsonValue) -> JsonObject:
    if isinstance(given, str):
        return {part.partition("=")[0]: part.partition("=")[2] for part in given.split(",")}
    return given if isinstance(given, Mapping) else {}


def limit(output: Output, task: str, n: int | None) -> int | None:
    """How many documents were asked; None if all were. A limit below 1 is a share of them."""
    asked, whole = sizes(output, task)
    if asked is not None and whole is not None:
        return asked if asked < whole else None
    bound = number(mapping(output.get("config")).get("limit"))
    if bound is None or bound <= 0:
        return None
    return int(bound) if bound >= 1 else n


def sizes(output: Output, task: str) -> tuple[int | None, int | None]:
    """How many documents were asked, and how many the task has, as lm-eval counts them."""
    counts = mapping(mapping(output.get("n-samples")).get(task))
    asked, whole = counts.get("effective"), counts.get("original")
    return asked if isinstance(asked, int) else None, whole if isinstance(whole, int) else None


def settings(output: Output, task: str) -> JsonObject:
    """What decides how a task was asked, as far as lm-eval records it."""
    config = mapping(output.get("config"))
    known = {name: config.get(name) or cast(JsonObject, output).get(name) for name in _ASKED}
    shots = mapping(output.get("n-shot")).get(task)
    return {name: value for name, value in {"num_fewshot": shots, **known}.items() if value}


def measured_at(output: Output, file: Path) -> datetime.datetime:
    """When it was measured, in UTC: seconds since 1970, or a date as text, which is taken as UTC if it names
    no zone; if the file says nothing, the time in its name, or else that of its last change.

    Raises:
        ConfigError: an invalid date.
    """
    date: float | str | None = output.get("date")
    if date is None:
        mark = _STAMP.search(file.stem)
        date = f"{mark[1]}T{mark[2].replace('-', ':')}" if mark else file.stat().st_mtime
    try:
        if isinstance(date, str) and not _SECONDS.fullmatch(date.strip()):
            moment = datetime.datetime.fromisoformat(date.strip())
            return moment.astimezone(datetime.UTC) if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return datetime.datetime.fromtimestamp(float(date), datetime.UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        remedy = "seconds since 1970, or such as 2026-05-01T12:00:00"
        raise ConfigError(
            f"its date {beginning(str(date), 80)!r} is not a date", file=file, remedy=remedy
        ) from None


def _rest(results: Path) -> str:
    return results.stem.removeprefix("results")
