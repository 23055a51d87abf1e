"""SQuAD and similar data: questions about passages, nested as JSON or flat as in hub Parquet files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.core.values import NO_ANSWER, Document
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row


@dataclass(frozen=True, kw_only=True)
class Squad(Layout):
    """Passages become the corpus, and a question names its own as gold context and as group, so that no
    passage is in two splits. Several accepted answers stay several.

    Source: Rajpurkar et al. 2016 (SQuAD) and 2018 (SQuAD 2.0, with questions that have no answer).
    """

    title: ClassVar[str] = "SQuAD questions"
    roles: ClassVar[Mapping[str, str]] = {
        "paragraphs": "passages: the corpus; questions: one example each, with their passage as group",
        "qas": "questions: one example each",
        "context": "the corpus; also the example's context_ids and group",
        "question": "the user's message",
        "answers": f"target: the accepted answers, '{NO_ANSWER}' where there are none",
        "title": "the passage's title",
        "is_impossible": f"true: the target is '{NO_ANSWER}'",
    }

    def detect(self, row: Row) -> int | None:
        if isinstance(row.get("paragraphs"), list) or isinstance(row.get("qas"), list):
            return 30
        flat = isinstance(row.get("context"), str) and isinstance(row.get("question"), str)
        return 28 if flat and _answers(row.get("answers")) is not None else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        if "paragraphs" in row:
            passages = row["paragraphs"]
        elif "qas" in row:
            passages = [row]
        else:
            return (self._example(row, row, row, located),)
        if not isinstance(passages, list):
            raise located.error("'paragraphs' must be a list")
        return [
            self._example(question, passage, row, located)
            for passage in passages
            for question in _questions(passage, located)
        ]

    def _example(self, question: object, passage: Row, article: Row, located: Located) -> Converted:
        text, title = passage.get("context"), str(article.get("title") or "").replace("_", " ")
        if not isinstance(text, str) or not text.strip():
            raise located.error("a passage needs 'context', a text")
        document = Document(id=_name(title, text), text=text.strip(), title=title)
        if not isinstance(question, dict) or not isinstance(question.get("question"), str):
            raise located.error(f"a question needs 'question', a text (got {str(question)[:80]})")
        answers = _answers(question.get("answers"))
        if answers is None:
            raise located.error(f"question {question.get('id')!r} has no 'answers'")
        impossible = question.get("is_impossible") is True
        return Converted(
            input=question["question"].strip(),
            target=_target([] if impossible else answers),
            id=self.identity_of(question),
            group=document.id,
            context_ids=(document.id,),
            documents=(document,),
            meta=self.rest(question, ("plausible_answers", "answer", "qid")),
        )


def _questions(passage: object, located: Located) -> list[Any]:
    if not isinstance(passage, dict) or not isinstance(passage.get("qas"), list):
        raise located.error("a paragraph needs 'context' and 'qas'")
    return list(passage["qas"])


def _answers(value: object) -> list[str] | None:
    """The accepted answers: `{text: […]}`, or a list of texts or of `{text}`; None for anything else."""
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, list):
        return None
    texts = [item.get("text") if isinstance(item, dict) else item for item in value]
    return [str(text) for text in texts] if all(isinstance(text, str) for text in texts) else None


def _target(answers: Sequence[str]) -> str | list[str]:
    distinct = list(dict.fromkeys(text for answer in answers if (text := answer.strip())))
    return distinct[0] if len(distinct) == 1 else distinct or NO_ANSWER


def _name(title: str, text: str) -> str:
    """An id that is the same for the same passage in every file of the data set."""
    slug = re.sub(r"\W+", "_", title).strip("_").lower()[:40] or "passage"
    return f"{slug}-{hashlib.sha256(text.strip().encode()).hexdigest()[:8]}"
