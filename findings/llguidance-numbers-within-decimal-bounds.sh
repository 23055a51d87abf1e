#!/usr/bin/env bash
# llguidance 1.9.1, jsonschema 4.26.0. Seen 2026-11-29.
#
# Under `minimum` or `maximum` with decimals, the grammar that llguidance makes of a JSON Schema is one of spellings, not of
# values. 0.2 under a maximum of 0.25 has to be written 0.20; 1e-3, valid without bounds, cannot be written at all with
# them; and "exclusiveMinimum": 0 with "maximum": 0.5 lets a model write 0, which a validator then refuses.
# Training targets and few-shot examples are written by json.dumps, which spells 0.2 as everybody does: such a target has
# probability zero under the grammar that is meant to guarantee it.
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


share = {"type": "number", "minimum": 0, "maximum": 0.25}
positive = {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}
for schema, text, expected in (
    (share, "0.25", (True, True)),
    (share, "0.2", (True, False)),
    (share, "0.20", (True, True)),
    (share, "1e-3", (True, False)),
    ({"type": "number"}, "1e-3", (True, True)),
    (positive, "0.1", (True, True)),
    (positive, "0", (False, True)),
):
    outcome = Draft202012Validator(schema).is_valid(json.loads(text)), writable(schema, text)
    print(f"{json.dumps(schema):60} {text:5} valid {outcome[0]!s:5} writable {outcome[1]}")
    assert outcome == expected, expected
PY
