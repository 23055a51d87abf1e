#!/usr/bin/env bash
# pydantic 2.14.3, llguidance 1.9.1. Seen 2026-11-29.
#
# The usual way to structured output: a pydantic model, `model_json_schema(mode="serialization")` for the decoder, and
# `model_dump_json()` for the examples in the prompt or the training targets. The two do not describe one language. What
# pydantic writes for a datetime or a time without a zone is outside the "date-time" and "time" formats of its own schema (RFC 3339
# requires the offset), so the grammar cannot produce it; and a schema with a `bytes` or a `set` field does not compile at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydantic==2.14.3 llguidance==1.9.1
"$folder/venv/bin/python" - <<'PY'
import datetime as dt
import json
from decimal import Decimal

from llguidance import LLMatcher, LLTokenizer
from pydantic import create_model

tokenizer = LLTokenizer("byte")
utc = dt.timezone.utc
cases = {
    "date": (dt.date, dt.date(2026, 5, 1), "writable"),
    "amount": (Decimal, Decimal("1.50"), "writable"),
    "datetime_utc": (dt.datetime, dt.datetime(2026, 5, 1, 12, tzinfo=utc), "writable"),
    "datetime_naive": (dt.datetime, dt.datetime(2026, 5, 1, 12), "not writable"),
    "time_naive": (dt.time, dt.time(12, 30), "not writable"),
    "bytes": (bytes, b"a", "does not compile"),
    "set": (set[int], {1, 2}, "does not compile"),
}
for name, (annotation, value, expected) in cases.items():
    model = create_model("Answer", field=(annotation, ...))
    answer = model(field=value).model_dump_json()
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(model.model_json_schema(mode="serialization"))))
    if matcher.is_error():
        outcome, detail = "does not compile", matcher.get_error().splitlines()[0]
    else:
        ids = tokenizer.tokenize_str(answer)
        outcome = "writable" if matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting() else "not writable"
        detail = ""
    print(f"{name:15} {answer:36} {outcome} {detail}")
    assert outcome == expected, (name, outcome)
PY
