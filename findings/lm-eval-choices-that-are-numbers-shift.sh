#!/usr/bin/env bash
# lm-eval 0.4.13. Seen 2026-11-30.
#
# The right answer of a multiple-choice document may be its place or its text. With `doc_to_target: "{{stars}}"`, the usual way to write it,
# a text of digits is always taken as a place, counted from 0, although the choices hold that very text: of the ratings "1" to
# "5", "3" means the choice "4", and "5" means none and is wrong for every model. A model that is always right scores 0. With
# `doc_to_target: stars`, the same column without braces, texts are compared and it scores 1; if the column holds integers it is 0 again.
# Sums with four numbers to choose from score by chance. Only a place past the end is warned about, once per document.
# lm-eval's issue 3170 and pull 4057 (open) are about lists among such targets, not about digits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lm_eval==0.4.13 datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" venv/bin/python -W ignore - 2>/dev/null <<'PY'
import json
import logging
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM

logging.disable(logging.WARNING)
CHOICES = ["1", "2", "3", "4", "5"]
LETTERS = list("ABCDE")


class Right(LM):
    """A model that knows the answer, which its question ends with."""

    def loglikelihood(self, requests, disable_tqdm=False):
        pairs = [each.args for each in requests]
        return [(0.0 if answer.strip() == question.split()[-1] else -9.0, False) for question, answer in pairs]

    def generate_until(self, requests, disable_tqdm=False):
        raise NotImplementedError

    loglikelihood_rolling = generate_until


def accuracy(name: str, answers: list[object], choices: list[str], target: str) -> float:
    rows = [{"question": f"Rating? Say {answer}", "stars": answer} for answer in answers]
    Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": choices,
        "doc_to_target": target,
        "metric_list": [{"metric": "acc"}],
    }
    return simple_evaluate(Right(), tasks=[task], bootstrap_iters=0)["results"][name]["acc,none"]


scores = {
    "texts, {{stars}}": accuracy("braces", CHOICES, CHOICES, "{{stars}}"),
    "texts, stars": accuracy("column", CHOICES, CHOICES, "stars"),
    "integers, stars": accuracy("integers", [1, 2, 3, 4, 5], CHOICES, "stars"),
    "letters, {{stars}}": accuracy("letters", LETTERS, LETTERS, "{{stars}}"),
}
print("accuracy of a model that is always right:", scores, flush=True)
assert scores == {"texts, {{stars}}": 0.0, "texts, stars": 1.0, "integers, stars": 0.0, "letters, {{stars}}": 1.0}
PY
