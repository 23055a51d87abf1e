"""lm-eval's own `hf` model and our engine on the same benchmark items: equal answers, and the time.

    python -m tests.benchmarks.bench_benchmarks [ITEMS] [BATCH …]     # the 135M model, float32

Reads ../shared/data/gauntlet; as a test it runs 20 items of each task and skips where it is absent.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from harness.benchmarks import result_files
from harness.benchmarks.evaluate import _run, language_model
from harness.benchmarks.result_files import Settings
from harness.benchmarks.subject import find, load

TASKS = ("copa", "winogrande", "piqa", "arc_easy")
FILES = Path(__file__).parents[1] / "real" / "gauntlet"
DATA = Path(__file__).parents[3] / "shared" / "data" / "gauntlet"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Seconds of asking the model: on the clock, and of this process's processors.

    `difference` is the largest of two log-likelihoods in nats. lm-eval sums softmaxes in float32 over
    the whole vocabulary, which is off by more than 1e-3 on the longest continuations. `difference_exact` is
    the largest from the same model with its softmax in float64, over every request that differs by more
    than 1e-3 and at least the `WORST` that differ most.
    """

    task: str
    items: int
    requests: int
    ours: tuple[float, float]
    hf: dict[int, tuple[float, float]]
    difference: float
    beyond: int
    """How many differ by more than 1e-3."""
    difference_exact: float
    greedy_equal: bool
    scores: dict[str, float]
    scores_equal: bool


@dataclasses.dataclass(frozen=True)
class Asked:
    rows: list[dict[str, Any]]
    requests: list[Any]
    answers: list[tuple[float, bool]]
    seconds: tuple[float, float]


WORST = 32


def compare(
    task: str, items: int, batches: tuple[int, ...], spec: str = "smollm2-135m-instruct"
) -> Comparison:
    from lm_eval.models.huggingface import HFLM

    settings = Settings(limit=items)
    with tempfile.TemporaryDirectory() as folder:
        target = find(Path(folder), spec, "float32")
        model = load(target)
        ours = _ask(language_model(target, model), task, settings)
    tokenizer = model.chat.tokenizer  # type: ignore[attr-defined]
    theirs = {
        batch: _ask(HFLM(pretrained=model.network, tokenizer=tokenizer, batch_size=batch), task, settings)
        for batch in batches
    }
    hf = theirs[batches[-1]]
    apart = [abs(a[0] - b[0]) for a, b in zip(ours.answers, hf.answers, strict=True)]
    beyond = sum(value > 1e-3 for value in apart)
    worst = sorted(range(len(apart)), key=lambda i: -apart[i])[: max(WORST, beyond)]
    exact = HFLM(
        pretrained=model.network, tokenizer=tokenizer, batch_size=batches[-1], softmax_dtype="float64"
    ).loglikelihood([ours.requests[i] for i in worst], disable_tqdm=True)
    return Comparison(
        task=task,
        items=items,
        requests=len(apart),
        ours=ours.seconds,
        hf={batch: asked.seconds for batch, asked in theirs.items()},
        difference=max(apart),
        beyond=beyond,
        difference_exact=max(abs(ours.answers[i][0] - e[0]) for i, e in zip(worst, exact, strict=True)),
        greedy_equal=all(a[1] == b[1] for a, b in zip(ours.answers, hf.answers, strict=True)),
        scores={row["metric"]: row["value"] for row in ours.rows},
        scores_equal=[_score(row) for row in ours.rows] == [_score(row) for row in hf.rows],
    )


def _ask(lm: Any, task: str, settings: Settings) -> Asked:
    """Score a task, watching the one call that asks the model."""
    records: dict[str, Any] = {}
    asked = lm.loglikelihood

    def watched(requests: list[Any]) -> Any:
        clocks = time.monotonic(), time.process_time()
        records["answers"] = asked(requests, disable_tqdm=True)
        records["seconds"] = time.monotonic() - clocks[0], time.process_time() - clocks[1]
        records["requests"] = requests
        return records["answers"]

    lm.loglikelihood = watched
    result = _run(lm, str(FILES / f"{task}.yaml"), settings)
    return Asked(
        result_files.rows_of(result, {}), records["requests"], records["answers"], records["seconds"]
    )


def _score(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["metric"], row["value"], row["stderr"], row["n"]


@pytest.mark.real
@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("task", TASKS)
def test_equal_to_hf_on_the_bundled_model(task: str) -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/gauntlet")
    result = compare(task, 20, (8,))
    print(json.dumps(dataclasses.asdict(result)))
    # Within 1e-3 of `hf`; where it is not, within 1e-4 of its softmax in float64, so that the error is hf's.
    assert result.difference < 1e-3 or result.difference_exact < 1e-4
    assert result.greedy_equal
    assert result.scores_equal


def main(items: int, batches: tuple[int, ...]) -> None:
    for task in TASKS:
        print(json.dumps(dataclasses.asdict(compare(task, items, batches))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200, tuple(map(int, sys.argv[2:])) or (1, 8, 32))
