"""The asking step of a cell: what is not answered yet is asked, scored and written as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.core.errors import ConfigError
from harness.core.protocols import Engine
from harness.core.values import Request
from harness.results.folder import append_line
from harness.runner import scoring
from harness.runner.cell_context import CellContext, request

LATENCY_EXAMPLES = 3
"""How many test prompts are asked again one at a time, to measure latency."""


def answer(attempt: CellContext, engine: Engine) -> dict[str, Any]:
    """Ask what has not been answered yet, write each answer as it comes, and sum up the cost."""
    cell, folder = attempt.cell, attempt.folder
    examples = cell.task.splits[cell.split][: cell.limit]
    known = {row["sample_id"] for row in folder.rows()}
    left = [example for example in examples if example.id not in known]
    prompts = [attempt.prompter(example) for example in left]
    requests = [request(cell, example, prompt) for example, prompt in zip(left, prompts, strict=True)]
    check_lengths(engine, requests)
    attempt.progress.answering(cell, done=len(known), total=len(examples))
    for position, completion in engine.generate(requests):
        row = scoring.sample(cell.task, left[position], prompts[position], completion)
        append_line(folder.samples, row)
        attempt.progress.answered(cell)
    attempt.progress.state(cell, "timing")
    asked = [request(cell, example, attempt.prompter(example)) for example in examples[:LATENCY_EXAMPLES]]
    how: dict[str, Any] = {"batch_size": engine.batch_size}
    if engine.notes:
        how["notes"] = list(engine.notes)
    return answer_cost(folder.rows()) | latency(engine, asked) | how


def check_lengths(engine: Engine, requests: Sequence[Request]) -> None:
    """Refuse prompts that the model cannot hold, before any answer is paid for."""
    context = engine.context
    if context is None:
        return
    for asked in requests:
        length, answer = engine.count(asked), asked.max_new_tokens if engine.answers_in_context else 0
        if length + answer > context:
            raise ConfigError(
                f"example '{asked.id}': prompt of {length} tokens + {answer} to answer "
                f"exceed the model's context of {context}",
                remedy="use fewer shots or passages (k), smaller chunks, or a model with a longer context",
            )


def latency(engine: Engine, requests: Sequence[Request]) -> dict[str, Any]:
    """Wall seconds per answer when asked one at a time, remembered answers not used."""
    seconds = []
    for asked in requests:
        clock = time.monotonic()
        for _ in engine.uncached.generate([asked]):
            seconds.append(time.monotonic() - clock)
    p50, p95 = np.percentile(seconds, [50, 95]) if seconds else (None, None)
    return {"latency_p50": p50, "latency_p95": p95, "latency_n": len(seconds)}


def answer_cost(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tokens and seconds of answers; seconds are each answer's share of its batch's wall time."""
    answered = [row for row in rows if row["finish_reason"] != "error"] or [
        {"seconds": 0.0, "tokens_in": 0, "tokens_out": 0}
    ]
    seconds = sum(row["seconds"] for row in answered)
    mean: Callable[[str], float] = lambda name: sum(row[name] for row in answered) / len(answered)  # noqa: E731
    return {
        "seconds": seconds,
        "tokens_in_mean": mean("tokens_in"),
        "tokens_out_mean": mean("tokens_out"),
        "throughput": len(answered) / seconds if seconds else None,
    }
