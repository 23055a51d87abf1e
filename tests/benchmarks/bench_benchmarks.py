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

from harness.benchmarks import records
from harness.benchmarks.evaluate import _run, language_model
from harness.benchmarks.records import Settings
from harness.benchmarks.target import find, load

TASKS = ("arc_easy", "piqa", "winogrande", "copa")
FILES = Path(__file__).parents[1] / "real" / "gauntlet"
DATA = Path(__file__).parents[3] / "shared" / "data" / "gauntlet"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Seconds of asking the model, and the largest difference of two log-likelihoods in nats."""

    task: str
    items: int
    requests: int
    ours: float
    hf: dict[int, float]
    difference: float
    greedy_equal: bool
    scores: dict[str, float]
    scores_equal: bool


def compare(
    task: str, items: int, batches: tuple[int, ...], spec: str = "smollm2-135m-instruct"
) -> Comparison:
    from lm_eval.models.huggingface import HFLM

    settings = Settings(limit=items)
    with tempfile.TemporaryDirectory() as folder:
        target = find(Path(folder), spec, "float32")
        model = load(target)
        ours, mine, seconds = _timed(language_model(target, model), task, settings)
    others: dict[int, float] = {}
    for batch in batches:
        tokenizer = model.chat.tokenizer  # type: ignore[attr-defined]
        lm = HFLM(pretrained=model.network, tokenizer=tokenizer, batch_size=batch)
        theirs, his, others[batch] = _timed(lm, task, settings)
    pairs = list(zip(mine, his, strict=True))
    return Comparison(
        task=task,
        items=items,
        requests=len(mine),
        ours=seconds,
        hf=others,
        difference=max(abs(a[0] - b[0]) for a, b in pairs),
        greedy_equal=all(a[1] == b[1] for a, b in pairs),
        scores={row["metric"]: row["value"] for row in ours},
        scores_equal=[_score(row) for row in ours] == [_score(row) for row in theirs],
    )


def _timed(lm: Any, task: str, settings: Settings) -> tuple[list[Any], list[tuple[float, bool]], float]:
    """Rows, log-likelihoods in order, and the seconds that asking the model took."""
    spent: list[float] = []
    asked = lm.loglikelihood

    def watched(*arguments: Any, **named: Any) -> Any:
        clock = time.monotonic()
        found = asked(*arguments, **named)
        spent.append(time.monotonic() - clock)
        return found

    lm.loglikelihood = watched
    found = _run(lm, str(FILES / f"{task}.yaml"), settings)
    samples = found["samples"][f"gauntlet_{task}"]
    answers = [response[0] for sample in samples for response in sample["resps"]]
    return records.rows_of(found, {}), answers, sum(spent)


def _score(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["metric"], row["value"], row["stderr"], row["n"]


@pytest.mark.real
@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("task", TASKS)
def test_equal_to_hf_on_the_bundled_model(task: str) -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/gauntlet")
    found = compare(task, 20, (8,))
    print(json.dumps(dataclasses.asdict(found)))
    assert found.difference < 1e-3
    assert found.greedy_equal
    assert found.scores_equal


def main(items: int, batches: tuple[int, ...]) -> None:
    total = {"ours": 0.0, **{f"hf batch {batch}": 0.0 for batch in batches}}
    for task in TASKS:
        found = compare(task, items, batches)
        print(json.dumps(dataclasses.asdict(found)), flush=True)
        total["ours"] += found.ours
        for batch, seconds in found.hf.items():
            total[f"hf batch {batch}"] += seconds
    print(json.dumps({"seconds": total}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200, tuple(map(int, sys.argv[2:])) or (1, 8, 32))
