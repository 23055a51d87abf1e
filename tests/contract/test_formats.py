"""What every format owes: targets survive a round trip, and no text, however hostile, raises."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.kinds import build, lookup, names
from harness.core.protocols import Format
from harness.core.values import Invalid, Parsed

HOSTILE = {
    "empty": "",
    "blank": " \n\t",
    "nul": "\x00",
    "many nuls": "\x00" * 1_000_000,
    "lone surrogate": "\ud800",
    "escaped surrogate in json": '{"a": 1, "b": "\\ud800"}',
    "escaped surrogate in yaml": 'a: "\\ud800"',
    "square brackets": "[" * 100_000,
    "few square brackets": "[" * 9_999,
    "curly brackets": "{" * 100_000,
    "round brackets": "(" * 9_999,
    "nested objects": '{"a":' * 50_000,
    "nested lists": "[" * 900 + "]" * 900,
    "a megabyte of a letter": "a" * 1_000_000,
    "a megabyte of spaces": " " * 1_000_000,
    "a megabyte of new lines": "\n" * 1_000_000,
    "a megabyte of text": "the answer is - 1,2 select " * 37_000,
    "a megabyte of json": '{"a": [' + "1," * 500_000 + "1]}",
    "fences": "```json\n" * 1000,
    "digits": "1" * 100_000,
    "digits and a letter": "1" * 100_000 + "a",
    "marked digits and a letter": "#### " + "1" * 100_000 + "a",
    "thousands": "1" + ",111" * 250_000 + "a",
    "dashes": "- " * 9_000,
    "alias": "&a [*a]",
    "yaml tag": "!!python/object/apply:os.system [ls]",
    "yaml bool tag": "a: !!bool x",
    "yaml number": "a: 0b_",
    "not a number": "NaN",
    "infinite": "1e999",
    "infinite in json": '{"a": 1, "b": 1e999}',
    "infinite in yaml": "a: .inf",
    "quotes": "'" * 9_000,
    "nots": "SELECT " + "NOT " * 2_000 + "1",
    "markup": "</script>",
}


def _build(name: str) -> Format:
    form: Format = build("formats", {"kind": name, **lookup("formats", name).probe().settings})
    return form


@pytest.fixture(params=names("formats"))
def form(request: pytest.FixtureRequest) -> Format:
    return _build(request.param)


def _check(form: Format, text: str) -> None:
    reading = form.read(text)
    for result in (reading.strict, reading.extracted):
        assert isinstance(result, Parsed | Invalid)
        if isinstance(result, Parsed) and not form.probe().any_text:
            json.dumps(result.value, ensure_ascii=False, allow_nan=False).encode()
    if isinstance(reading.strict, Parsed):
        assert reading.extracted == reading.strict


def test_every_format_brings_targets(form: Format) -> None:
    assert form.probe().targets


def test_targets_survive_the_round_trip(form: Format) -> None:
    for target in form.probe().targets:
        assert form.parse(form.render(target)) == Parsed(target)


def test_reading_a_target_twice_gives_the_same(form: Format) -> None:
    for target in form.probe().targets:
        reading = form.read(form.render(target))
        assert reading.strict == reading.extracted == Parsed(target)


def test_frozen(form: Format) -> None:
    field = next(iter(dataclasses.fields(form)), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(form, field.name if field else "version", None)


def test_a_constraint_admits_the_targets(form: Format) -> None:
    constraint = form.constraint()
    for target in form.probe().targets:
        answer = form.render(target)
        if constraint is not None and constraint.kind == "regex":
            assert re.fullmatch(constraint.value, answer)
        elif constraint is not None and constraint.kind == "choice":
            assert answer in constraint.value


def test_labels_are_the_only_answers_and_each_is_one(form: Format) -> None:
    if form.labels is None:
        pytest.skip("is no choice among labels")
    assert {form.parse(label) for label in form.labels} == {Parsed(label) for label in form.labels}
    assert isinstance(form.parse("|".join(form.labels) + "|"), Invalid)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_read_not_raised(form: Format, text: str) -> None:
    _check(form, text)


TEXT = st.text(max_size=200) | st.text("[]{}()\"':,-#`&*!|>?<=.;0123456789eEn \n\t\\u", max_size=80)


@pytest.mark.parametrize("kind", names("formats"))
@settings(max_examples=150, deadline=None)
@given(text=TEXT)
def test_any_text_is_read_not_raised(kind: str, text: str) -> None:
    _check(_build(kind), text)


@pytest.mark.parametrize("kind", names("formats"))
@settings(max_examples=60, deadline=None)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_chatter_around_a_target_is_read_not_raised(kind: str, before: str, after: str) -> None:
    form = _build(kind)
    _check(form, f"{before}\n```\n{form.render(form.probe().targets[0])}\n```\n{after}")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: -", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(value=st.dictionaries(st.text("xyz", max_size=3), PLAIN, max_size=3))
@example(value={"": "\x85"})
@example(value={"x": ["a\u2028b", {"\x85": "\u2029"}]})
def test_any_json_value_survives_json_and_yaml(value: dict[str, Any]) -> None:
    for form in (build("formats", {"kind": "json_schema", "schema": {}}), build("formats", "yaml")):
        assert form.parse(form.render(value)) == Parsed(value)


@settings(max_examples=300, deadline=None)
@given(value=st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives(value: float) -> None:
    form = build("formats", "number")
    assert form.parse(form.render(value)) == Parsed(value)
