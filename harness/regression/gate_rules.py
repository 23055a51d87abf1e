"""What a task file's `gate:` asks for: one margin per metric, and the examples that must not break.

    gate:
      primary: 0.02              # points of the primary score, as a share
      valid_strict: 0.01
      latency: 0.20              # relative: 20 % slower
      cost: 0.10                 # relative: 10 % more tokens, in and out, per answer
      benchmarks: {arc_easy: 0.03}
      forgetting: {piqa: 0.02}   # the drop from the untuned base
      must_pass: [test-004]

Without `gate:`, the primary score must stay within the task's own margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.core.protocols import Task
from harness.results.records.run import TaskRecord

PRIMARY = "primary"
VALIDITY = ("valid_strict", "valid_extracted")
RELATIVE = ("latency", "cost")
"""For these, margins are a share of the pinned value; for the others, an absolute difference."""
_BY_TASK = ("benchmarks", "forgetting")
_MUST = "must_pass"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Margins: a metric passes when its 95 % interval excludes being worse by the margin or more."""

    margins: Mapping[str, float]
    benchmarks: Mapping[str, float] = field(default_factory=dict)
    forgetting: Mapping[str, float] = field(default_factory=dict)
    must_pass: tuple[str, ...] = ()


def of_task(task: Task, margin: float | None = None) -> Rules:
    """The rules of a task's file; `margin` overrides that of the primary score.

    Raises:
        ConfigError: an unknown metric (with the nearest name), an invalid margin, or a must-pass example that
        the task does not have.
    """
    file = task.folder / "task.yaml"
    scorers = [scorer.name() for scorer in task.scorers]
    rules = parse(task.gate, scorers=scorers, default=task.margin, file=file)
    known = {example.id for example in task.splits.get("test", ())}
    for id in rules.must_pass:
        if id not in known:
            raise _wrong(file, _MUST, f"'{id}' is no test example", nearest(id, known) if known else "")
    if margin is None:
        return rules
    return Rules(**(vars(rules) | {"margins": {**rules.margins, PRIMARY: _number(margin, "--margin", None)}}))


def of_record(task: TaskRecord, margin: float | None = None) -> Rules:
    """The rules of a task without a file here: its primary score, with its own margin or `margin`.

    Raises:
        ConfigError: an invalid margin.
    """
    return Rules(margins={PRIMARY: _number(margin or task.margin, "--margin", None)})


def parse(
    gate: Mapping[str, Any], *, scorers: Iterable[str], default: float, file: Path | None = None
) -> Rules:
    """Rules from the mapping `gate`; `default` is the primary's margin if the mapping has none.

    Raises:
        ConfigError: as for `of_task`.
    """
    known = [PRIMARY, *VALIDITY, *RELATIVE, *scorers]
    for name in gate:
        if name not in (*known, *_BY_TASK, _MUST):
            remedy = nearest(str(name), [*known, *_BY_TASK, _MUST])
            raise _wrong(file, str(name), "unknown metric", remedy)
    margins = {name: _number(gate[name], name, file) for name in known if name in gate}
    ids = gate.get(_MUST, [])
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise _wrong(file, _MUST, f"must be a list of example ids (got {ids!r})", "e.g. [test-004]")
    return Rules(
        margins={PRIMARY: default, **margins},
        benchmarks=_by_task(gate, "benchmarks", file),
        forgetting=_by_task(gate, "forgetting", file),
        must_pass=tuple(ids),
    )


def _by_task(gate: Mapping[str, Any], name: str, file: Path | None) -> dict[str, float]:
    margins = gate.get(name) or {}
    if not isinstance(margins, Mapping):
        raise _wrong(file, name, f"must map tasks to margins (got {margins!r})", "e.g. {arc_easy: 0.03}")
    return {str(task): _number(margin, f"{name}.{task}", file) for task, margin in margins.items()}


def _number(value: Any, name: str, file: Path | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise _wrong(
            file, name, f"a margin must be between 0 and 1 (got {value!r})", "e.g. 0.02 for 2 points"
        )
    return float(value)


def _wrong(file: Path | None, setting: str, message: str, remedy: str) -> ConfigError:
    from harness.tasks.task_file import line_of

    known = file is not None and file.is_file()
    line = line_of(file, ["gate", *setting.split(".")]) if known and file is not None else None
    return ConfigError(f"gate.{setting}: {message}", file=file, line=line, remedy=remedy)
