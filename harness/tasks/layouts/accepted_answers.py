"""Questions with a list of accepted answers, as in open question answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.values import NO_ANSWER
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row

QUESTIONS = ("question", "query")
OTHER_INPUTS = ("choices", "options", "passage", "document", "text", "body")
"""A question with one of these is not asked alone: such rows are a table with columns to choose from."""


@dataclass(frozen=True, kw_only=True)
class AcceptedAnswers(Layout):
    """Every answer in the list is right, and the first is the one that is taught.

    An answer may also be `{value, aliases}`, as TriviaQA has it.
    """

    title: ClassVar[str] = "questions with accepted answers"
    roles: ClassVar[Mapping[str, str]] = {
        "question": "input",
        "query": "input",
        "context": "input, before the question",
        "answers": f"target: the accepted answers, '{NO_ANSWER}' where there are none",
        "answer": "target: the accepted answers",
    }

    def detect(self, row: Row) -> int | None:
        asked = any(isinstance(row.get(name), str) for name in QUESTIONS)
        alone = not any(name in row for name in OTHER_INPUTS)
        return 8 if asked and alone and _answers(row) is not None else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        answers = _answers(row)
        if answers is None:
            raise located.error("no list of accepted answers", remedy="'answers' must be a list of texts")
        distinct = list(dict.fromkeys(text for answer in answers if (text := answer.strip())))
        question = next(row[name] for name in QUESTIONS if isinstance(row.get(name), str))
        context = row.get("context")
        return (
            Converted(
                input={"context": context, "question": question} if isinstance(context, str) else question,
                target=distinct[0] if len(distinct) == 1 else distinct or NO_ANSWER,
                id=self.identity_of(row),
                meta=self.rest(row),
            ),
        )


def _answers(row: Row) -> list[str] | None:
    """The accepted answers; None if the row has no list of texts."""
    single = row.get("answer")
    if isinstance(single, dict) and isinstance(single.get("value"), str):
        aliases = single.get("aliases")
        return [single["value"], *(map(str, aliases) if isinstance(aliases, list) else ())]
    value = row.get("answers")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None
