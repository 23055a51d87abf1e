"""From a completion to a sample row: parse, score, label the failure."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.core.errors import ConfigError
from harness.core.protocols import Scorer, Task
from harness.core.values import Completion, Example, Invalid, Parsed, ParsedAnswer, Prompt, Score
from harness.evidence import failure_modes
from harness.tasks import twins


def sample(task: Task, example: Example, prompt: Prompt, completion: Completion) -> dict[str, Any]:
    """One row of `samples.jsonl`."""
    row: dict[str, Any] = {
        "sample_id": example.id,
        "input": dict(example.input),
        **({"turns": [turn.row() for turn in example.turns]} if example.turns else {}),
        "target": example.target,
        "group": example.group,
        "meta": dict(example.meta),
        "context_ids": list(example.context_ids),
        **({"gold_twins": gold} if (gold := twins.gold(task.corpus, example)) else {}),
        "prompt": completion.prompt,
        "passages": [dataclasses.asdict(passage) for passage in prompt.passages],
        **({"searched": True} if prompt.searched else {}),
        "passages_dropped": prompt.passages_dropped,
        "shots": list(prompt.shots),
        "shots_dropped": prompt.shots_dropped,
        "output": completion.text,
        **({"reasoning": completion.thoughts} if completion.thoughts else {}),
        "tokens_in": completion.tokens_in,
        "tokens_out": completion.tokens_out,
        "seconds": completion.seconds,
        "waited": completion.waited,
        "retries": completion.retries,
        "clock": completion.clock,
        "finish_reason": completion.finish_reason,
        "cached": completion.cached,
        "error": completion.error,
        **({} if completion.model is None else {"model": completion.model}),
    }
    if completion.finish_reason == "error":
        scores = [Score(scorer=s.name(), status="error", reason=completion.error or "") for s in task.scorers]
        unread = {"status": "error", "reason": completion.error or "", "path": ""}
        row |= {"strict": unread, "extracted": unread | {"value": None}}
    else:
        reading = _read(task, completion)
        row |= _thoughts(completion, reading)
        scores = [_score(scorer, reading.extracted, example) for scorer in task.scorers]
        row |= {"strict": _status(reading.strict), "extracted": _status(reading.extracted)}
        found = reading.extracted
        row["extracted"]["value"] = found.value if isinstance(found, Parsed) else None
    row["scores"] = [dataclasses.asdict(score) for score in scores]
    row["failure"] = failure_modes.label(row, task)
    return row


def _thoughts(completion: Completion, reading: ParsedAnswer) -> dict[str, Any]:
    """What the model thought aloud, in the answer or apart from it, and its tokens: as the server counts them, else by
    its share of the text. Nothing for a model that does not think aloud."""
    thoughts = "\n".join(filter(None, [completion.thoughts, reading.thoughts]))
    if not thoughts:
        return {}
    tokens = completion.thought_tokens
    if tokens is None:
        said = len(completion.text) + len(completion.thoughts)
        tokens = round(completion.tokens_out * min(1.0, len(thoughts) / max(said, 1)))
    return {"thoughts": thoughts, "thought_tokens": tokens}


def _read(task: Task, completion: Completion) -> ParsedAnswer:
    """The answer in the task's format; a refusal is none, whatever it says."""
    if completion.finish_reason != "refused":
        return task.format.read(completion.text)
    refusal = Invalid(completion.error or "refused")
    return ParsedAnswer(strict=refusal, extracted=refusal)


def _status(outcome: Parsed | Invalid) -> dict[str, Any]:
    if isinstance(outcome, Parsed):
        return {"status": "valid", "reason": "", "path": ""}
    return {"status": "invalid", "reason": outcome.reason, "path": outcome.path}


def _score(scorer: Scorer, outcome: Parsed | Invalid, example: Example) -> Score:
    name, version = scorer.name(), scorer.version
    if isinstance(outcome, Invalid):
        return Score(scorer=name, status="invalid", value=0.0, reason=outcome.reason, version=version)
    try:
        raw, reason = scorer.score(outcome.value, example.target, example)
        value = float(raw)
    except Exception as error:  # a scorer's crash is a fact about the scorer, not about the answer
        reason = f"{type(error).__name__}: {error}"
        return Score(scorer=name, status="error", reason=reason, version=version)
    if not 0.0 <= value <= 1.0:
        raise ConfigError(
            f"scorer '{name}' gave example '{example.id}' {value}, not a score within [0, 1]",
            remedy="divide by the scorer's largest value; the answers so far are kept",
        )
    return Score(scorer=name, status="scored", value=value, reason=reason, version=version)


def primary(task: Task, example: Example, answer: str) -> float | None:
    """The primary scorer's value of an answer after extraction: 0 when invalid, None when the scorer
    failed."""
    scorer = next(scorer for scorer in task.scorers if scorer.name() == task.primary)
    return _score(scorer, task.format.read(answer).extracted, example).value
