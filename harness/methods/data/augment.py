"""More examples from the labeled ones: substituted fields and paraphrased questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Ge

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example, Message, Request
from harness.methods.data import _fields, _generated
from harness.methods.data.train import Train


@dataclass(frozen=True, kw_only=True)
class Augment(Data):
    """The train examples and variants of them. Fields are exchanged first, which needs no model.

    `substitutions`: a string of the target that stands word for word in the input is exchanged, in
    both, for what another example has in its place; so the label stays right by construction.
    `paraphrases`: a model puts the input in other words. A paraphrase that has lost something that
    the target repeats from the input is left out and counted.
    """

    paper: ClassVar[str] = (
        "field substitution: Dai and Adel 2020, mention replacement, arXiv:2010.11683; paraphrases: "
        "Kumar et al. 2020, arXiv:2003.02245"
    )

    substitutions: Annotated[int, Ge(0)] = knob(1, choices=(0, 1, 2, 4), doc="variants by exchanged fields")
    paraphrases: Annotated[int, Ge(0)] = knob(0, choices=(0, 1, 2, 4), doc="variants in other words")
    model: str = ""
    temperature: Annotated[float, Ge(0)] = knob(0.7, choices=(0.5, 0.7, 1.0), doc="of paraphrases")
    field: str = ""
    limit: Annotated[int, Ge(1)] | None = None

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "model": _generated.identity(self.model)}

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = Train(limit=self.limit).examples(task, seed, context)
        model = (self.model or context.model) if self.paraphrases else ""

        def make(tally: _generated.Tally) -> Iterator[Example]:
            tally.counts["labeled"] = len(pool)
            yield from pool
            yield from self._substituted(task, pool, seed, tally)
            if self.paraphrases:
                yield from self._paraphrased(pool, seed, context, model, tally)

        return _generated.remembered(self, task, seed, context, make, teacher=model)

    def _substituted(
        self, task: Task, pool: tuple[Example, ...], seed: int, tally: _generated.Tally
    ) -> Iterator[Example]:
        """Up to `substitutions` variants of each example that has something to exchange."""
        donors = _fields.donors(pool)
        for example in pool:
            draw = random.Random(f"{seed} {example.id}")
            for number in range(1, self.substitutions + 1):
                varied = _fields.exchange(example, donors, draw)
                if varied is None:
                    tally.counts["nothing_to_exchange"] += 1
                    break
                if not _generated.teachable(task, varied.target):
                    tally.counts["invalid"] += 1
                    continue
                tally.counts["substituted"] += 1
                meta = {**example.meta, "varied_from": example.id}
                yield replace(varied, id=f"{example.id}~s{number}", meta=meta)

    def _paraphrased(
        self, pool: tuple[Example, ...], seed: int, context: DataContext, model: str, tally: _generated.Tally
    ) -> Iterator[Example]:
        requests = [
            (example, number, self._request(example, seed * 1_000_003 + number))
            for example in pool
            for number in range(1, self.paraphrases + 1)
        ]
        answers = tally.ask(context.engine(model), [request for _, _, request in requests])
        for (example, number, _), answer in zip(requests, answers, strict=True):
            name = self._field(example)
            text, before = answer.text.strip(), str(example.input[name])
            if answer.finish_reason != "stop" or not text:
                tally.counts[_generated.UNUSABLE.get(answer.finish_reason, "truncated")] += 1
            elif text == before or not 0.5 <= len(text) / len(before) <= 2:
                tally.counts["not_a_paraphrase"] += 1
            elif any(not _fields.stands_in(part, text) for part in _fields.shared(example)):
                tally.counts["lost_a_field"] += 1
            else:
                tally.counts["paraphrased"] += 1
                meta = {**example.meta, "varied_from": example.id, "written_by": model}
                input_ = {**example.input, name: text}
                yield replace(example, id=f"{example.id}~p{number}", input=input_, meta=meta)

    def _request(self, example: Example, seed: int) -> Request:
        text = str(example.input[self._field(example)])
        keep = "; ".join(_fields.shared(example))
        order = "Rewrite the text in other words with the same meaning. Answer with the new text only."
        order += f" Keep these exactly as they are: {keep}" if keep else ""
        return Request(
            id=example.id,
            messages=(Message("system", order), Message("user", text)),
            max_new_tokens=min(512, 32 + len(text)),
            temperature=self.temperature,
            seed=seed,
        )

    def _field(self, example: Example) -> str:
        """The input field that is rewritten: the one named, or the longest text."""
        texts = {name: value for name, value in example.input.items() if isinstance(value, str) and value}
        if self.field and self.field not in texts:
            raise ConfigError(
                f"augment: example '{example.id}' has no text field '{self.field}'",
                remedy=f"has {list(texts)}",
            )
        if not texts:
            raise ConfigError(f"augment: example '{example.id}' has no text to rewrite")
        return self.field or max(texts, key=lambda name: len(texts[name]))
