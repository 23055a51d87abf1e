"""Inspect's logs: `.eval` archives, and `.json` as `inspect log convert` writes them.

Each epoch is a repeat. Scores are those of the samples; a reducer's values over the epochs are not read, so
that reduced and raw scores are never mixed. A sample with an error has no score in that epoch only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import digest, file_digest
from harness.imports import archive, chat, json_files
from harness.imports.json_files import list_of, object_of, shown_id, text_of
from harness.imports.protocol import LogFormat, suffix_of
from harness.imports.sample import ForeignLog, ForeignSample, Metric, Origin
from harness.imports.scores import graded, lower_is_better, names_no_score

KNOWN_VERSIONS = (2,)
_ATTACHMENT = "attachment://"
_SETTINGS = (
    "temperature",
    "top_p",
    "max_tokens",
    "system_message",
    "seed",
    "reasoning_effort",
    "num_choices",
)


@dataclass(frozen=True, kw_only=True)
class InspectEval(LogFormat):
    """Sample ids are ints and texts, equal only as text; without ids they are 1…n by order, even after a
    shuffle."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        if suffix_of(file) == ".eval":
            return True
        return suffix_of(file) == ".json" and b'"eval_id"' in head and b'"eval"' in head

    def read(self, file: Path) -> Sequence[ForeignLog]:
        if suffix_of(file) == ".eval":
            with archive.opened(file) as members:
                header = _header(file, members)
                rows = (_sample(file, members, name) for name in _sample_names(members))
                values = _first_values(header, rows)
            samples = partial(_of_archive, file)
        else:
            header = json_files.whole(file)
            listed = [object_of(row) for row in list_of(header.get("samples"))]
            values = _first_values(header, listed)
            samples = partial(map, sample_of, listed)
        return [_log(file, header, values, samples)]


def _log(
    file: Path, header: JsonObject, values: JsonObject | None, samples: Callable[[], Iterable[ForeignSample]]
) -> ForeignLog:
    about = object_of(header.get("eval"))
    task = text_of(about.get("task"))
    if task is None or values is None:
        what = "names no task" if task is None else "holds no sample"
        remedy = (
            "run the evaluation again with --log-samples" if task else "name a log that `inspect eval` wrote"
        )
        raise ConfigError(what, file=file, remedy=remedy)
    sha256 = file_digest(file)
    name = text_of(about.get("model")) or f"unnamed {sha256[:6]}"
    settings = object_of(about.get("model_generate_config"))
    version = about.get("task_version")
    return ForeignLog(
        task=task.rpartition("/")[2],
        task_version=None if version is None else shown_id(version),
        system=name,
        model=name,
        origin=Origin(
            tool="inspect-ai",
            version=text_of(object_of(about.get("packages")).get("inspect_ai")),
            file=file,
            sha256=sha256,
            settings={
                **{key: settings[key] for key in _SETTINGS if settings.get(key) is not None},
                **({"task_args": args} if (args := object_of(about.get("task_args_passed"))) else {}),
                **({"solver": solver} if (solver := about.get("solver")) else {}),
            },
        ),
        metrics=tuple(
            Metric(name=metric, higher_is_better=not lower_is_better(metric))
            for metric in _metrics(header, values)
        ),
        samples=samples,
        streamed=suffix_of(file) == ".eval",
        created_at=text_of(about.get("created")),
        notes=tuple(_notes(header)),
    )


def _notes(header: JsonObject) -> Iterator[str]:
    version, status = header.get("version"), header.get("status")
    if str(version) not in map(str, KNOWN_VERSIONS):
        known = ", ".join(map(str, KNOWN_VERSIONS))
        yield f"log version {version} is not known (known: {known}); read anyway, because it has the expected fields"
    if status != "success":
        yield f"the evaluation ended with status {status}: only finished samples are in the log"


def _first_values(header: JsonObject, rows: Iterable[JsonObject]) -> JsonObject | None:
    """Each scorer's first value: rows are read until every scorer of the header has one. Rows that failed have no
    scores, and a value of None or NaN does not show whether a scorer returns a dict. None if there is no row."""
    scorers = list_of(object_of(header.get("eval")).get("scorers"))
    values: dict[str, JsonValue] = {}
    row: JsonObject | None = None
    for row in rows:
        scores = {} if row.get("error") else object_of(row.get("scores"))
        for scorer, score in scores.items():
            if _is_unscored(values.get(scorer)):
                values[scorer] = object_of(score).get("value")
        if sum(not _is_unscored(value) for value in values.values()) >= max(1, len(scorers)):
            break
    return None if row is None else values


def _is_unscored(value: JsonValue) -> bool:
    return value is None or value != value  # NaN alone differs from itself


def _metrics(header: JsonObject, values: JsonObject) -> list[str]:
    """Names of the scores: the headline first, then in the order of the samples; a dict's entries by name.
    `values` holds a value of each scorer."""
    results = object_of(header.get("results"))
    names: dict[str, None] = {}
    for scorer, value in values.items():
        names |= dict.fromkeys(_entries(scorer, value))
        if isinstance(value, dict):  # an entry may be absent from the first sample
            names |= dict.fromkeys(name for name in _reported(scorer, results) if name != scorer)
    for item in list_of(object_of(header.get("eval")).get("scorers")):
        scorer = str(object_of(item).get("name"))
        if not any(name == scorer or name.startswith(f"{scorer}.") for name in names):
            names |= dict.fromkeys(_reported(scorer, results))
    headline = object_of(results.get("headline")).get("scorer")
    return sorted(names, key=lambda name: name != headline)


def _reported(scorer: str, results: JsonObject) -> list[str]:
    """The entries of a scorer by its results: those of a dict have names of their own."""
    scores = [object_of(score) for score in list_of(results.get("scores"))]
    entries = {str(score.get("name")): None for score in scores if score.get("scorer") == scorer}
    return [name if name == scorer else f"{scorer}.{name}" for name in entries] or [scorer]


def _entries(scorer: str, value: JsonValue) -> list[str]:
    return [f"{scorer}.{entry}" for entry in value] if isinstance(value, dict) else [scorer]


def _header(file: Path, members: archive.Archive) -> JsonObject:
    """What the log says about itself; a log that is still being written has only its start."""
    for name in ("header.json", "_journal/start.json"):
        if name in members.names:
            header = object_of(json_files.parsed(members.read(name), file, name))
            return header if name == "header.json" else {"status": "started", **header}
    raise ConfigError("no header.json: not a log of Inspect", file=file)


def _sample_names(members: archive.Archive) -> list[str]:
    return [name for name in members.names if name.startswith("samples/") and name.endswith(".json")]


def _sample(file: Path, members: archive.Archive, name: str) -> JsonObject:
    return object_of(json_files.parsed(members.read(name), file, name))


def _of_archive(file: Path) -> Iterator[ForeignSample]:
    with archive.opened(file) as members:
        for name in _sample_names(members):
            yield sample_of(_sample(file, members, name))


def sample_of(row: JsonObject) -> ForeignSample:
    """One sample of one epoch."""
    error, epoch = row.get("error"), row.get("epoch")
    attachments = object_of(row.get("attachments"))
    output = object_of(row.get("output"))
    usage = object_of(output.get("usage"))
    message = object_of(error).get("message") if isinstance(error, Mapping) else error
    choices = [str(choice) for choice in list_of(row.get("choices"))]
    values = _values(object_of(row.get("scores")))
    return ForeignSample(
        id=shown_id(row.get("id")),
        prompt=_attached(_prompt(row.get("input")), attachments),
        target=row.get("target"),
        conditions="\x1e".join(choices),
        row=row.get("metadata"),
        answer=_attached(text_of(output.get("completion")), attachments),
        scores={} if error else {name: graded(value) for name, value in values.items()},
        worded={} if error else {name: str(v) for name, v in values.items() if names_no_score(v)},
        error=str(message or "failed") if error else "",
        repeat=epoch - 1 if isinstance(epoch, int) else 0,
        tokens_in=_count(usage.get("input_tokens")),
        tokens_out=_count(usage.get("output_tokens")),
    )


def _values(given: JsonObject) -> dict[str, JsonValue]:
    """What each scorer gave; a dict's entries one by one."""
    values: dict[str, JsonValue] = {}
    for scorer, score in given.items():
        value = object_of(score).get("value")
        if isinstance(value, dict):
            values |= {f"{scorer}.{entry}": part for entry, part in value.items()}
        else:
            values[scorer] = value
    return values


def _prompt(given: JsonValue) -> str | None:
    """A text, or the messages of a chat with their roles."""
    if isinstance(given, str):
        return given
    return chat.as_prompt(list_of(given), _content)


def _content(given: JsonValue) -> str:
    if isinstance(given, str):
        return given
    parts = [object_of(part) for part in list_of(given)]
    return "\n".join(text_of(part.get("text")) or _shown(part) for part in parts)


def _shown(part: JsonObject) -> str:
    """An image, sound or file by its content: two examples with the same question about different files are
    distinct."""
    return f"[{part.get('type')} {digest(part)[:12]}]"


def _attached(text: str | None, attachments: JsonObject) -> str | None:
    """The text with each reference replaced by what it refers to."""
    if text is None or _ATTACHMENT not in text:
        return text
    for name, content in attachments.items():
        if isinstance(content, str):
            text = text.replace(f"{_ATTACHMENT}{name}", content)
    return text


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
