"""The answer cache: what is remembered, what is not, and what survives a kill."""

from __future__ import annotations

from pathlib import Path

from harness.core.values import Constraint, Message, Request
from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine


def _request(id: str, text: str = "hello", **more: object) -> Request:
    return Request(id=id, messages=(Message("user", text),), **more)  # type: ignore[arg-type]


def test_the_same_prompt_is_asked_once_across_engines(tmp_path: Path) -> None:
    first, second = FakeEngine("one"), FakeEngine("two")
    list(CachedEngine(first, tmp_path, "m").generate([_request("a")]))
    ((_, answer),) = CachedEngine(second, tmp_path, "m").generate([_request("b")])
    assert (answer.text, answer.cached, second.asked) == ("one", True, [])


def test_other_weights_other_limits_and_samples_are_asked(tmp_path: Path) -> None:
    list(CachedEngine(FakeEngine("one"), tmp_path, "m").generate([_request("a")]))
    for identity, request in (
        ("other", _request("a")),
        ("m", _request("a", max_new_tokens=3)),
        ("m", _request("a", temperature=0.7)),
        ("m", _request("a", "hello!")),
    ):
        engine = FakeEngine("two")
        ((_, answer),) = CachedEngine(engine, tmp_path, identity).generate([request])
        assert (answer.text, answer.cached, len(engine.asked)) == ("two", False, 1)


def test_errors_are_not_remembered(tmp_path: Path) -> None:
    list(CachedEngine(FakeEngine("x", fail={"a"}), tmp_path, "m").generate([_request("a")]))
    ((_, answer),) = CachedEngine(FakeEngine("y"), tmp_path, "m").generate([_request("a")])
    assert answer.text == "y"


def test_a_line_cut_off_by_a_kill_is_asked_again_and_hides_no_other(tmp_path: Path) -> None:
    engine = CachedEngine(FakeEngine("one"), tmp_path, "m")
    list(engine.generate([_request("a", "first"), _request("b", "second")]))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    asked = FakeEngine("new")
    again = CachedEngine(asked, tmp_path, "m")
    texts = {i: c.text for i, c in again.generate([_request("a", "first"), _request("b", "second")])}
    assert texts == {0: "one", 1: "new"}
    asked = FakeEngine("never")
    final = CachedEngine(asked, tmp_path, "m").generate([_request("a", "first"), _request("b", "second")])
    assert {i: c.text for i, c in final} == {0: "one", 1: "new"}


def test_a_schema_whose_keys_are_written_in_another_order_is_asked(tmp_path: Path) -> None:
    orders = (("a", "b"), ("b", "a"))
    schemas = [
        {"type": "object", "properties": {name: {"type": "integer"} for name in order}} for order in orders
    ]
    for text, schema in zip(("one", "two"), schemas, strict=True):
        request = _request("a", constraint=Constraint(kind="json_schema", value=schema))  # type: ignore[arg-type]
        ((_, completion),) = CachedEngine(FakeEngine(text), tmp_path, "m").generate([request])
        assert (completion.text, completion.cached) == (text, False)
