"""Structured rubbish: templates, schemas, SQL, bodies of servers and result files that are built, not torn."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from harness.benchmarks import lm_eval_files
from harness.core import plain_templates
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Completion, Message, Request
from harness.engines._openai import faults
from harness.engines._openai.wire import Reply, _restate
from harness.engines.openai import OpenAIEngine
from harness.results.database import ingest
from harness.tasks import template_child, template_sandbox
from tests.fuzz.kit import fuzz, rubbish

NAMES = st.sampled_from(["a", "b.c", "rows", "rows[0]", "n", "nope", "'text'", "3", "none"])
FILTERS = st.sampled_from(
    [
        "upper",
        "trim",
        "length",
        "tojson",
        "default('x')",
        "first",
        "join(',')",
        "center(30)",
        "indent(2)",
        "replace('a', 'b')",
    ]
)


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.builds(lambda name, body: f"{{% if {name} is defined %}}{body}{{% endif %}}", NAMES, inner)
        | st.builds(
            lambda name, body: f"{{% for x in {name} %}}{body}{{{{ x }}}}{{% endfor %}}",
            st.sampled_from(["rows", "a", "range(4)"]),
            inner,
        )
        | st.builds(lambda name, body: f"{{% set y = {name} %}}{body}", NAMES, inner)
        | st.builds(lambda body: f"{{% macro m(z) %}}{body}{{% endmacro %}}{{{{ m(1) }}}}", inner)
        | st.builds(lambda one, two: one + two, inner, inner)
    )


TEMPLATE = st.recursive(
    st.text(max_size=5)
    | st.builds(lambda name: f"{{{{ {name} }}}}", NAMES)
    | st.builds(lambda name, with_: f"{{{{ {name} | {with_} }}}}", NAMES, FILTERS)
    | st.builds(
        lambda one, sign, two: f"{{{{ {one} {sign} {two} }}}}",
        NAMES,
        st.sampled_from(["~", "+", "*", "-", "%", "//", "in", "=="]),
        NAMES,
    ),
    _block,
    max_leaves=8,
)
FIELDS = {"a": "text", "b": {"c": [1, None]}, "rows": [{"x": "1"}, {"x": None}], "n": 3}


@fuzz(40, source=TEMPLATE)
def test_built_templates_render_alike_here_and_in_the_child(source: str) -> None:
    outcomes = []
    for render in (template_sandbox.render, template_child.render):
        try:
            outcomes.append(render(source, FIELDS))
        except ConfigError as error:
            outcomes.append(f"refused: {error.message[:40]}")
    assert outcomes[0] == outcomes[1]
    plain_templates.is_plain(source)


def _schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.builds(
            lambda a, b: {"type": "object", "properties": {"a": a, "b": b}, "required": ["a"]}, inner, inner
        )
        | st.builds(lambda a: {"type": "array", "items": a, "uniqueItems": True, "maxItems": 3}, inner)
        | st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda a, b: {"if": a, "then": b, "else": False}, inner, inner)
        | st.builds(lambda a: {"not": a}, inner)
        | st.builds(lambda a: {"contains": a, "minContains": 2}, inner)
        | st.builds(lambda a: {"patternProperties": {"^a": a}, "additionalProperties": False}, inner)
        | st.builds(lambda a: {"$defs": {"d": a}, "$ref": "#/$defs/d"}, inner)
    )


SCHEMA = st.recursive(
    st.sampled_from(
        [
            True,
            False,
            {},
            {"type": "integer", "minimum": 0},
            {"enum": [1, "a", None]},
            {"const": {"a": 1}},
            {"multipleOf": 0.01},
            {"type": "string", "pattern": "^[a-z]*$", "maxLength": 4},
            {"$ref": "#"},
            {"type": "string", "format": "date"},
        ]
    ),
    _schema,
    max_leaves=6,
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-10, 10) | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@fuzz(60, schema=SCHEMA.filter(lambda schema: isinstance(schema, dict)), answer=VALUE)
def test_built_schemas_are_refused_or_checked(schema: dict[str, Any], answer: Any) -> None:
    try:
        form = build("formats", {"kind": "json_schema", "schema": schema})
    except ConfigError:
        return
    for text in (json.dumps(answer), f"It is:\n```json\n{json.dumps(answer)}\n```"):
        reading = form.read(text)
        json.dumps(getattr(reading.extracted, "value", None), allow_nan=False)
    form.constraint()


EXPRESSION = st.recursive(
    st.sampled_from(
        ["a", "t.b", "1", "1e9", "'x'", "NULL", "*", "COUNT(*)", "?", ":p", "x''", "DATE '2020-01-01'"]
    ),
    lambda inner: (
        st.builds(
            lambda one, sign, two: f"{one} {sign} {two}",
            inner,
            st.sampled_from(["+", "<", "=", "AND", "||", "IN", "LIKE", "::", "->"]),
            inner,
        )
        | st.builds(lambda one: f"({one})", inner)
        | st.builds(
            lambda name, one: f"{name}({one})",
            st.sampled_from(["SUM", "CAST", "COALESCE", "ARRAY", "f"]),
            inner,
        )
        | st.builds(lambda one, two: f"CASE WHEN {one} THEN {two} END", inner, inner)
        | st.builds(lambda one: f"(SELECT {one} FROM t)", inner)
        | st.builds(
            lambda one, kind: f"CAST({one} AS {kind})",
            inner,
            st.sampled_from(["INT", "ARRAY<INT>", "STRUCT<a INT>", "DECIMAL(3,1)"]),
        )
    ),
    max_leaves=8,
)


@fuzz(60, what=EXPRESSION, where=EXPRESSION, dialect=st.sampled_from(["", "duckdb", "sqlite", "postgres"]))
def test_built_sql_is_read(what: str, where: str, dialect: str) -> None:
    form = build("formats", {"kind": "sql", "dialect": dialect})
    for text in (
        f"SELECT {what} FROM t WHERE {where}",
        f"WITH c AS (SELECT {what}) SELECT * FROM c ORDER BY {where}",
    ):
        json.dumps(getattr(form.read(text).extracted, "value", None))


class _Response:
    status_code = 200

    def __init__(self, content: bytes) -> None:
        self.content = content


MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": rubbish
        | st.just("text")
        | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": rubbish}), max_size=2),
        "refusal": rubbish,
        "tool_calls": rubbish | st.lists(st.fixed_dictionaries({"function": rubbish}), max_size=2),
        "reasoning_content": rubbish,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries(
                {}, optional={"message": MESSAGE | rubbish, "finish_reason": rubbish, "error": rubbish}
            ),
            max_size=2,
        )
        | rubbish,
        "usage": st.fixed_dictionaries(
            {},
            optional={
                "prompt_tokens": rubbish,
                "completion_tokens": rubbish,
                "completion_tokens_details": rubbish,
            },
        )
        | rubbish,
        "model": rubbish,
        "error": rubbish
        | st.fixed_dictionaries({}, optional={"message": rubbish, "code": rubbish, "type": rubbish}),
    },
)
ENGINE = OpenAIEngine("openai:m@http://127.0.0.1:9/v1")


@fuzz(120, body=BODY)
def test_built_bodies_are_answers_or_that_answers_error(body: dict[str, Any]) -> None:
    _restate(_Response(json.dumps(body).encode("utf-8", "surrogatepass")))
    request = Request(id="q", messages=(Message("user", "q"),), max_new_tokens=5)
    try:
        answer = ENGINE._understood(request, Reply(content=body, seconds=0.0, waited=0.0, retries=0))
    except faults.NoAnswerError:
        return
    assert isinstance(answer, Completion)
    assert isinstance(answer.text, str)
    assert answer.tokens_in >= 0
    assert answer.tokens_out >= 0


RESULTS = st.fixed_dictionaries(
    {
        "results": st.dictionaries(
            st.sampled_from(["a", "b/c", "../d", ""]),
            st.dictionaries(
                st.sampled_from(["acc,none", "acc_stderr,none", "sample_len", "x"]), rubbish, max_size=3
            ),
            max_size=2,
        )
        | rubbish
    },
    optional={
        name: rubbish | st.fixed_dictionaries({"a": rubbish})
        for name in (
            "n-samples",
            "n-shot",
            "versions",
            "higher_is_better",
            "config",
            "date",
            "model_name",
            "chat_template",
        )
    },
)


@fuzz(12, content=RESULTS)
def test_built_result_files_poison_nothing(content: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        results = Path(place) / "r"
        results.mkdir()
        file = Path(place) / "results_x.json"
        file.write_bytes(json.dumps(content).encode("utf-8", "surrogatepass"))
        with contextlib.suppress(ConfigError):
            lm_eval_files.import_file(results, file)
        assert ingest.sync(results).problems == ()
        assert {path.name for path in Path(place).iterdir()} == {"r", "results_x.json"}
