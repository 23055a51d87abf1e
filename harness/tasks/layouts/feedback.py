"""Unpaired feedback: a prompt, an answer, and whether the answer was liked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.layouts.completion import ANSWERS, pair
from harness.tasks.located import Located, Row

VERDICTS = ("label", "liked", "desirable", "thumbs_up", "is_good", "kto_tag", "feedback")
WORDS = {"true": True, "false": False, "good": True, "bad": False, "chosen": True, "rejected": False}
LIKED = "liked"


@dataclass(frozen=True, kw_only=True)
class Feedback(Layout):
    """A liked answer is a target. A disliked one is the rejected answer of a liked one to the same prompt;
    where there is none, the row has no right answer and is left out.
    """

    title: ClassVar[str] = "unpaired feedback"
    roles: ClassVar[Mapping[str, str]] = {
        "prompt": "the user's message, or the conversation before the answer",
        "completion": "target where liked, else the rejected answer of a liked one to the same prompt",
        "response": "target where liked, else the rejected answer of a liked one to the same prompt",
        **dict.fromkeys(
            VERDICTS, "whether the answer was liked; disliked answers without a liked one are left out"
        ),
    }

    def detect(self, row: Row) -> int | None:
        asked = "prompt" in row and any(name in row for name in ANSWERS)
        return 18 if asked and _verdict(row) is not None else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        liked = _verdict(row)
        if liked is None:
            raise located.error("no verdict on the answer", remedy="'label' must be true or false")
        answer = next((row[name] for name in ANSWERS if name in row), None)
        conversation = pair(row["prompt"], answer, located)
        if conversation is None:
            return ()
        meta = {**self.rest(row), LIKED: liked}
        return (
            Converted(
                input=conversation.question,
                target=conversation.answer,
                system=conversation.system,
                turns=conversation.turns,
                id=self.identity_of(row),
                meta=meta,
            ),
        )

    def nothing_learnt(self) -> str:
        return (
            "disliked, with no liked answer to the same prompt left to pair it with — add one to use the row"
        )

    def combine(self, pairs: Iterable[tuple[Located, Converted]]) -> Iterable[tuple[Located, Converted]]:
        pairs = list(pairs)
        disliked: dict[str, list[tuple[Located, JsonValue]]] = {}
        for located, converted in pairs:
            if not converted.meta[LIKED]:
                disliked.setdefault(_asked(converted), []).append((located, converted.target))
        kept = []
        for located, converted in pairs:
            if converted.meta[LIKED]:
                worse = disliked.get(_asked(converted), [])
                meta = {name: value for name, value in converted.meta.items() if name != LIKED}
                if worse:
                    source, rejected = worse.pop(0)
                    kept.append((located, replace(converted, rejected=rejected, joined=(source,), meta=meta)))
                else:
                    kept.append((located, replace(converted, meta=meta)))
        return kept


def _asked(converted: Converted) -> str:
    turns = [[turn.role, turn.content] for turn in converted.turns]
    return canonical_json([converted.system, turns, converted.input])


def _verdict(row: Row) -> bool | None:
    """Whether the answer was liked; None if no column says so."""
    for name in VERDICTS:
        value = row.get(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in WORDS:
            return WORDS[value.strip().lower()]
    return None
