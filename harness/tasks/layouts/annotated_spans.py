"""Requests with annotated spans: SNIPS and similar data, one file per intent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.json_types import JsonValue
from harness.tasks.layouts._layout import Converted, Layout
from harness.tasks.located import Located, Row


@dataclass(frozen=True, kw_only=True)
class AnnotatedSpans(Layout):
    """`{Intent: [{data: [{text, entity?}, …]}]}` → the request, and its intent and slots as an object.

    Source: Coucke et al. 2018, the SNIPS NLU benchmark.
    """

    title: ClassVar[str] = "requests with annotated spans"
    roles: ClassVar[Mapping[str, str]] = {
        "intent": "target.intent, from the name that the list has in the file",
        "data": "the user's message; spans with an entity: target.slots",
    }

    def detect(self, row: Row) -> int | None:
        return 30 if "intent" in row and _are_spans(row.get("data")) else None

    def convert(self, located: Located) -> Sequence[Converted]:
        row = located.row
        if not _are_spans(row.get("data")):
            raise located.error("'data' must be a list of {text, entity}")
        slots: dict[str, JsonValue] = {}
        for span in row["data"]:
            if isinstance(name := span.get("entity"), str):
                text = span["text"].strip()
                slots[name] = [*_listed(slots[name]), text] if name in slots else text
        return (
            Converted(
                input="".join(span["text"] for span in row["data"]).strip(),
                target={"intent": row["intent"], "slots": slots},
                meta=self.rest(row),
            ),
        )

    def document(self, document: object) -> list[Row] | None:
        """An object of lists by intent."""
        if not isinstance(document, dict) or not document:
            return None
        lists = list(document.values())
        if not all(isinstance(items, list) and items and all(map(_is_request, items)) for items in lists):
            return None
        return [{"intent": intent, **item} for intent, items in document.items() for item in items]


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _is_request(item: object) -> bool:
    return isinstance(item, dict) and _are_spans(item.get("data"))


def _are_spans(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(span, dict) and isinstance(span.get("text"), str) for span in value)
    )
