"""One line of `samples.jsonl`: what was asked, what was answered, and how it was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from harness.core.values import Example, Message
from harness.evidence import ranking
from harness.results.records.base import JsonObject, JsonValue, Lenient


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseResult(Lenient):
    """How an answer parsed: `valid`, `invalid` (why, and at which path), or `error` (there is no answer, or none
    that a parser could finish reading)."""

    status: str | None = None
    reason: str | None = None
    path: str | None = None
    value: JsonValue = None

    @property
    def valid(self) -> bool:
        return self.status == "valid"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRecord(Lenient):
    """One scorer's result for an answer; see `harness.core.values.Score`."""

    scorer: str
    status: str | None = None
    value: float | None = None
    reason: str | None = None
    version: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalRecord(Lenient):
    """One retrieved passage; `document` is the id of the document that it came from."""

    document: str
    text: str = ""
    score: float | None = None
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRecord(Lenient):
    """One answer. `strict` is how it parses unchanged, `extracted` after extraction from chatter."""

    sample_id: str
    input: JsonObject | None = None
    turns: tuple[Message, ...] = ()
    target: JsonValue = None
    group: str | None = None
    meta: JsonObject | None = None
    context_ids: tuple[str, ...] = ()
    gold_twins: tuple[tuple[str, ...], ...] = ()
    """Each gold document with those that hold the same text; empty in rows from before these were
    recorded."""
    prompt: str | None = None
    passages: tuple[RetrievalRecord, ...] = ()
    searched: bool | None = None
    """Whether documents were searched, so that no passages means that none were retrieved."""
    passages_dropped: int | None = None
    shots: tuple[str, ...] = ()
    shots_dropped: int | None = None
    output: str | None = None
    reasoning: str | None = None
    """The model's thoughts, if a server returned them separately from the answer."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None
    waited: float | None = None
    retries: int | None = None
    clock: float | None = None
    finish_reason: str | None = None
    cached: bool | None = None
    error: str | None = None
    model: str | None = None
    """What the server calls the model that answered."""
    strict: ParseResult = ParseResult()
    extracted: ParseResult = ParseResult()
    scores: tuple[ScoreRecord, ...] = ()
    failure: str | None = None
    thoughts: str | None = None
    """All of the model's visible thoughts, inside the answer or separate from it."""
    thought_tokens: int | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an answer, right or wrong."""
        return self.finish_reason != "error"

    @property
    def tokens(self) -> int:
        return (self.tokens_in or 0) + (self.tokens_out or 0)

    @property
    def wall_seconds(self) -> float:
        """The answer's share of the wall time. Rows from before shares were recorded have only their
        seconds."""
        return float(self.clock if self.clock is not None else self.seconds or 0.0)

    @property
    def documents(self) -> list[str]:
        """Documents of the retrieved passages, best first."""
        return [passage.document for passage in self.passages]

    @property
    def gold(self) -> ranking.Groups:
        """The gold documents, each with its identical twins; rows from before twins were recorded have none."""
        return ranking.gold_of(self)

    @property
    def ranked(self) -> bool:
        """Whether documents were searched and some are gold, so that retrieval can be judged."""
        return bool((self.passages or self.searched) and self.context_ids)

    @property
    def recall(self) -> float | None:
        """Share of the gold documents among the passages; None if nothing was searched or nothing is gold."""
        return ranking.recall_at_k(self.documents, self.gold) if self.ranked else None

    def scored(self, scorer: str) -> ScoreRecord | None:
        """A scorer's result for the answer; None if it did not run."""
        return next((score for score in self.scores if score.scorer == scorer), None)

    def score(self, scorer: str) -> float | None:
        """A scorer's value for the answer; None if there is none: an execution error, or the scorer
        failed."""
        return next((score.value for score in self.scores if score.scorer == scorer), None)

    def example(self) -> Example:
        """The example that was asked."""
        return Example(
            id=self.sample_id,
            input=self.input or {},
            target=self.target,
            context_ids=self.context_ids,
            group=self.group,
            meta=self.meta or {},
            turns=self.turns,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The line as JSON. Fields that only some tasks and models have are written only if they have a
        value."""
        line: dict[str, JsonValue] = {name: getattr(self, name) for name in _FIELDS}
        line |= {"context_ids": list(self.context_ids), "shots": list(self.shots)}
        line |= {"turns": [turn.row() for turn in self.turns]}
        line |= {"passages": [asdict(passage) for passage in self.passages]}
        line |= {"strict": _parse_json(self.strict)}
        line |= {"extracted": _parse_json(self.extracted) | {"value": self.extracted.value}}
        line |= {"scores": [asdict(score) for score in self.scores]}
        if self.gold_twins:
            line["gold_twins"] = [list(group) for group in self.gold_twins]
        if not self.thoughts:
            del line["thought_tokens"]
        return {name: value for name, value in line.items() if value or name not in _WHERE_ANY}


_FIELDS = tuple(field.name for field in fields(SampleRecord))
_WHERE_ANY = frozenset({"turns", "gold_twins", "searched", "reasoning", "model", "thoughts"})


def _parse_json(parse: ParseResult) -> dict[str, JsonValue]:
    return {"status": parse.status, "reason": parse.reason, "path": parse.path}


def mean_score(rows: Sequence[SampleRecord], scorer: str) -> float:
    """Mean of one scorer over sample rows; 0 when nothing was scored."""
    known = [value for row in rows if (value := row.score(scorer)) is not None]
    return sum(known) / len(known) if known else 0.0
