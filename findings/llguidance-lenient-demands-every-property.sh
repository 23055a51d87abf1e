#!/usr/bin/env bash
# llguidance 1.9.1, jsonschema 4.26.0. Seen 2026-11-29.
#
# `lenient` is there to ignore what a grammar cannot express, so that it allows more than the schema. For `minProperties` beside
# optional properties it allows less: with "minProperties": 1 over two optional names, every property has to be written, and
# {"a": 1}, valid under the schema, is outside the grammar. The warning says that the keyword is "only supported" when all names
# are required, not that the others become so. Leaving the keyword out of the schema gives the wider grammar.
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
plain = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "additionalProperties": False}
counted = plain | {"minProperties": 1}


def writable(schema: dict, text: str) -> bool:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides={"lenient": True})
    matcher = LLMatcher(tokenizer, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


for text in ('{"a":1}', '{"a":1,"b":2}'):
    valid = Draft202012Validator(counted).is_valid(json.loads(text))
    print(f"{text:14} valid {valid}  writable without minProperties {writable(plain, text)}  with it {writable(counted, text)}")
assert writable(plain, '{"a":1}') and not writable(counted, '{"a":1}') and writable(counted, '{"a":1,"b":2}')
PY
