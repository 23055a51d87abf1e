#!/usr/bin/env bash
# llguidance 1.9.1, jsonschema 4.26.0. Seen 2026-11-29.
#
# Under "multipleOf": 0.25 a number with decimals has to be written with two: 0.50 is allowed, and 0.5 and 1.5 are refused, though
# they are multiples; under 0.5 and 0.01 any spelling is allowed. It depends on the digits of the step: 0.25, 0.125 and 1.25 have
# more than one. json.dumps writes 1.5, never 1.50, so every third multiple of 0.25 that is not whole is a training target, or an
# example in a prompt, that the grammar forbids.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llguidance==1.9.1 jsonschema==4.26.0
"$folder/venv/bin/python" - <<'PY'
import json

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

tokenizer = LLTokenizer("byte")


def writable(schema: dict, text: str) -> bool:
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


for step, text, expected in (
    (0.25, "0.75", True),
    (0.25, "0.50", True),
    (0.25, "0.5", False),
    (0.25, "1.5", False),
    (0.25, "3", True),
    (0.125, "0.5", False),
    (1.25, "2.5", False),
    (0.5, "1.5", True),
    (0.01, "0.5", True),
):
    schema = {"type": "number", "multipleOf": step}
    assert Draft202012Validator(schema).is_valid(json.loads(text))
    outcome = writable(schema, text)
    print(f"multipleOf {step:<6} {text:5} valid True  writable {outcome}")
    assert outcome is expected, (step, text)
PY
