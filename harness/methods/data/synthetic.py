"""Questions and answers that a model generates from the corpus."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.kinds import knob
from harness.core.probes import DataProbe
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Constraint, Document, Example, Message, Request
from harness.methods.data import _fields, _generated
from harness.methods.data.train import Train

_PAIR: JsonObject = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "maxLength": 200},
        "answer": {"type": "string", "maxLength": 100},
    },
    "required": ["question", "answer"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Synthetic(Data):
    """For each document of the corpus (`limit`: a random choice of them), questions with answers.

    The model sees the document and a few train questions as examples of style, and answers with JSON. A pair
    is kept if its answer occurs verbatim in the document and fits the task's format. For tasks whose input
    is one text.
    """

    paper: ClassVar[str] = (
        "Alberti et al. 2019, Synthetic QA Corpora Generation with Roundtrip Consistency, arXiv:1906.05416; "
        "Bonifacio et al. 2022, InPars, arXiv:2202.05144"
    )

    model: str = ""
    per_document: Annotated[int, Ge(1)] = knob(1, choices=(1, 2, 4), doc="questions asked of each document")
    shots: Annotated[int, Ge(0)] = knob(
        3, choices=(0, 3, 8), doc="train questions shown as examples of style"
    )
    temperature: Annotated[float, Ge(0)] = knob(0.7, choices=(0.5, 0.7, 1.0), doc="of the questions")
    max_chars: Annotated[int, Ge(100)] = 4000
    limit: Annotated[int, Ge(1)] | None = None

    @classmethod
    def probe(cls) -> DataProbe:
        return DataProbe(answer='{"question": "which colour?", "answer": "red"}')

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "model": _generated.identity(self.model)}

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        if not task.corpus:
            raise ConfigError(
                f"data 'synthetic' asks questions of a corpus; task '{task.name}' has none",
                remedy="set 'corpus:'",
            )
        pool = Train().examples(task, seed, context)
        name = _only_field(task, pool)
        model = self.model or context.model

        def make(tally: _generated.Tally) -> Iterator[Example]:
            documents = list(task.corpus)
            random.Random(seed).shuffle(documents)
            requests = [
                (document, number, self._request(task, document, pool, name, seed * 1_000_003 + number))
                for document in documents[: self.limit]
                for number in range(1, self.per_document + 1)
            ]
            answers = tally.ask(context.engine(model), [request for _, _, request in requests])
            for (document, number, _), answer in zip(requests, answers, strict=True):
                if answer.finish_reason != "stop":
                    tally.counts[_generated.UNUSABLE[answer.finish_reason]] += 1
                elif (pair := _pair(answer.text)) is None:
                    tally.counts["invalid"] += 1
                elif not _fields.stands_in(pair[1], f"{document.title}\n{document.text}"):
                    tally.counts["not_in_document"] += 1
                elif not _generated.teachable(task, pair[1]):
                    tally.counts["invalid"] += 1
                else:
                    yield Example(
                        id=f"{document.id}~q{number}",
                        input={name: pair[0]},
                        target=pair[1],
                        context_ids=(document.id,),
                        group=document.id,
                        meta={"written_by": model},
                    )

        return _generated.remembered(self, task, seed, context, make, teacher=model)

    def _request(
        self, task: Task, document: Document, pool: tuple[Example, ...], name: str, seed: int
    ) -> Request:
        order = (
            "Write a question that the text answers, and its short answer, copied from the text. "
            'Answer with JSON: {"question": …, "answer": …}'
        )
        pairs = [{"question": str(e.input[name]), "answer": task.format.render(e.target)} for e in pool]
        style = "\n".join(json.dumps(pair, ensure_ascii=False) for pair in pairs[: self.shots])
        order += f"\nExamples of style, about other texts:\n{style}" if style else ""
        text = f"{document.title}\n{document.text}".strip()[: self.max_chars]
        return Request(
            id=document.id,
            messages=(Message("system", order), Message("user", text)),
            max_new_tokens=160,
            constraint=Constraint(kind="json_schema", value=_PAIR),
            temperature=self.temperature,
            seed=seed,
        )


def _only_field(task: Task, pool: tuple[Example, ...]) -> str:
    names = {name for example in pool for name in example.input}
    if len(names) != 1:
        raise ConfigError(
            f"data 'synthetic' writes one text as input; task '{task.name}' has {sorted(names) or 'no train rows'}"
        )
    return names.pop()


def _pair(text: str) -> tuple[str, str] | None:
    """Question and answer in a JSON answer; None if there is none."""
    try:
        pair = json.loads(text[text.index("{") : text.rindex("}") + 1])
        question, answer = pair["question"].strip(), pair["answer"].strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (question, answer) if question and answer and question != answer else None
