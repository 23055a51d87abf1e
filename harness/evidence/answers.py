"""One answer of a run, as the code here reads it. The records of `results/` implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.core.json_types import JsonObject, JsonValue


class Parse(Protocol):
    """How an answer parses in the task's format."""

    @property
    def valid(self) -> bool: ...

    @property
    def value(self) -> JsonValue:
        """The parsed value; None if the answer is not valid."""


class Retrieved(Protocol):
    """A passage in the prompt, and the document it came from."""

    @property
    def document(self) -> str: ...

    @property
    def text(self) -> str: ...


class Answer(Protocol):
    """`strict` is how the answer parses as it stands, `extracted` after extraction from chatter."""

    @property
    def input(self) -> JsonObject | None: ...

    @property
    def target(self) -> JsonValue: ...

    @property
    def output(self) -> str | None: ...

    @property
    def shots(self) -> Sequence[str]:
        """Ids of the train examples shown."""

    @property
    def passages(self) -> Sequence[Retrieved]: ...

    @property
    def context_ids(self) -> Sequence[str]:
        """Documents that hold the answer."""

    @property
    def gold_twins(self) -> Sequence[Sequence[str]]:
        """These documents, each with those that hold the same text; empty in records from before these were
        stored."""

    @property
    def searched(self) -> bool | None:
        """Whether retrieval ran, so that no passages means nothing was retrieved."""

    @property
    def finish_reason(self) -> str | None: ...

    @property
    def failure(self) -> str | None:
        """The label of `failure_modes`."""

    @property
    def strict(self) -> Parse: ...

    @property
    def extracted(self) -> Parse: ...

    @property
    def answered(self) -> bool:
        """Whether there is an answer, right or wrong."""

    def score(self, scorer: str) -> float | None:
        """A scorer's value; None if it has none."""
