#!/usr/bin/env bash
# llguidance 1.9.1, jsonschema 4.26.0. Seen 2026-11-29.
#
# `lenient` is there to ignore what a grammar cannot express, so that it allows more than the schema. For `minProperties` beside
# optional properties it allows less: the count is then of the properties that the schema does not name. With "minProperties": 1
# over the optional names a and b, {"a": 1} and {"a": 1, "b": 2} are valid and cannot be written; {"c": 0} can. A model is forced to
# invent a name. The warning only says that the keyword is supported where all names are required. Leaving the keyword out of
# the schema gives the wider grammar that is meant.
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
plain = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
counted = plain | {"minProperties": 1}


def writable(schema: dict, text: str) -> bool:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides={"lenient": True})
    matcher = LLMatcher(tokenizer, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


texts = ('{"a":1}', '{"a":1,"b":2}', '{"c":0}', '{"a":1,"c":0}')
outcomes = {text: writable(counted, text) for text in texts}
for text, outcome in outcomes.items():
    valid = Draft202012Validator(counted).is_valid(json.loads(text))
    print(f"{text:14} valid {valid}  writable without minProperties {writable(plain, text)}  with it {outcome}")
assert list(outcomes.values()) == [False, False, True, True] and all(writable(plain, text) for text in texts)
PY
