#!/usr/bin/env bash
# inspect_ai 0.3.285. Seen 2026-11-30.
#
# `match(numeric=True)` compares the last number of an answer with the target. Both are rounded to five significant digits first: 123457 is
# right for 123456, 1000049 for 1000000, 20241130 for 20241101, and no option says otherwise. Sums, populations, years with a
# month and identifiers have more digits than that, and a carry that was lost in arithmetic shows in the last ones. `exact()` tells
# them apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet inspect_ai==0.3.285
cd "$folder"
venv/bin/python -W ignore - 2>/dev/null <<'PY'
import asyncio

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Scorer, Target, exact, match
from inspect_ai.solver import TaskState

PAIRS = (("12346", "12345"), ("123457", "123456"), ("1000049", "1000000"), ("20241130", "20241101"), ("987654321", "987650000"))


def scored(scorer: Scorer, answer: str, target: str) -> str:
    output = ModelOutput.from_content("mock", answer)
    state = TaskState(model="mock/mock", sample_id=1, epoch=1, input="How many?", messages=[], output=output)
    return asyncio.run(scorer(state, Target(target))).value


seen = []
for answer, target in PAIRS:
    seen.append((scored(match(numeric=True), answer, target), scored(exact(), answer, target)))
    print(f"answer {answer:>9} target {target:>9}  match(numeric=True): {seen[-1][0]}  exact(): {seen[-1][1]}")
assert seen == [("I", "I")] + [("C", "I")] * 4
PY
