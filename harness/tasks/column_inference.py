"""The format and scorers of a task, guessed from its targets; every guess says so.

The guesses are a start to edit, never a silent decision: `harness init` prints them and writes them
into the task file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.core.characters import plain
from harness.core.formatting import counted
from harness.core.kinds import Spec
from harness.core.values import Example
from harness.tasks import code, instructions, schema_inference

MAX_CHOICES = 200
MAX_CHOICE_LENGTH = 64
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")
"""As JSON writes it: a code such as 007 is a label."""
WRITTEN_NUMBER = re.compile(r"[+-]?[$€£¥]? ?(\d+,\d+|\d{1,3}([.,'’ ]\d{3})*([.,]\d+)?|\d+\.\d+) ?[$€£¥%]?")
"""As people write it: with a decimal comma, thousands separators or a currency."""
SEVERAL = "each text of a list is an accepted answer; where all of them are wanted: --format json_schema"
AS_NUMBERS = "to have them compared as numbers, write 1234.5 for 1.234,5 or $1,234.50"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The format of a task's answers: its spec, and what goes with it."""

    spec: dict[str, Any]
    scorers: tuple[Spec, ...]
    """The first is the primary one."""
    why: str
    instructions: str = ""
    """Empty until they are written for the targets of train."""
    schema: Mapping[str, object] | None = None

    @property
    def primary(self) -> str:
        return scorer_name(self.scorers[0])


EXACT: Spec = {"kind": "exact", "normalise": False}
"""In code every character counts: SQuAD's normalization drops punctuation, case and articles."""


def scorer_name(spec: Spec) -> str:
    """The kind of a scorer's spec."""
    return spec if isinstance(spec, str) else str(spec["kind"])


def answer(
    examples: Sequence[Example],
    splits: Mapping[str, Sequence[Example]] | None = None,
    kind: str = "",
    shown: Sequence[Example] | None = None,
) -> Answer:
    """The format that fits the targets: objects, numbers, a few short labels, code or text.

    Args:
        examples: all of them, which the format must fit.
        splits: those of train, from which alone a schema is inferred, and of the other splits, which it
            must accept. Default: all are train.
        kind: the kind of format that the user asked for; empty means guess.
        shown: those whose labels are listed as choices: all that may become train. Default: all.
    """
    targets = [example.target for example in examples]
    if kind == "json_schema" or (not kind and all(isinstance(as_object(target), dict) for target in targets)):
        return _objects(splits or {"train": examples})
    if kind == "number" or (not kind and all(_is_number(target) for target in targets)):
        return _numbers(targets)
    if kind == "choice":
        return _choices(examples if shown is None else shown)
    if kind and kind != "text":
        return Answer(
            spec={"kind": kind}, scorers=(EXACT,), instructions="Write the answer.", why="named by --format"
        )
    if any(isinstance(target, list) for target in targets):
        answer = _texts([str(target) for target in targets])
        return replace(answer, why=f"{answer.why}; {SEVERAL}") if _are_label_lists(targets) else answer
    texts = [as_label(target) for target in targets]
    distinct = sorted(set(texts))
    short = all(len(text) <= MAX_CHOICE_LENGTH and "\n" not in text for text in distinct)
    if not kind and short and len(distinct) <= min(MAX_CHOICES, len(texts) / 4):
        return _choices(examples if shown is None else shown)
    if not kind and short and len(distinct) <= min(MAX_CHOICES, len(texts) / 2):
        prose = _texts(texts)
        return replace(
            prose, why=f"{prose.why}; {len(distinct)} distinct: if they are labels: --format choice"
        )
    return _texts(texts)


def convert(target: object, spec: Mapping[str, object]) -> Any:
    """A target as the guessed format wants it: objects and numbers out of text, labels trimmed.

    A list of texts stays one: several accepted answers.
    """
    if spec["kind"] == "json_schema":
        return as_object(target)
    if spec["kind"] == "number":
        text = target.strip() if isinstance(target, str) and _is_number(target) else None
        return target if text is None else json.loads(text.removeprefix("+"))
    accepted = isinstance(target, list) and all(isinstance(item, str) for item in target)
    return target if accepted else as_label(target)


def as_object(target: object) -> Any:
    """The object that a text holds as JSON; anything else as it is."""
    if not (isinstance(target, str) and target.strip().startswith("{")):
        return target
    try:
        return json.loads(target)
    except json.JSONDecodeError:
        return target


def as_label(target: object) -> str:
    """A target as a text: trimmed; true and false in lower case; lists as JSON."""
    return target.strip() if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _are_label_lists(targets: Sequence[object]) -> bool:
    """Whether targets are lists of a few texts that repeat, which may be several labels of one row."""
    texts = [
        item for target in targets if isinstance(target, list) for item in target if isinstance(item, str)
    ]
    return 0 < len(set(texts)) <= len(texts) / 4


def _is_number(target: object) -> bool:
    if isinstance(target, str):
        return NUMBER.fullmatch(target.strip()) is not None
    return isinstance(target, int | float) and not isinstance(target, bool)


def _objects(splits: Mapping[str, Sequence[Example]]) -> Answer:
    targets = {split: [as_object(example.target) for example in part] for split, part in splits.items()}
    held_out = [target for split, part in targets.items() if split != "train" for target in part]
    schema, refused = schema_inference.fitting(targets["train"], held_out)
    noun = "a JSON object" if schema["type"] == "object" else "JSON"
    return Answer(
        spec={"kind": "json_schema", "schema": "schema.json"},
        scorers=("fields", "exact"),
        why=f"every target is {noun}; the schema is inferred from train alone{refused}",
        schema=schema,
    )


def _numbers(targets: Sequence[object]) -> Answer:
    distinct = len({str(target).strip() for target in targets})
    hint = (
        f" (only {distinct} distinct: if they are classes: --format choice, or their names, in order, in a classes.txt beside the data)"
        if distinct <= 10
        else ""
    )
    return Answer(
        spec={"kind": "number"},
        scorers=("exact",),
        why=f"every target is a number{hint}",
    )


def _choices(shown: Sequence[Example]) -> Answer:
    spelled = sorted({as_label(example.target) for example in shown})
    # One label however its characters are composed: the format tells such spellings apart no more than a reader does.
    distinct = sorted({plain(label): label for label in spelled}.values())
    folds = len({plain(label).casefold() for label in distinct}) == len(distinct)
    return Answer(
        spec={"kind": "choice", "choices": distinct, **({} if folds else {"ignore_case": False})},
        scorers=("exact",),
        why=f"{len(distinct)} distinct short target{'s' if len(distinct) > 1 else ''} in train",
    )


def _texts(texts: Sequence[str]) -> Answer:
    if (language := code.kind(texts)) is not None:
        return Answer(
            spec={"kind": "sql" if language == "sql" else "text"},
            scorers=(EXACT, "rouge"),
            instructions=instructions.code(code.NOUNS[language]),
            why=f"targets are {code.NOUNS[language]}, compared character by character",
        )
    written = f"; {AS_NUMBERS}" if all(WRITTEN_NUMBER.fullmatch(text) for text in texts) else ""
    words = sorted(len(text.split()) for text in texts)[len(texts) // 2]
    brief = words <= 10
    return Answer(
        spec={"kind": "text"},
        scorers=("f1", "exact", "contains") if brief else ("f1",),
        why=f"targets are free text, {counted(words, 'word')} in the median{written}",
    )
