#!/usr/bin/env bash
# pydantic 2.14.3, jsonschema 4.26.0. Seen 2026-11-29.
#
# `dict[SomeIntEnum, str]` is written as pydantic writes every mapping: JSON with the keys "1" and "2". The schema that
# `model_json_schema(mode="serialization")` gives for it restricts the names to the enum's members: `propertyNames` refers to
# {"enum": [1, 2], "type": "integer"}. A name in JSON is a string, so no object but {} satisfies the schema, the model's own dump included.
# For `dict[int, str]` pydantic writes no such restriction, and for a str enum the restriction is right. A validator that is given
# pydantic's schema counts every answer as invalid, the right ones, too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydantic==2.14.3 jsonschema==4.26.0
"$folder/venv/bin/python" - <<'PY'
import enum
import json

from jsonschema import Draft202012Validator
from pydantic import create_model


class Level(enum.IntEnum):
    low = 1
    high = 2


class Color(str, enum.Enum):
    red = "red"


for key, value, expected in ((Level, {Level.low: "a"}, False), (Color, {Color.red: "a"}, True), (int, {1: "a"}, True)):
    model = create_model("Answer", field=(dict[key, str], ...))
    answer = model(field=value).model_dump_json()
    assert model.model_validate_json(answer).field == value
    schema = model.model_json_schema(mode="serialization")
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(answer))]
    print(f"{key.__name__:6} {answer:22} valid {not errors!s:5}", schema.get("$defs", {}), *errors)
    assert (not errors) is expected, key
PY
