"""A small task of ours, and lm-eval's log of the same questions; docs/imports.md compares the two.

    python -m docs.import_example FOLDER

lm-eval itself runs and writes the log. Its model is a scripted one that adds two numbers and is wrong at every fifth.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

QUESTIONS = 40
WRONG = 5
"""Every such question is answered with another number."""
TASK = """\
data: {train: train.jsonl, test: test.jsonl}
instructions: Give the number alone.
format: number
scorers: [number]
max_new_tokens: 8
"""
LM_EVAL_TASK = """\
task: cups
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{{{input}}}}\\nAnswer:"
doc_to_target: target
generation_kwargs: {{until: ["\\n"]}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def write(folder: Path) -> None:
    """The task `cups`, and the folder `log` with lm-eval's files."""
    task = folder / "cups"
    task.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"cups-{n}",
            "input": f"A tray holds {n} cups and {n % 7 + 2} more. How many?",
            "target": str(n + n % 7 + 2),
        }
        for n in range(1, QUESTIONS + 9)
    ]
    for name, part in (("test", rows[:QUESTIONS]), ("train", rows[QUESTIONS:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (task / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (task / "task.yaml").write_text(TASK, encoding="utf-8")
    _evaluate(folder / "log", task / "test.jsonl")


def _evaluate(log: Path, rows: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    log.mkdir(parents=True, exist_ok=True)
    (log / "cups.yaml").write_text(LM_EVAL_TASK.format(file=rows.resolve()), encoding="utf-8")
    tracker = EvaluationTracker(output_path=str(log))
    done: Any = simple_evaluate(
        model=_adder(),
        model_args="pretrained=toy/adder",
        tasks=["cups"],
        task_manager=TaskManager(include_path=str(log), include_defaults=False),
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    samples = done.pop("samples")
    tracker.save_results_aggregated(results=done, samples=samples)
    tracker.save_results_samples(task_name="cups", samples=samples["cups"])


def _adder() -> Any:
    import re

    from lm_eval.api.model import LM

    class Adder(LM):  # type: ignore[misc]
        """Adds the numbers of the question."""

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            numbers = [[int(text) for text in re.findall(r"\d+", one.args[0])] for one in requests]
            return [f" {sum(pair) + (index % WRONG == 0)}" for index, pair in enumerate(numbers)]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            raise NotImplementedError

    return Adder()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
