"""What makes a million rows cheap gives what the plain way gives."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.keys import canonical_json, digest, digest_of_rows
from harness.core.values import Document
from harness.tasks import sources, template_sandbox
from harness.tasks.json_streams import objects
from harness.tasks.located import Located
from harness.tasks.placed_rows import PlacedRows
from harness.tasks.row_layouts import Placed, examples
from harness.tasks.same_text import same_text

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@quick
@given(
    rows=st.dictionaries(st.text(max_size=4), st.lists(JSON, max_size=5), max_size=3),
    rest=st.dictionaries(st.text(max_size=4), JSON, max_size=3),
)
def test_a_digest_in_batches_is_that_of_the_whole(rows: dict[str, list[Any]], rest: dict[str, Any]) -> None:
    rest.pop("splits", None)
    assert digest_of_rows({"splits": {name: iter(part) for name, part in rows.items()}}, rest) == digest(
        {"splits": rows, **rest}
    )


def test_a_digest_of_more_rows_than_a_batch_holds_is_that_of_the_whole() -> None:
    rows = [[number, "é"] for number in range(2500)]
    assert digest_of_rows({"a": {"b": rows}}, {}) == digest({"a": {"b": rows}})


@quick
@given(st.text())
def test_short_ways_for_texts_change_nothing(text: str) -> None:
    assert canonical_json(text) == json.dumps(text, ensure_ascii=False)
    assert same_text(text) == " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    assert template_sandbox.render("{{ input }}", {"input": text}) == (
        template_sandbox.render("{{ input }}{# in full #}", {"input": text})
    )


@pytest.mark.parametrize("name", ["true", "none", "self", "loop", "not"])
def test_a_word_of_the_template_language_is_no_field(name: str) -> None:
    short, full = (
        _outcome(source, {name: "text"}) for source in (f"{{{{ {name} }}}}", f"{{{{ {name} }}}}{{# x #}}")
    )
    assert short == full


def _outcome(source: str, fields: dict[str, object]) -> str:
    try:
        return template_sandbox.render(source, fields)
    except Exception as error:
        return str(error)


LINES = st.lists(
    st.sampled_from(['{"a": 1}', '{"a": "x\u2028y"}', "", "  ", '{"a": "é"}\r', '{"a": [1, 2]}']), max_size=6
)


@quick
@given(lines=LINES, mark=st.sampled_from(["", "\ufeff"]), codec=st.sampled_from(["utf-8", "utf-16"]))
def test_lines_are_read_as_from_the_whole_text(
    lines: list[str], mark: str, codec: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(((mark if codec == "utf-8" else "") + "\n".join(lines)).encode(codec))
    wanted = [(json.loads(line), number) for number, line in enumerate(lines, start=1) if line.strip()]
    assert [(row.row, row.line) for row in sources.read(path)] == wanted


def test_objects_over_several_lines_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a":\n 1}\n{"a": 2}\n')
    assert [row.row for row in sources.read(path)] == [{"a": 1}, {"a": 2}]
    assert objects(path.read_text()) == [({"a": 1}, 1), ({"a": 2}, 3)]


def test_places_are_kept_without_rows() -> None:
    rows = [
        Located(
            row={"input": f"q{n}", "target": "a"}, file="f.jsonl", number=n, line=n + 1 if n < 3 else None
        )
        for n in range(1, 5)
    ]
    placed = examples(rows, "train", None)
    whole = Placed(example=placed[0].example, source=rows[0], documents=(Document(id="d", text="t"),))
    packed = PlacedRows([*placed, whole])
    assert packed.examples == [item.example for item in packed] == [item.example for item in [*placed, whole]]
    assert [str(item.source.error("x")) for item in packed] == [
        str(item.source.error("x")) for item in [*placed, whole]
    ]
    assert packed[-1] is whole
    assert [item.source.number for item in packed[1:3]] == [2, 3]
    with pytest.raises(IndexError):
        packed[5]
