"""The ends of files that grow: the latest answers, and loss curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.secrets import beginning
from harness.report.html.page import visible
from harness.report.live.score_so_far import score_of
from harness.results.folder import RunFolder

SHOWN = 8
"""Answers on the page."""
LONGEST = 400
"""Characters of one answer."""
MOST_LINES = 6
"""Lines of one answer: a model that writes nothing but line breaks would fill the page."""
READ = 1 << 18
"""Bytes that are read from a file's end."""
MOST_POINTS = 200
"""Steps of one curve; longer ones are thinned."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    name: str
    """The recipe."""
    example: str
    output: str
    target: str
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Training: (step, loss) and (step, dev loss)."""

    name: str
    loss: tuple[tuple[float, float], ...]
    dev: tuple[tuple[float, float], ...]


def latest(runs: Sequence[tuple[str, RunFolder]]) -> tuple[Answer, ...]:
    """The latest answers of the run that answered last, the latest first."""
    known = [(name, run) for name, run in runs if run.samples.is_file()]
    if not known:
        return ()
    name, run = max(known, key=lambda pair: pair[1].samples.stat().st_mtime_ns)
    primary = str(head.task.primary) if (head := run.head()) is not None else ""
    answers = [_answer(name, line, primary) for line in _last_lines(run)]
    return tuple(answer for answer in reversed(answers) if answer is not None)[:SHOWN]


def curve(name: str, run: RunFolder) -> Curve | None:
    """The loss of a run's training so far; None if nothing was trained."""
    try:
        steps = run.train_steps()
    except (OSError, ValueError, TypeError, ConfigError):
        return None
    numbered = list(enumerate(steps, start=1))
    every = -(-len(numbered) // MOST_POINTS) or 1
    loss = tuple((float(at), step.loss) for at, step in numbered[::every])
    dev = tuple((float(at), step.dev_loss) for at, step in numbered if step.dev_loss is not None)
    return Curve(name=name, loss=loss, dev=dev) if len(loss) > 1 else None


def _last_lines(run: RunFolder) -> list[bytes]:
    """The last whole lines within the part of the file that is read."""
    with guarded.of_results(run.samples).open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - READ))
        lines = stream.read(READ).split(b"\n")
    whole = lines[:-1] if size <= READ else lines[1:-1]
    return whole[-SHOWN:]


def _answer(name: str, line: bytes, primary: str) -> Answer | None:
    try:
        row = json.loads(line)
        return Answer(
            name=name,
            example=_short(row.get("sample_id")),
            output=_short(row.get("output")),
            target=_short(row.get("target")),
            score=score_of(row, primary),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    *first, rest = visible(beginning(text, LONGEST)).split("\n", MOST_LINES)
    return "\n".join([*first, "…" if len(first) == MOST_LINES else rest])
