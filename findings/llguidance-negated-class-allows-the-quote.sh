#!/usr/bin/env bash
# llguidance 1.9.1. Seen 2026-11-29.
#
# In a JSON Schema's `pattern`, a negated class that excludes the quotation mark or the backslash does not exclude it: under
# ^[^"]*$ the string "say \"hi\"" may be written, and under ^[^\\]+$ the string "C:\\temp". Any other excluded character is excluded.
# A class without control characters does what it says (^[^"\x00-\x1f]*$), so the escapes that stand for control characters in JSON
# seem to bring those of the two with them. Patterns of this kind are usual for names, paths and quoted words; the answer is then
# refused by every validator, though it was written under the grammar of its schema.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llguidance==1.9.1
"$folder/venv/bin/python" - <<'PY'
import json
import re

from llguidance import LLMatcher, LLTokenizer

tokenizer = LLTokenizer("byte")


def writable(pattern: str, value: str) -> bool:
    schema = {"type": "string", "pattern": pattern}
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(json.dumps(value))
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


for pattern, value, expected in (
    (r'^[^"]*$', 'say "hi"', True),
    (r"^[^\\]+$", "C:\\temp", True),
    (r"^[^a]*$", "banana", False),
    (r'^[^"\x00-\x1f]*$', 'say "hi"', False),
):
    matches, outcome = bool(re.search(pattern, value)), writable(pattern, value)
    print(f"{pattern:20} {json.dumps(value):14} matches {matches!s:5} writable {outcome}")
    assert not matches and outcome is expected, (pattern, value)
PY
