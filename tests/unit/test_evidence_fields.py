"""Objects field by field, from rows as they stand in samples.jsonl."""

from __future__ import annotations

from typing import Any

from harness.evidence import fields
from harness.evidence.fields import MISSING, NO_ANSWER, Confusion
from harness.results.records.sample import ParseResult, SampleRecord


def row(target: Any, value: Any, *, valid: bool = True, finish: str = "stop") -> SampleRecord:
    status = "valid" if valid else "invalid"
    extracted = ParseResult(status=status, value=value)
    return SampleRecord(sample_id="e", target=target, finish_reason=finish, extracted=extracted)


TARGET = {"priority": "P1", "customer": {"tier": "gold"}, "tags": ["a", "b"], "cents": 5}


def test_nested_fields_have_a_path_and_a_list_is_one_value() -> None:
    assert set(fields.flat(TARGET)) == {"priority", "customer.tier", "tags", "cents"}
    given = TARGET | {"priority": " p1 ", "tags": ["b", "a"], "cents": 5.0}
    assert fields.judged(row(TARGET, given)) == {
        "priority": True,  # as the scorer `fields` folds texts and numbers
        "customer.tier": True,
        "tags": False,  # the order of a list counts
        "cents": True,
    }


def test_an_unreadable_answer_has_every_field_wrong_and_an_error_has_none() -> None:
    assert set(fields.judged(row(TARGET, None, valid=False)).values()) == {False}
    assert fields.judged(row(TARGET, None, finish="error")) == {}
    assert fields.judged(row("a text", "a text")) == {}
    assert fields.judged(row({}, {})) == {}


def test_a_share_is_of_the_examples_whose_target_has_the_field() -> None:
    rows = [
        row({"a": 1}, {"a": 1}),
        row({"a": 1, "b": 2}, {"a": 1}),
        row({"a": 1, "b": 2}, {"a": 3, "b": 2}),
        row({"a": 1}, None, valid=False),
        row({"a": 1}, None, finish="error"),
    ]
    assert fields.shares(rows) == {"a": 0.5, "b": 0.5}


def test_confusions_are_counted_the_commonest_first() -> None:
    rows = [
        *[row({"p": "P1", "q": "x"}, {"p": "P2", "q": "x"})] * 3,
        row({"p": "P1", "q": "x"}, {"p": "P3", "q": "x"}),
        row({"p": "P2", "q": "x"}, {"q": "y"}),
        row({"p": "P2", "q": "x"}, None, valid=False),
    ]
    result = fields.confusions(rows)
    assert result[0] == Confusion(field="p", wanted="p1", given="p2", count=3)
    assert Confusion(field="p", wanted="p2", given=MISSING, count=1) in result
    assert Confusion(field="p", wanted="p2", given=NO_ANSWER, count=1) in result
    first = fields.commonest(result, ("q", "p"), 1)
    assert [(c.field, c.count) for c in first] == [("q", 1), ("p", 3)]


def test_long_values_are_cut() -> None:
    (only,) = fields.confusions([row({"p": "x" * 500}, {"p": "y"})])
    assert len(only.wanted) == fields.LONGEST
    assert only.wanted.endswith("…")
