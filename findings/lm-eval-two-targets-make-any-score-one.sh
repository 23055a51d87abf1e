#!/usr/bin/env bash
# lm-eval 0.4.13. Seen 2026-11-30.
#
# A document may have several right answers: `doc_to_target` gives a list. The best of the scores would be expected, as in SQuAD; lm-eval
# gives 1 where any of them is above 0. For an exact match that is the same. For a graded metric, such as the F1 of words, an edit
# similarity or a rating from 0 to 10, one shared word makes a wrong answer perfect, and a rating of 7 becomes 1. The same documents with one
# answer each are scored as the metric says, so merging two files of references "improves" a model. Nothing is logged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lm_eval==0.4.13 datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" venv/bin/python -W ignore - 2>/dev/null <<'PY'
import json
import logging
from collections import Counter
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM

logging.disable(logging.WARNING)
ANSWER = "in the old town hall of Basel"
SINGLE = "the main station in Zurich"
DOUBLE = [SINGLE, "Zurich's main station"]


def f1(references: list[str], predictions: list[str]) -> float:
    """The F1 of words of one answer and one reference."""
    target, answer = Counter(references[0].split()), Counter(predictions[0].split())
    return 2 * (target & answer).total() / (target.total() + answer.total())


class Fixed(LM):
    """A model that gives one answer to everything."""

    def generate_until(self, requests, disable_tqdm=False):
        return [ANSWER for _ in requests]

    def loglikelihood(self, requests, disable_tqdm=False):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def score(target: str | list[str]) -> float:
    name = type(target).__name__
    Path(f"{name}.jsonl").write_text(json.dumps({"question": "Where do we meet?", "answer": target}) + "\n")
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": f1, "aggregation": "mean"}],
    }
    return simple_evaluate(Fixed(), tasks=[task], bootstrap_iters=0)["results"][name]["f1,none"]


single, double = score(SINGLE), score(DOUBLE)
best = max(f1([target], [ANSWER]) for target in DOUBLE)
print(f"F1 with one reference {single:.2f}; with a second one beside it {double:.2f}; the best of both is {best:.2f}")
assert round(single, 6) == round(best, 6) and 0.3 < best < 0.4 and double == 1
PY
