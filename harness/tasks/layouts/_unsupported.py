"""Rows that are data of another kind: what they are, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.tasks.located import Row

Reason = tuple[str, str]


def unsupported(row: Row) -> Reason | None:
    """What a row is, and the remedy; None for rows that may be a table like any other."""
    return next((reason for fits, reason in KINDS if fits(row)), None)


def _has_list(row: Row, name: str) -> bool:
    return isinstance(row.get(name), list)


def _is_ranking(row: Row) -> bool:
    answers: Any = row.get("completions") or row.get("responses")
    return isinstance(answers, list) and bool(answers) and ("prompt" in row or "instruction" in row)


def _is_label_studio(row: Row) -> bool:
    return _has_list(row, "annotations") and isinstance(row.get("data"), dict)


def _has_spans(row: Row) -> bool:
    """Lists such as [0, 7, "PERSON"]: start, end and label."""
    lists = (value for name in SPANS if isinstance(value := row.get(name), list) and value)
    return any(all(_is_span(item) for item in value) for value in lists)


def _is_span(item: object) -> bool:
    return isinstance(item, list) and [type(part) for part in item] == [int, int, str]


def _is_media(row: Row) -> bool:
    return any(
        isinstance(row.get(name), dict) and "bytes" in row[name] for name in ("image", "audio", "video")
    )


SPANS = ("label", "labels", "entities", "spans")
"""Names of lists of marked spans."""
KINDS: tuple[tuple[Callable[[Row], bool], Reason], ...] = (
    (
        lambda row: list(row) == ["text"],
        (
            "rows of text alone have no answer to learn",
            "for pretraining text, put it into a task's corpus; for rendered chats, export their messages",
        ),
    ),
    (
        lambda row: _has_list(row, "tokens") and any(name in row for name in ("ner_tags", "tags", "labels")),
        (
            "rows of tokens with a tag each are not supported",
            "write each row as a text and a JSON object of what is marked in it",
        ),
    ),
    (
        lambda row: _is_ranking(row) and _has_list(row, "labels"),
        (
            "answers judged step by step are not supported",
            "write each row as prompt and completion, or as prompt, chosen and rejected",
        ),
    ),
    (
        _is_ranking,
        (
            "several answers to a prompt are not supported",
            "write the best and another as prompt, chosen and rejected",
        ),
    ),
    (
        _is_label_studio,
        ("a full export of Label Studio is not supported", "export it as JSON-MIN or CSV, or name --target"),
    ),
    (
        _has_spans,
        (
            "spans marked by their positions are not supported",
            "write each row as a text and a JSON object of what is marked in it",
        ),
    ),
    (
        _is_media,
        ("images and sound are not supported: models are asked in text", "replace them by a description"),
    ),
)
