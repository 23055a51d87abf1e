"""promptfoo's results as `json` and `jsonl`; its CSV is refused because it keeps only the last prompt's
status.

Each prompt × provider is a system. A test is its variables, description and assertions: `testIdx` counts
after filters, list values and repeats have been expanded. Results of one system that share a test are its
repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import canonical_json, file_digest
from harness.core.secrets import beginning
from harness.imports import json_files
from harness.imports.json_files import list_of, object_of, shown_id, text_of
from harness.imports.names import safe_name
from harness.imports.protocol import LogFormat, suffix_of
from harness.imports.sample import ForeignLog, ForeignSample, Metric, Origin
from harness.imports.scores import number

KNOWN_VERSIONS = (3,)
FAILED_ASSERTION, FAILED_CALL = 1, 2
"""Values of `failureReason`; 0 with `success` false is an empty answer."""
Row = JsonObject


@dataclass(frozen=True, kw_only=True)
class Promptfoo(LogFormat):
    """`pass` and `score` are two things: weight 0 never fails, and a threshold can pass a score of 0.5."""

    def recognizes(self, file: Path, head: bytes) -> bool:
        if suffix_of(file) == ".csv":
            return _is_table(head)
        if suffix_of(file) == ".json":
            return b'"evalId"' in head or (b'"promptIdx"' in head and b'"testCase"' in head)
        return suffix_of(file) == ".jsonl" and b'"promptIdx"' in head and b'"testCase"' in head

    def read(self, file: Path) -> Sequence[ForeignLog]:
        if suffix_of(file) == ".csv":
            raise ConfigError(
                "promptfoo's CSV repeats the columns of each prompt, and has no errors or assertions",
                file=file,
                remedy="export as JSON: promptfoo eval -o results.json, or promptfoo export eval ID -o results.json",
            )
        if suffix_of(file) == ".jsonl":
            rows: list[Row] = [line for _, line in json_files.lines(file)]
            return _logs(file, {}, {}, rows)
        whole = json_files.whole(file)
        results = object_of(whole.get("results"))
        rows = [object_of(row) for row in list_of(results.get("results"))]
        return _logs(file, whole, results, rows)


def _is_table(head: bytes) -> bool:
    columns = head.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace").split(",")
    return "Status" in columns and "Grader Reason" in columns


def _logs(file: Path, whole: JsonObject, results: JsonObject, rows: Sequence[Row]) -> list[ForeignLog]:
    if not rows:
        raise ConfigError("holds no result", file=file, remedy="run promptfoo eval again")
    systems: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        provider = object_of(row.get("provider"))
        name = text_of(provider.get("label")) or text_of(provider.get("id")) or str(row.get("provider"))
        prompt = safe_name(text_of(object_of(row.get("prompt")).get("label")) or "")
        systems.setdefault((safe_name(name), prompt, str(row.get("promptIdx"))), []).append(row)
    sha256 = file_digest(file)
    config, metadata = object_of(whole.get("config")), object_of(whole.get("metadata"))
    repeats = object_of(whole.get("runtimeOptions")).get("repeat")
    names = _names(list(systems))
    return [
        ForeignLog(
            task=text_of(config.get("description")) or file.stem,
            system=names[key],
            model=key[0],
            origin=Origin(
                tool="promptfoo",
                version=text_of(metadata.get("promptfooVersion")),
                file=file,
                sha256=sha256,
                settings={"prompt": _raw_prompt(results, key[2]) or key[1]},
            ),
            metrics=tuple(Metric(name=name) for name in _metrics(own)),
            samples=partial(_samples, own, repeats if isinstance(repeats, int) else None),
            created_at=text_of(results.get("timestamp")) or text_of(metadata.get("evaluationCreatedAt")),
            notes=tuple(_notes(results)),
        )
        for key, own in systems.items()
    ]


def _notes(results: JsonObject) -> Iterator[str]:
    version = results.get("version")
    if results and version not in KNOWN_VERSIONS:
        known = ", ".join(map(str, KNOWN_VERSIONS))
        yield f"results version {version} is not known (known: {known}); read anyway, because it has the expected fields"


def _names(systems: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """The provider, the prompt's label if there are several prompts, and a number if both are the same."""
    prompts = {prompt for _, prompt, _ in systems}
    plain = {key: f"{key[0]} · {_short(key[1])}" if len(prompts) > 1 else key[0] for key in systems}
    counts = Counter(plain.values())
    return {key: f"{name} #{key[2]}" if counts[name] > 1 else name for key, name in plain.items()}


def _short(label: str) -> str:
    return beginning(" ".join(label.split()), 40)


def _raw_prompt(results: JsonObject, index: str) -> str | None:
    prompts = list_of(results.get("prompts"))
    if not index.isdigit() or int(index) >= len(prompts):
        return None
    return text_of(object_of(prompts[int(index)]).get("raw"))


def _metrics(rows: Iterable[Row]) -> list[str]:
    named: dict[str, None] = {}
    for row in rows:
        named |= dict.fromkeys(f"named.{name}" for name in object_of(row.get("namedScores")))
    return ["pass", "score", *named]


def _samples(rows: Sequence[Row], repeats: int | None) -> Iterator[ForeignSample]:
    """The results by `testIdx`. Nothing says which repeat a result is: of n results that share a test and k repeats,
    n / k are equal tests, and without k all are repeats of one."""
    ordered = sorted(rows, key=lambda row: number(row.get("testIdx")) or 0.0)
    keys = [_test(row) for row in ordered]
    shared = Counter(keys)
    counts: Counter[str] = Counter()
    for row, key in zip(ordered, keys, strict=True):
        equal = shared[key] // repeats if repeats and shared[key] % repeats == 0 else 1
        yield _sample(row, counts[key] // equal)
        counts[key] += 1


def _test(row: Row) -> str:
    """What two results of one test have in common."""
    case = object_of(row.get("testCase"))
    parts: list[JsonValue] = [
        row.get("vars"),
        case.get("description"),
        case.get("assert"),
        case.get("threshold"),
    ]
    return canonical_json(parts)


def _sample(row: Row, repeat: int) -> ForeignSample:
    case, response = object_of(row.get("testCase")), object_of(row.get("response"))
    usage = object_of(row.get("tokenUsage"))
    error = _error(row)
    named = object_of(row.get("namedScores"))
    scores = {"pass": number(row.get("success")), "score": number(row.get("score"))}
    scores |= {f"named.{name}": number(value) for name, value in named.items()}
    answer, latency = response.get("output"), number(row.get("latencyMs"))
    return ForeignSample(
        id=shown_id(row.get("testIdx")),
        prompt=text_of(object_of(row.get("prompt")).get("raw")),
        input=_as_rendered(object_of(row.get("vars"))),
        target=_expected(case),
        conditions=canonical_json([case.get("description"), case.get("assert"), case.get("threshold")]),
        answer=answer if answer is None or isinstance(answer, str) else canonical_json(answer),
        scores={} if error else scores,
        error=error,
        repeat=repeat,
        tokens_in=_count(usage.get("prompt")),
        tokens_out=_count(usage.get("completion")),
        seconds=None if latency is None else latency / 1000,
    )


def _as_rendered(variables: JsonObject) -> JsonObject:
    """The variables with numbers as text, as a prompt shows them: tests from a table hold only texts."""
    return {
        name: shown_id(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in variables.items()
    }


def _error(row: Row) -> str:
    """Why there is no answer to score; a failed assertion is an answer. The score of 0 of an unanswered test
    means nothing."""
    if row.get("success") is True:
        return ""
    reason, message = row.get("failureReason"), text_of(row.get("error"))
    graded = bool(list_of(object_of(row.get("gradingResult")).get("componentResults")))
    if reason == FAILED_CALL or (reason != FAILED_ASSERTION and not graded):
        return message or "no output"
    return ""


def _expected(case: Mapping[str, JsonValue]) -> JsonValue:
    """The value of the only assertion that names one."""
    values = [object_of(item).get("value") for item in list_of(case.get("assert"))]
    texts = [value for value in values if isinstance(value, str | int | float)]
    return texts[0] if len(texts) == 1 and len(values) == 1 else None


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and value else None
