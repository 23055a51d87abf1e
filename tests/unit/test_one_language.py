"""What may be written, what is valid, what is shown and what is learned agree."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import regex
from pydantic import BaseModel

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.engines import string_formats
from harness.engines.grammar import Language, grammar
from harness.runner.keys import answers_key
from harness.tasks import key_order
from harness.tasks.load import load
from harness.tasks.writable import writing
from tests.schemas import random_schemas
from tests.schemas.kinds import CASES, Case
from tests.schemas.walk import check, walk

WALKS = int(os.environ.get("HARNESS_WALKS", "4"))
"""Random answers a schema; 1,000 for a long run (`HARNESS_WALKS=1000`)."""


def form(schema: dict[str, Any]) -> Format:
    built: Format = build("formats", {"kind": "json_schema", "schema": schema})
    return built


def language(schema: dict[str, Any]) -> Language:
    return Language(Constraint(kind="json_schema", value=schema))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_valid_can_be_written(case: Case) -> None:
    built = form(case.schema)
    spoken = language(case.schema)
    for instance in case.instances:
        text = built.render(instance)
        assert built.parse(text) == Parsed(json.loads(text))
        assert spoken.written(text) is None, text


def test_what_can_be_written_is_valid_but_for_infinite_numbers() -> None:
    answers = 0
    for case in CASES:
        built, spoken = form(case.schema), language(case.schema)
        draw = random.Random(case.name)
        for _ in range(0 if spoken.not_enforced else WALKS):
            text = walk(spoken, draw)
            if text is None:
                continue
            answers += 1
            outcome = built.parse(text)
            assert isinstance(outcome, Parsed) or "is not a number" in outcome.reason, (
                case.name,
                text,
                outcome,
            )
    assert answers > 50 * WALKS


def test_random_answers_of_random_schemas_are_valid() -> None:
    draw, ended, refused = random.Random(1), 0, 0
    for _ in range(60):
        schema = random_schemas.schema(draw)
        try:
            walks = check(schema, draw, 2)
        except ValueError:  # nothing satisfies it
            refused += 1
            continue
        assert walks.invalid == [], schema
        ended += walks.ended
    assert ended > 50
    assert refused < 10


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"properties": {"a": {"type": "integer"}}}, r'{"\u0061":"x"}'),
        ({"patternProperties": {"^a": {"type": "integer"}}}, r'{"\u0061":"x"}'),
        ({"minProperties": 2}, '{"a":1,"a":2}'),
        ({"additionalProperties": {"type": "number", "minimum": -0.5, "exclusiveMaximum": 0}}, '{"a":-0}'),
        ({"additionalProperties": {"type": "string", "pattern": '^[^"]*$'}}, r'{"a":"\""}'),
        ({"additionalProperties": {"type": "string", "pattern": r"^[^\\a]*$"}}, r'{"a":"\\"}'),
    ],
)
def test_an_invalid_answer_cannot_be_written_or_the_part_is_named(schema: dict[str, Any], text: str) -> None:
    schema = {"type": "object", **schema}
    assert isinstance(form(schema).parse(text), Invalid)
    assert not language(schema).allows(text) or language(schema).not_enforced


def test_patterns_for_names_that_overlap_leave_the_names_out() -> None:
    spoken = language({"type": "object", "patternProperties": {"^x-": {}, "[0-9]$": {"type": "integer"}}})
    assert spoken.not_enforced == ("patternProperties",)
    assert spoken.allows('{"x-1":2}')


def test_what_cannot_be_enforced_is_named() -> None:
    named = {case.name: language(case.schema).not_enforced for case in CASES}
    assert named["set of pydantic"] == ("uniqueItems",)
    assert named["pattern: look-ahead"] == ("pattern ^(?=.*[0-9]).{2,}$",)
    assert named["oneOf, overlapping"] == ("oneOf (as anyOf)",)
    assert named["at least one"] == ("minProperties",)
    assert named["if then"] == ("if", "then")
    assert named["large bound"] == ("minimum above 2^53",)
    assert named["uniqueItems false"] == named["format: date-time"] == named["number as quarter"] == ()


def test_a_schema_that_nothing_satisfies_says_why() -> None:
    with pytest.raises(ValueError, match=r"minimum \(5\) is greater than maximum \(1\)"):
        grammar(Constraint(kind="json_schema", value={"type": "integer", "minimum": 5, "maximum": 1}))


def test_dates_are_pythons_dates() -> None:
    expression = regex.compile(string_formats.FORMATS["date"])
    for year in (4, 100, 400, 1900, 2000, 2023, 2024, 9999):
        for month in range(14):
            for day in range(33):
                text = f"{year:04}-{month:02}-{day:02}"
                try:
                    datetime.date.fromisoformat(text)
                    exists = True
                except ValueError:
                    exists = False
                assert bool(expression.fullmatch(text)) == exists, text


def test_addresses_are_pythons_addresses() -> None:
    draw, expression = random.Random(1), regex.compile(string_formats.FORMATS["ipv6"])
    for _ in range(5000):
        parts = (draw.choice(["", "1", "ffff", "0", "12345", "1.2.3.4"]) for _ in range(draw.randint(1, 9)))
        text = ":".join(parts)
        try:
            ipaddress.IPv6Address(text)
            exists = True
        except ValueError:
            exists = False
        assert bool(expression.fullmatch(text)) == exists, text


@pytest.mark.parametrize(
    ("step", "value"), [(0.01, 19.99), (0.01, 0.29), (0.01, 1.15), (0.1, 0.3), (1e-5, 0.00123)]
)
def test_multiples_are_of_the_numbers_as_written(step: float, value: float) -> None:
    built = form({"type": "number", "multipleOf": step})
    assert built.parse(str(value)) == Parsed(value)
    assert isinstance(built.parse(str(value + step / 2)), Invalid)


def test_a_reference_within_the_document_is_self_contained_and_one_to_nothing_is_refused() -> None:
    schema = next(case.schema for case in CASES if case.name == "bundled")
    assert isinstance(form(schema).parse('{"a":"x"}'), Invalid)
    with pytest.raises(ConfigError, match="points to nothing"):
        form({"$ref": "#/$defs/missing"})


def test_the_order_is_that_of_trains_targets() -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in ("answer", "reason", "score")},
    }
    built = form(schema).in_order_of([{"reason": 1, "answer": 2}, {"reason": 1}])
    assert built.render({"answer": 2, "score": 4, "reason": 1}) == '{"reason":1,"answer":2,"score":4}'
    spoken = Language(built.constraint())  # type: ignore[arg-type]
    assert spoken.allows('{"reason":1,"answer":2}')
    assert not spoken.allows('{"answer":2,"reason":1}')


def test_where_targets_contradict_each_other_the_schema_decides() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    built = form(schema).in_order_of([{"a": 1, "b": 2}, {"b": 1, "a": 2}])
    assert built.render({"a": 1, "b": 2}) == '{"b":2,"a":1}'


def test_nested_objects_behind_references_and_lists_have_an_order_too() -> None:
    schema = {
        "$defs": {"P": {"type": "object", "properties": {"x": {}, "y": {}}}},
        "type": "object",
        "properties": {"points": {"type": "array", "items": {"$ref": "#/$defs/P"}}},
    }
    ordered = key_order.ordered_schema(schema, [{"points": [{"y": 1, "x": 2}]}])
    assert list(ordered["$defs"]["P"]["properties"]) == ["y", "x"]
    assert (
        json.dumps(key_order.ordered_value(ordered, {"points": [{"x": 1, "y": 2}]}))
        == '{"points": [{"y": 2, "x": 1}]}'
    )


def test_pydantics_own_json_can_be_written_under_pydantics_own_schema() -> None:
    class Visit(BaseModel):
        when: datetime.datetime
        at: datetime.time
        day: datetime.date
        note: str | None = None
        tags: set[int] = {1}

    visit = Visit(
        when=datetime.datetime(2026, 5, 1, 12), at=datetime.time(9, 30), day=datetime.date(2026, 5, 1)
    )
    spoken = language(Visit.model_json_schema(mode="serialization"))
    assert spoken.written(visit.model_dump_json()) is None
    assert spoken.not_enforced == ("uniqueItems",)


def test_every_target_of_the_shipped_task_can_be_written() -> None:
    result = writing(load("support_tickets"))
    assert (result.targets, result.unwritable, result.not_enforced) == (700, (), ())


def _task(folder: Path, targets: list[Any], schema: dict[str, Any]) -> Path:
    rows = [{"id": f"r{n}", "input": f"text {n}", "target": target} for n, target in enumerate(targets)]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(
            "".join(json.dumps(row | {"id": f"{split}-{row['id']}"}) + "\n" for row in rows)
        )
    (folder / "schema.json").write_text(json.dumps(schema))
    path = folder / "task.yaml"
    path.write_text(
        "name: t\ndata: {train: train.jsonl, test: test.jsonl}\nformat: {kind: json_schema, schema: schema.json}\n"
        "scorers: [{kind: exact}]\n"
    )
    return path


def test_a_target_outside_the_language_is_named_with_the_place_where_it_leaves_it(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "maximum": 5}}, "required": ["n"]}
    result = writing(load(_task(tmp_path, [{"n": 1e-7}, *({"n": n} for n in range(5))], schema)))
    assert (len(result.unwritable), result.targets, result.refused) == (2, 12, True)
    assert result.unwritable[0].written == '{"n":1'
    assert "'e-07}'" in result.examples


def test_the_order_of_keys_decides_a_constrained_answer_and_no_other(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    swapped = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}
    keys = {}
    for name, one in (("plain", schema), ("swapped", swapped)):
        (tmp_path / name).mkdir()
        task = load(_task(tmp_path / name, [{"a": 1}, {"b": 2}], one))
        for recipe in ("zero_shot", "constrained"):
            loaded = recipes.load(recipe)
            keys[name, recipe] = answers_key(task, "model", loaded, 0, None, "test", None)
    assert keys["plain", "constrained"] != keys["swapped", "constrained"]


def test_the_validator_agrees_with_jsonschema_where_both_check_the_same() -> None:
    for case in CASES:
        text = json.dumps(case.schema)
        if any(word in text for word in ("format", "multipleOf", r"\p", "(?<")):
            continue
        validator = jsonschema.validators.validator_for(case.schema, default=jsonschema.Draft202012Validator)(
            case.schema
        )
        for value in (*case.instances, 0, "x", None, [], {}, {"a": "b"}, [1, "a"], 3.5, True):
            assert isinstance(form(case.schema).parse(json.dumps(value)), Parsed) == validator.is_valid(
                value
            ), (case.name, value)
