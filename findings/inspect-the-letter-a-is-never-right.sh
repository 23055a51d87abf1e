#!/usr/bin/env bash
# inspect_ai 0.3.285. Seen 2026-11-30.
#
# `exact()` and `f1()` take the articles out of answer and target before they compare. Of a target that is an article nothing is left, and
# it is passed over: where the right answer is "A", every answer scores 0, "A" as well. "B", "C" and "D" are scored as they should be.
# With letters for choices, grades, blood types or groups that is about a quarter of the examples, the same ones for every model; a model that
# always says "A" gets 0 %. Nothing is logged. `match()` and `answer("letter")` are right.
# The kind is known elsewhere (HELM issue 2298, open; UltraRAG issue 509); no thread about these two scorers was found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet inspect_ai==0.3.285
cd "$folder"
venv/bin/python -W ignore - 2>/dev/null <<'PY'
import asyncio

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Scorer, Target, answer, exact, f1, match, value_to_float
from inspect_ai.solver import TaskState

SCORERS = {"exact()": exact(), "f1()": f1(), "match()": match(), 'answer("letter")': answer("letter")}


def scored(scorer: Scorer, text: str, target: str) -> float:
    output = ModelOutput.from_content("mock", text)
    state = TaskState(model="mock/mock", sample_id=1, epoch=1, input="Which one?", messages=[], output=output)
    return value_to_float()(asyncio.run(scorer(state, Target(target))).value)


seen = {}
for name, scorer in SCORERS.items():
    said = "ANSWER: {}" if name.startswith("answer") else "{}"
    seen[name] = [scored(scorer, said.format(letter), letter) for letter in "ABCD"]
    print(f"{name:17} the right letter for A, B, C, D scores {seen[name]}")
assert seen["exact()"] == seen["f1()"] == [0, 1, 1, 1], "the letter A can be right now"
assert seen["match()"] == seen['answer("letter")'] == [1, 1, 1, 1]
PY
