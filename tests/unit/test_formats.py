"""Formats against jsonschema itself and hand-worked answers."""

from __future__ import annotations

import jsonschema
import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Invalid, Parsed

NESTED = {
    "type": "object",
    "properties": {
        "who": {"type": "object", "properties": {"tier": {"enum": ["S", "M"]}}, "required": ["tier"]}
    },
    "required": ["who"],
}


def test_the_reason_and_path_are_jsonschemas_own() -> None:
    value = {"who": {"tier": "XL"}}
    result = build("formats", {"kind": "json_schema", "schema": NESTED}).parse('{"who":{"tier":"XL"}}')
    expected = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(NESTED).iter_errors(value))
    assert result == Invalid(expected.message, expected.json_path)
    assert result.path == "$.who.tier"


@pytest.mark.parametrize(
    "text",
    [
        'Sure! {"who":{"tier":"S"}}',
        '```json\n{"who": {"tier": "S"}}\n```',
        'Here it is:\n```\n{"who":{"tier":"S"}}\n```\nAnything else?',
        '{"who":{"tier":"S"}} I hope this helps {really}',
    ],
)
def test_json_is_found_in_chatter_but_is_not_strictly_valid(text: str) -> None:
    reading = build("formats", {"kind": "json_schema", "schema": NESTED}).read(text)
    assert isinstance(reading.strict, Invalid)
    assert reading.extracted == Parsed({"who": {"tier": "S"}})


def test_what_is_found_must_still_satisfy_the_schema() -> None:
    reading = build("formats", {"kind": "json_schema", "schema": NESTED}).read('Sure: {"who": 3}')
    assert isinstance(reading.extracted, Invalid)
    assert reading.extracted.path == "$.who"


@pytest.mark.parametrize("reference", ["http://example.com/s.json", "other.json", "file:///etc/passwd"])
def test_a_remote_reference_is_refused(reference: str) -> None:
    with pytest.raises(ConfigError, match="refused"):
        build("formats", {"kind": "json_schema", "schema": {"properties": {"a": {"$ref": reference}}}})


def test_a_choice_is_found_only_when_it_is_the_only_one() -> None:
    form = build("formats", {"kind": "choice", "choices": ["red", "green", "light green"]})
    assert form.read("The answer is RED.").extracted == Parsed("red")
    assert form.read("it is light green").extracted == Parsed("light green")
    assert isinstance(form.read("red or green").extracted, Invalid)
    assert isinstance(form.read("bored").extracted, Invalid)
    assert isinstance(form.read("The answer is red.").strict, Invalid)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 + 4 = 7.", 7),
        ("#### 1,200 and not 5", 1200),
        ("costs -2.50 euros", -2.5),
        ("12:30, so 15", 15),
        ("#### $42", 42),
        ("a 1,234.5%", 1234.5),
    ],
)
def test_the_last_or_the_marked_number_is_found(text: str, value: float) -> None:
    assert build("formats", "number").read(text).extracted == Parsed(value)


def test_yaml_takes_no_aliases_and_no_plain_sentence() -> None:
    form = build("formats", "yaml")
    assert isinstance(form.parse("a: &x [1]\nb: *x"), Invalid)
    assert isinstance(form.parse("just words"), Invalid)
    assert form.read("```yaml\na: 1\n```").extracted == Parsed({"a": 1})


def test_yaml_holds_json_values_under_a_schema() -> None:
    form = build("formats", {"kind": "yaml", "schema": NESTED})
    assert form.parse("who: {tier: S}") == Parsed({"who": {"tier": "S"}})
    assert form.parse("who:\n  tier: XL") == Invalid("'XL' is not one of ['S', 'M']", "$.who.tier")
    plain = build("formats", "yaml")
    assert plain.parse("day: 2024-01-01") == Parsed({"day": "2024-01-01"})
    assert plain.parse("a: [1, .nan]") == Invalid("nan is not a number", "$.a[1]")
    assert isinstance(plain.parse("1: one"), Invalid)
    assert isinstance(plain.parse("a: !!python/name:os.system"), Invalid)


CLOCK = r"(?P<h>[0-9]+):(?P<m>[0-9]+)"


def test_a_regex_gives_its_groups_and_writes_them_by_its_template() -> None:
    form = build("formats", {"kind": "regex", "pattern": CLOCK, "template": "{h}:{m}"})
    assert form.parse("12:30") == Parsed({"h": "12", "m": "30"})
    assert form.render({"h": "12", "m": "30"}) == "12:30"
    reading = form.read("It opens at 12:30.")
    assert isinstance(reading.strict, Invalid)
    assert reading.extracted == Parsed({"h": "12", "m": "30"})


def test_a_regex_without_groups_gives_the_text() -> None:
    form = build("formats", {"kind": "regex", "pattern": "[A-Z]-[0-9]{3}"})
    assert form.read("room B-123, I think").extracted == Parsed("B-123")
    assert isinstance(form.parse("B-1234"), Invalid)


@pytest.mark.parametrize("template", ["", "{h}", "{h}:{m}:{s}", "{h.__class__}{m}"])
def test_a_template_names_the_groups_and_nothing_else(template: str) -> None:
    with pytest.raises(ConfigError, match="template must use every named group"):
        build("formats", {"kind": "regex", "pattern": CLOCK, "template": template})


def test_a_regex_gives_up_in_time() -> None:
    slow = build("formats", {"kind": "regex", "pattern": r"(a|aa)+(b|c)(?<=x)"})
    result = slow.read("a" * 5000 + "b")
    assert result.strict == Invalid("matching took longer than 0.5 s")
    assert isinstance(result.extracted, Invalid)
    with pytest.raises(ConfigError, match="not a regular expression"):
        build("formats", {"kind": "regex", "pattern": "("})


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234", 1234), ("12.0", 12.0), ("-0.5", -0.5), ("+3", 3), (".5", 0.5), ("1e3", 1000.0), (" 7\n", 7)],
)
def test_a_number_alone_is_strictly_valid(text: str, value: float) -> None:
    result = build("formats", "number").parse(text)
    assert result == Parsed(value)
    assert type(result.value) is type(value)


@pytest.mark.parametrize(
    "text", ["", "42 apples", "1,2,3", "1,23,4", "nan", "inf", "1e999", "0x10", "5km", "1_000"]
)
def test_what_is_no_number_alone(text: str) -> None:
    assert isinstance(build("formats", "number").parse(text), Invalid)


def test_whole_numbers_are_written_without_a_point() -> None:
    form = build("formats", "number")
    assert [form.render(value) for value in (12.0, -3, 0.25, 1200)] == ["12", "-3", "0.25", "1200"]


def test_sql_is_compared_by_its_syntax() -> None:
    form = build("formats", "sql")
    assert form.parse("select  A from T where b=1 -- why\n;") == form.parse("SELECT A\nFROM T WHERE b = 1")
    assert form.parse("SELECT 'x  Y'") != form.parse("SELECT 'x y'")


@pytest.mark.parametrize(
    "text", ["", "hello", "select", "SELECT a +", "SELECT 1; SELECT 2", "SHOW ME THE MONEY"]
)
def test_what_is_not_one_sql_statement(text: str) -> None:
    assert isinstance(build("formats", "sql").parse(text), Invalid)


@pytest.mark.parametrize(
    "text",
    [
        "Sure: SELECT a FROM t; hope it helps",
        "With pleasure:\nselect a from t\n\nThis reads t.",
        "```sql\nSELECT a\nFROM t;\n```\nDone.",
    ],
)
def test_sql_is_found_in_chatter(text: str) -> None:
    reading = build("formats", "sql").read(text)
    assert isinstance(reading.strict, Invalid)
    assert reading.extracted == Parsed("SELECT a FROM t")


def test_sql_knows_dialects() -> None:
    text = "SELECT TOP 3 [a b] FROM t"
    assert build("formats", {"kind": "sql", "dialect": "tsql"}).parse(text) == Parsed(text)
    assert isinstance(build("formats", "sql").parse("SELECT `a` FROM [t"), Invalid)
    with pytest.raises(ConfigError, match="Unknown dialect"):
        build("formats", {"kind": "sql", "dialect": "orcle"})


@pytest.mark.parametrize("text", ['{"a": 1e999}', '{"a": NaN}', '{"a": "\\ud800"}'])
def test_json_that_could_not_be_written_again_is_invalid(text: str) -> None:
    assert isinstance(build("formats", {"kind": "json_schema", "schema": {}}).parse(text), Invalid)


def test_an_answer_that_is_valid_as_it_stands_is_not_searched() -> None:
    choice = build("formats", {"kind": "choice", "choices": ["red", "not red"]})
    assert choice.read("not red").extracted == Parsed("not red")
    nested = '{"x": {"who": {"tier": "S"}}, "who": {"tier": "M"}}'
    reading = build("formats", {"kind": "json_schema", "schema": NESTED}).read(nested)
    assert reading.strict == reading.extracted
    assert reading.strict.value["who"] == {"tier": "M"}
