#!/usr/bin/env bash
# inspect_ai 0.3.285. Seen 2026-11-30.
#
# `exact()` is documented as an exact comparison of normalized texts. The normalization cuts texts at hyphens and deletes punctuation
# inside words, so that -5 is right where 5 is asked for, and 5 where -5 is; 1/2 is right for 12, [1,2] for [12], 2^3 for 23, C++ for C, 10% for 10.
# `f1()` gives the same pairs 1.0. Decimal points are kept, which makes it look safe for numbers, and there is no option. For
# differences, slopes, temperatures, fractions and names of languages a wrong answer scores 1. `match(numeric=True)` tells signs apart.
# Not found as reported for signs; pull request 4636 there, which kept decimal points, states that other punctuation goes, and lighteval's
# pull request 1336 met it with brackets.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet inspect_ai==0.3.285
cd "$folder"
venv/bin/python -W ignore - 2>/dev/null <<'PY'
import asyncio

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Scorer, Target, exact, f1, match, value_to_float
from inspect_ai.solver import TaskState

WRONG = (("-5", "5"), ("5", "-5"), ("-0.5", "0.5"), ("1/2", "12"), ("[1,2]", "[12]"), ("2^3", "23"), ("C++", "C"), ("10%", "10"))
KEPT = (("1.5", "15"), ("5", "6"))


def scored(scorer: Scorer, text: str, target: str) -> float:
    output = ModelOutput.from_content("mock", text)
    state = TaskState(model="mock/mock", sample_id=1, epoch=1, input="How much?", messages=[], output=output)
    return value_to_float()(asyncio.run(scorer(state, Target(target))).value)


for text, target in (*WRONG, *KEPT):
    seen = scored(exact(), text, target), scored(f1(), text, target)
    print(f"answer {text:>6}  target {target:>5}  exact() {seen[0]:.0f}  f1() {seen[1]:.0f}")
    assert seen == ((1, 1) if (text, target) in WRONG else (0, 0)), (text, target)
signs = [scored(match(numeric=True), text, target) for text, target in WRONG[:3]]
print("match(numeric=True) of the first three:", signs)
assert signs == [0, 0, 0]
PY
