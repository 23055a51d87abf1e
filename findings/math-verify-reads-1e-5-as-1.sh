#!/usr/bin/env bash
# math-verify 0.9.0. Seen 2026-11-30.
#
# It compares mathematical answers for benchmarks and for rewards in reinforcement learning. A number as every programming language prints
# it, 1e-5 or 3e8, is read up to the "e": the answer 1e-5 is right where 1 is asked for, and wrong where 0.00001 is. Between dollar signs
# the "e" is Euler's number, so that $1e-5$ is e - 5. Models that compute with a tool answer this way, and a target file written by
# json.dumps has 1e-05 for 0.00001. There is no warning and no empty result, which a caller could count as unparsed. 10^{-5} is read in
# LaTeX alone; a plain decimal is always read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet math-verify==0.9.0 latex2sympy2_extended==1.11.0
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import json

from math_verify import parse, verify


def right(target: str, answer: str) -> bool:
    return verify(parse(target), parse(answer))


cases = (
    ("0.00001", "The answer is 0.00001", True),
    ("0.00001", "The answer is $10^{-5}$", True),
    ("0.00001", "The answer is 1e-5", False),
    ("1", "The answer is 1e-5", True),
    ("300000000", "The speed is 3e8 m/s", False),
    ("3", "The speed is 3e8 m/s", True),
    (json.dumps(0.00002), "0.00002", False),
    (json.dumps(0.00002), "2", True),
    ("$e-5$", r"\boxed{1e-5}", True),
    ("0.00001", r"\boxed{1e-5}", False),
)
for target, answer, expected in cases:
    outcome = right(target, answer)
    print(f"target {target:9} answer {answer:24} right {outcome!s:5}  read as {parse(answer)[0]}")
    assert outcome is expected, (target, answer)
PY
