"""From a completion to a sample row: parse, score, label the failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from harness.core import deadline, score_range
from harness.core.errors import is_panic
from harness.core.formatting import size
from harness.core.protocols import Scorer, Task
from harness.core.protocols.tasks import ANSWER_MEMORY
from harness.core.values import Completion, Example, Invalid, Parsed, ParsedAnswer, Prompt, Score, Unread
from harness.evidence import failure_modes
from harness.results.records.sample import ParseResult, RetrievalRecord, SampleRecord, ScoreRecord
from harness.tasks import twins

SCORING_SECONDS = 30.0
"""Processor seconds that a scorer may take for one answer, in this thread; child processes do not count."""


def sample(task: Task, example: Example, prompt: Prompt, completion: Completion) -> SampleRecord:
    """One row of `samples.jsonl`."""
    row = SampleRecord(
        sample_id=example.id,
        input=dict(example.input),
        turns=example.turns,
        target=example.target,
        group=example.group,
        meta=dict(example.meta),
        context_ids=example.context_ids,
        gold_twins=tuple(map(tuple, twins.gold(task.corpus, example))),
        prompt=completion.prompt,
        passages=tuple(RetrievalRecord(**asdict(passage)) for passage in prompt.passages),
        searched=prompt.searched or None,
        passages_dropped=prompt.passages_dropped,
        shots=prompt.shots,
        shots_dropped=prompt.shots_dropped,
        output=completion.text,
        reasoning=completion.thoughts or None,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        seconds=completion.seconds,
        waited=completion.waited,
        retries=completion.retries,
        clock=completion.clock,
        finish_reason=completion.finish_reason,
        cached=completion.cached,
        error=completion.error,
        model=completion.model,
        thought_tokens=completion.thought_tokens,
    )
    return scored(task, row, example)


def scored(task: Task, row: SampleRecord, example: Example) -> SampleRecord:
    """The row with its answer parsed and scored as the task says.

    Args:
        row: `thought_tokens` are those that the server counted, None if it did not.
    """
    if not row.answered:
        reason = row.error or ""
        unread = ParseResult(status="error", reason=reason, path="")
        scores = [Score(scorer=scorer.name(), status="error", reason=reason) for scorer in task.scorers]
        row = replace(
            row,
            thoughts=None,
            thought_tokens=None,
            strict=unread,
            extracted=unread,
            scores=_recorded(scores),
        )
    else:
        parsed = _parsed(task, row)
        thoughts = "\n".join(filter(None, [row.reasoning, parsed.thoughts]))
        row = replace(
            row,
            thoughts=thoughts or None,
            thought_tokens=_thought_tokens(row, thoughts),
            strict=_result(parsed.strict),
            extracted=_result(parsed.extracted),
            scores=_recorded(_score(scorer, parsed.extracted, example) for scorer in task.scorers),
        )
    return replace(row, failure=failure_modes.label(row, task))


def _recorded(scores: Iterable[Score]) -> tuple[ScoreRecord, ...]:
    return tuple(
        ScoreRecord(
            scorer=score.scorer,
            status=score.status,
            value=score.value,
            reason=score.reason,
            version=score.version,
        )
        for score in scores
    )


def _thought_tokens(row: SampleRecord, thoughts: str) -> int | None:
    """Tokens of the model's reasoning, in the answer or apart from it: as the server counts them, else by
    their share of the text. None for a model without reasoning."""
    if not thoughts or row.thought_tokens is not None:
        return row.thought_tokens if thoughts else None
    written = len(row.output or "") + len(row.reasoning or "")
    return round((row.tokens_out or 0) * min(1.0, len(thoughts) / max(written, 1)))


def _parsed(task: Task, row: SampleRecord) -> ParsedAnswer:
    """The answer in the task's format; a refusal is never an answer, whatever its text."""
    if row.finish_reason != "refused":
        return task.format.read(row.output or "")
    refusal = Invalid(row.error or "refused")
    return ParsedAnswer(strict=refusal, extracted=refusal)


def _result(outcome: Parsed | Invalid) -> ParseResult:
    if isinstance(outcome, Parsed):
        return ParseResult(status="valid", reason="", path="", value=outcome.value)
    status = "error" if isinstance(outcome, Unread) else "invalid"
    return ParseResult(status=status, reason=outcome.reason, path=outcome.path)


def _score(scorer: Scorer, outcome: Parsed | Invalid, example: Example) -> Score:
    name, version = scorer.name(), scorer.version
    if isinstance(outcome, Unread):
        return Score(scorer=name, status="error", reason=outcome.reason, version=version)
    if isinstance(outcome, Invalid):
        return Score(scorer=name, status="invalid", value=0.0, reason=outcome.reason, version=version)
    try:
        with deadline.within(SCORING_SECONDS, ANSWER_MEMORY):
            raw, reason = scorer.score(outcome.value, example.target, example)
        value = float(raw)
    except deadline.TooLargeError:
        reason = f"took more than {size(ANSWER_MEMORY)}"
        return Score(scorer=name, status="error", reason=reason, version=version)
    except deadline.TooLongError:
        reason = f"took longer than {SCORING_SECONDS:g} s"
        return Score(scorer=name, status="error", reason=reason, version=version)
    except BaseException as error:  # a scorer's crash is a fact about the scorer, not about the answer
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        reason = f"{type(error).__name__}: {error}"
        return Score(scorer=name, status="error", reason=reason, version=version)
    if not score_range.valid(value):
        raise score_range.refused(name, example.id, value, remedy="; the answers so far are kept")
    return Score(scorer=name, status="scored", value=value, reason=reason, version=version)


def primary(task: Task, example: Example, answer: str) -> float | None:
    """The primary scorer's value of an answer after extraction: 0 when invalid, None when the scorer
    failed."""
    scorer = next(scorer for scorer in task.scorers if scorer.name() == task.primary)
    return _score(scorer, task.format.read(answer).extracted, example).value
