"""Generated examples: generated once, stored with their provenance, and reused.

A set is two files in the cache folder: the examples (JSONL) and, written last, their provenance
(JSON): who made them from what, what was asked, what was kept or discarded and why, and the cost.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, RunError
from harness.core.files import draft
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import canonical_json, digest
from harness.core.kinds import Spec, build
from harness.core.protocols import Data, DataContext, Engine, Program, Task
from harness.core.secrets import masked
from harness.core.values import Completion, Example, Invalid, Message, Request
from harness.methods.fitting import fitted, room_of_engine
from harness.tasks.same_text import same_fields, same_question

VERSION = 1
"""Part of every set's key: raised when answers to the same requests are parsed differently."""


UNUSABLE = {"error": "error", "length": "truncated", "refused": "refused"}
"""Finish reasons of answers that are not learned from, and the names under which they are counted."""


@dataclass(kw_only=True)
class Tally:
    """What happened while a set was generated."""

    counts: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0

    def ask(self, engine: Engine, requests: Sequence[Request]) -> list[Completion]:
        """Every answer, in the order of the requests."""
        answers = dict(engine.generate(requests))
        self.counts["asked"] += len(requests)
        self.tokens_in += sum(answer.tokens_in for answer in answers.values())
        self.tokens_out += sum(answer.tokens_out for answer in answers.values())
        return [answers[index] for index in range(len(requests))]


def remembered(
    kind: Data,
    task: Task,
    seed: int,
    context: DataContext,
    make: Callable[[Tally], Iterable[Example]],
    *,
    teacher: str = "",
) -> tuple[Example, ...]:
    """The set that `kind` describes, read from the cache or generated now.

    Args:
        teacher: spec of the model that writes; empty if none does.

    Raises:
        RunError: nothing that was generated could be kept.
    """
    origin = {
        "data": kind.identity(),
        "task": task.data_hash,
        "prompt": [task.instructions, task.input, task.format.identity()],
        "teacher": identity(teacher),
        "seed": seed,
        "version": VERSION,
    }
    base = context.cache / f"{task.name}-{kind.name()}-{digest(origin)[:16]}"
    lines, about = base.with_suffix(".jsonl"), base.with_suffix(".json")
    if not about.is_file():
        tally, began = Tally(), time.monotonic()
        made = _admitted(task, make(tally), tally)
        if not made:
            counts = ", ".join(f"{count} {name}" for name, count in sorted(tally.counts.items()))
            raise RunError(f"data '{kind.name()}' generated nothing that could be kept ({counts})")
        text = masked("".join(canonical_json(_record(example)) + "\n" for example in made))
        provenance = {
            "kind": kind.name(),
            "config": kind.config(),
            "paper": kind.paper,
            "task": {"name": task.name, "version": task.version, "data_hash": task.data_hash},
            "licence": task.licence,
            "teacher": {"spec": teacher, "identity": origin["teacher"]} if teacher else None,
            "seed": seed,
            "counts": dict(tally.counts),
            "tokens_in": tally.tokens_in,
            "tokens_out": tally.tokens_out,
            "seconds": time.monotonic() - began,
            "sha256": digest(text),
        }
        _write(lines, text)
        _write(about, masked(json.dumps(provenance, ensure_ascii=False, indent=1)))
    note, stored = _stored(about, lines)
    context.note(note)
    held_out = _held_out(task)
    # A set from before copies were recognized by the text that they show may hold some.
    return tuple(
        one for one in stored if same_fields(one) not in held_out and _asked(task, one) not in held_out
    )


def _stored(about: Path, lines: Path) -> tuple[JsonObject, list[Example]]:
    """The provenance and the examples of a set that was generated.

    Raises:
        RunError: a file of the set is damaged; names both.
    """
    try:
        note = json.loads(about.read_text(encoding="utf-8")) | {"file": lines.name}
        # At \n alone: U+2028 and its like are ordinary characters inside a JSON text.
        rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").split("\n") if line]
        return note, [_example(row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{lines}: cannot be read ({reason}) — delete it and {about.name}: it is made again"
        ) from None


def _record(example: Example) -> dict[str, object]:
    """An example as a row; without functions, as before functions existed, so that digests stay."""
    row = dataclasses.asdict(example) | {"turns": [turn.row() for turn in example.turns]}
    return row if example.tools else {name: value for name, value in row.items() if name != "tools"}


def _example(row: Mapping[str, Any]) -> Example:
    turns = tuple(Message(**turn) for turn in row.get("turns", ()))
    return Example(**{**row, "context_ids": tuple(row["context_ids"]), "turns": turns})


def identity(spec: str) -> str:
    """The teacher's identity: its files' fingerprint, or its server's address and what the server reports
    about the model; empty if there is no teacher."""
    if not spec or spec.partition(":")[0] == "fake":
        return spec
    if spec.startswith("openai:"):
        from harness.engines import served

        mark = served.known(spec).identity
        return f"{spec} {mark}" if mark else spec
    from harness.models.fingerprint import fingerprint

    return fingerprint(spec)


def program(spec: Spec) -> Program:
    """The program that builds the teacher's prompts."""
    built: Program = build("programs", spec)
    if built.oracle:
        raise ConfigError("a teacher's program must not see gold context", remedy="use bm25 or few_shot")
    return built


def requests(
    engine: Engine, task: Task, asked: Program, pool: Sequence[Example], sources: Sequence[Example], seed: int
) -> list[Request]:
    """What a teacher is asked about each source, greedily; prompts are cut to the teacher's context."""
    room = room_of_engine(engine, task.max_new_tokens)
    prompter = fitted(asked.prepare(task, pool, seed), room)
    constraint = task.format.constraint() if asked.constrain else None
    return [
        Request(
            id=source.id,
            messages=prompter(source).messages,
            max_new_tokens=task.max_new_tokens,
            constraint=constraint,
            seed=seed,
        )
        for source in sources
    ]


def value(task: Task, answer: Completion, tally: Tally) -> JsonValue:
    """The answer as a target, or None if it cannot be one: an error, refused, cut off, not in the task's
    format, or changed when written out again."""
    if answer.finish_reason != "stop":
        tally.counts[UNUSABLE[answer.finish_reason]] += 1
        return None
    extracted = task.format.read(answer.text).extracted
    if isinstance(extracted, Invalid) or extracted.value is None:
        tally.counts["invalid"] += 1
        return None
    if not teachable(task, extracted.value):
        tally.counts["invalid"] += 1
        return None
    return extracted.value


def teachable(task: Task, target: JsonValue) -> bool:
    """Whether a target can be written in the task's format."""
    try:
        rendered = task.format.render(target)
        json.dumps(target)
    except (TypeError, ValueError):
        return False
    return bool(rendered.strip()) and not isinstance(task.format.parse(rendered), Invalid)


def _admitted(task: Task, made: Iterable[Example], tally: Tally) -> list[Example]:
    """Without repetitions, and without what dev or test asks: a generated question may equal one of them."""
    held_out = _held_out(task)
    known: set[str] = set()
    kept = []
    for example in made:
        asked = same_fields(example)
        mark = canonical_json([asked, example.target])
        if asked in held_out or _asked(task, example) in held_out:
            tally.counts["held_out"] += 1
        elif mark in known:
            tally.counts["repeated"] += 1
        else:
            known.add(mark)
            kept.append(example)
    tally.counts["kept"] = len(kept)
    return kept


def _held_out(task: Task) -> set[str]:
    """What dev and test ask, by their fields and as the model sees it."""
    examples = [example for split in ("dev", "test") for example in task.splits.get(split, ())]
    return {mark(example) for example in examples for mark in (same_fields, partial(_asked, task))}


def _asked(task: Task, example: Example) -> str:
    """As the model sees it; its fields if the template does not fit what was generated."""
    try:
        return same_question(task, example)
    except ConfigError:
        return same_fields(example)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with draft(file) as part:
        part.write_text(text, encoding="utf-8")
