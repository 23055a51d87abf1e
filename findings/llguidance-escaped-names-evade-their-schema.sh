#!/usr/bin/env bash
# llguidance 1.9.1, jsonschema 4.26.0. Seen 2026-11-29.
#
# Where further properties are allowed (the default), a declared property can be written under another spelling of its name, and
# then with any value: {"a": "x"} is refused for an integer `a`, {"\u0061": "x"} is allowed, and both are one object to every JSON parser.
# The same holds for names under `patternProperties`. Inside string values these escapes are not allowed, so only names are concerned; models
# that learned from JSON with ASCII escapes do write names such as "gr\u00f6\u00dfe". The option json_allowed_escapes without "u"
# closes the gap, and with it the way to write control characters.
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
named = {"type": "object", "properties": {"a": {"type": "integer"}, "größe": {"type": "integer"}}}
matched = {"type": "object", "patternProperties": {"^a": {"type": "integer"}}}
options = {"json_allowed_escapes": 'nrbtf\\"'}


def writable(schema: dict, text: str, overrides: dict) -> bool:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=overrides)
    matcher = LLMatcher(tokenizer, grammar)
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


for schema, text, expected in (
    (named, '{"a":1}', (True, True, True)),
    (named, '{"a":"x"}', (False, False, False)),
    (named, r'{"\u0061":"x"}', (False, True, False)),
    (named, r'{"gr\u00f6\u00dfe":"x"}', (False, True, False)),
    (matched, r'{"\u0061":"x"}', (False, True, False)),
):
    valid = Draft202012Validator(schema).is_valid(json.loads(text))
    outcome = valid, writable(schema, text, {}), writable(schema, text, options)
    print(f"{text:26} valid {outcome[0]!s:5} writable {outcome[1]!s:5} without \\u {outcome[2]}")
    assert outcome == expected, text
PY
