"""pydantic's schemas against pydantic's own JSON; random answers of their languages are valid."""

from __future__ import annotations

import json
import os
import random
import warnings
from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.values import Constraint, Parsed
from harness.engines.grammar import Language
from tests.schemas.models import models, openapi_and_tools
from tests.schemas.walk import walk

WALKS = int(os.environ.get("HARNESS_WALKS", "4"))
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (name, schema, [json.dumps(value, ensure_ascii=False) for value in values])
    for name, schema, values in openapi_and_tools()
]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a type that has no JSON Schema of its own
    for name, model, values in models():
        written = [value.model_dump_json(by_alias=True) for value in values]
        CASES.append((name, model.model_json_schema(mode="serialization"), written))
        CASES.append((f"{name}, to be read", model.model_json_schema(mode="validation"), []))


@pytest.mark.parametrize(("name", "schema", "texts"), CASES, ids=[case[0] for case in CASES])
def test_pydantics_json_is_valid_and_can_be_written_and_what_can_be_written_is_valid(
    name: str, schema: dict[str, Any], texts: list[str]
) -> None:
    form = build("formats", {"kind": "json_schema", "schema": schema})
    language = Language(Constraint(kind="json_schema", value=schema))
    for text in texts:
        assert isinstance(form.parse(text), Parsed), text
        assert language.written(form.render(json.loads(text))) is None, text
    assert language.not_enforced == ()
    draw = random.Random(name)
    for _ in range(WALKS):
        answer = walk(language, draw)
        outcome = None if answer is None else form.parse(answer)
        assert outcome is None or isinstance(outcome, Parsed) or "is not a number" in outcome.reason, answer


@pytest.mark.parametrize("step", [0.25, 0.75, 0.125, 1.25, 0.0025, 0.12, 0.01, 0.5, 12.5])
@pytest.mark.parametrize("bounds", [{}, {"minimum": 0, "maximum": 3.75}])
def test_multiples_can_be_written_with_as_few_decimals_as_they_have(
    step: float, bounds: dict[str, float]
) -> None:
    schema = {"type": "number", "multipleOf": step, **bounds}
    form = build("formats", {"kind": "json_schema", "schema": schema})
    language = Language(Constraint(kind="json_schema", value=schema))
    written = 0
    for number in range(1600):
        text = repr(number * 25 / 10_000).removesuffix(".0")
        valid = isinstance(form.parse(text), Parsed)
        assert valid == language.allows(text), text
        written += valid
    assert written


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        ({"maximum": 1e308}, "maximum above 2^53"),
        ({"minimum": 1e-300}, "the last digits of minimum"),
        ({"multipleOf": 1e-12}, "multipleOf 1e-12"),
        ({"multipleOf": 10**20}, "multipleOf 100000000000000000000"),
    ],
)
def test_numbers_beyond_the_grammar_leave_their_bound_out(part: dict[str, float], left_out: str) -> None:
    language = Language(Constraint(kind="json_schema", value={"type": "number", **part}))
    assert language.not_enforced == (left_out,)
    assert language.allows("5")
