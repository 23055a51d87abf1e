"""Constrained decoding against llguidance given the schema as it stands, its keys sorted: compile time, tokens per second.

What is compared with is how this engine constrained before it had a language of its own. Both run in one process, in
the order A B A B, and CPU seconds are counted, so that other work on the machine counts less. Run by `make bench`, or

    pytest -s tests/benchmarks/bench_constrained.py --override-ini "python_files=bench_*.py"

`HARNESS_BENCH_MODEL` (smollm2-135m-instruct; `tiny` is quick), `HARNESS_BENCH_REQUESTS` (40) and
`HARNESS_BENCH_ROUNDS` (3) say what is asked, how much, and how often.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import pytest
from llguidance import LLMatcher

from harness.core.keys import canonical_json
from harness.core.protocols import LanguageModel
from harness.core.values import Constraint, Message, Request
from harness.engines import grammar
from harness.engines.hf.constrain import Constrainer
from harness.engines.hf.engine import HfEngine
from harness.models.load import load
from harness.tasks.load import load as load_task
from harness.tasks.templates import render
from tests.schemas.kinds import CASES

pytestmark = pytest.mark.benchmark

MODEL = os.environ.get("HARNESS_BENCH_MODEL", "smollm2-135m-instruct")
COUNT = int(os.environ.get("HARNESS_BENCH_REQUESTS", "40"))
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "3"))
WIDER = ("\\w", "\\d", "\\D")
"""Parts of a pattern that now allow every script, and so take longer to compile."""


class Plain(Constrainer):
    """llguidance with the schema as it stands."""

    def matcher(self, constraint: Constraint) -> LLMatcher:
        name = canonical_json([constraint.kind, constraint.value])
        if name not in self._matchers:
            text = LLMatcher.grammar_from_json_schema(
                canonical_json(constraint.value), overrides={"whitespace_flexible": False}
            )
            matcher = LLMatcher(self._tokenizer, text, log_level=0)
            if matcher.is_error():
                raise ValueError(matcher.get_error())
            self._matchers[name] = matcher
        return self._matchers[name].deep_copy()


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(MODEL)


def _seconds(call: Callable[[], object]) -> float:
    clock = time.process_time()
    call()
    return time.process_time() - clock


def _compiles(constrainer: Constrainer, constraint: Constraint) -> bool:
    try:
        constrainer.matcher(constraint)
    except ValueError:
        return False
    return True


def test_compile_time(model: LanguageModel) -> None:
    width = model.network.config.vocab_size
    times: dict[str, tuple[float, float]] = {}
    for case in CASES:
        constraint = Constraint(kind="json_schema", value=case.schema)
        pair = [Plain(model.chat, width), Constrainer(model.chat, width)]
        if not all(_compiles(one, constraint) for one in pair):
            continue
        best = [float("inf")] * 2
        for _ in range(9):
            for i, one in enumerate(pair):
                one._matchers.clear()
                grammar._usable.cache_clear()
                best[i] = min(best[i], _seconds(partial(one.matcher, constraint)))
        times[case.name] = best[0], best[1]
    wider = {case.name for case in CASES if any(part in canonical_json(case.schema) for part in WIDER)}
    same = [pair for name, pair in times.items() if name not in wider]
    ratios = [ours / plain for plain, ours in times.values()]
    print(
        f"\n{len(times)} of {len(CASES)} schemas compile both ways, tokenizer of {MODEL}: "
        f"{1e3 * sum(plain for plain, _ in times.values()):.1f} ms as they stand, "
        f"{1e3 * sum(ours for _, ours in times.values()):.1f} ms ours, ratio {_ratio(list(times.values())):.2f}, "
        f"median {statistics.median(ratios):.2f}; without the {len(times) - len(same)} whose patterns allow "
        f"every script {_ratio(same):.2f}"
    )


def _ratio(pairs: list[tuple[float, float]]) -> float:
    return sum(ours for _, ours in pairs) / sum(plain for plain, _ in pairs)


def test_speed(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task("support_tickets")
    requests = [
        Request(
            id=example.id,
            messages=(
                Message("system", task.instructions),
                Message("user", render(task.input, example.input)),
            ),
            max_new_tokens=task.max_new_tokens,
            constraint=task.format.constraint(),
        )
        for example in task.splits["test"][:COUNT]
    ]
    rates: dict[type[Constrainer], float] = {}
    for _ in range(ROUNDS):
        for kind in (Plain, Constrainer):
            monkeypatch.setattr("harness.engines.hf.engine.Constrainer", kind)
            engine, answers = HfEngine(model), []
            seconds = _seconds(lambda: answers.extend(engine.generate(requests)))  # noqa: B023
            tokens = sum(completion.tokens_out or 0 for _, completion in answers)
            rates[kind] = max(rates.get(kind, 0.0), tokens / seconds)
    ratio = rates[Constrainer] / rates[Plain]
    print(
        f"\n{COUNT} answers of {MODEL}: {rates[Plain]:.1f} tokens a second with the schema as it stands, "
        f"{rates[Constrainer]:.1f} ours, ratio {ratio:.2f}"
    )
    assert all(
        isinstance(task.format.read(c.text).strict.value, dict)
        for _, c in answers
        if c.finish_reason == "stop"
    )  # type: ignore[union-attr]
