"""Answers read by DuckDB itself against the same answers read row by row."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.imports.sample import ForeignSample, Metric
from harness.results.database import bulk, loader
from harness.results.database.bulk_queries import Written
from harness.results.database.ingest import rebuild
from harness.results.database.store import Store
from harness.results.imported_lines import FIELDS
from harness.results.imported_rows import RowWriter

words = st.text(max_size=6)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
parse = st.fixed_dictionaries({"status": words, "reason": words, "path": words}, optional={"value": values})
fields = {
    **dict.fromkeys(("input", "target", "meta"), values),
    **dict.fromkeys(("group", "error", "failure"), st.none() | words),
    **dict.fromkeys(("prompt", "output", "finish_reason"), words),
    **dict.fromkeys(("tokens_in", "tokens_out"), st.none() | st.integers(0, 2**31 - 1)),
    **dict.fromkeys(("context_ids", "shots"), st.lists(words, max_size=2)),
    "seconds": st.floats(0, 1e6),
    "cached": st.booleans(),
    "strict": parse | st.none(),
    "extracted": parse,
}
score = st.fixed_dictionaries(
    {"scorer": words, "status": words, "value": st.none() | st.floats(0, 1), "reason": words},
    optional={"version": st.integers(0, 9)},
)
passage = st.fixed_dictionaries({"document": words, "title": words, "text": words, "score": st.floats(0, 9)})
lists = {"scores": st.lists(score, max_size=2), "passages": st.lists(passage, max_size=2)}
row = st.fixed_dictionaries({}, optional=fields | lists)


def _tables(results: Path) -> dict[str, list[dict[str, Any]]]:
    rebuild(results)
    with Store.open(results) as store:
        rows = {name: store.rows(f"SELECT * FROM {name}") for name in ("samples", "scores", "retrievals")}
        (run,) = store.rows("SELECT n_samples, problems FROM runs")
    return rows | {"run": [run]}


def _both(lines: list[str], taken: bool) -> None:
    """The tables of both ways of reading; `taken` is whether the fast one takes the file."""
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        folder = Path(root) / "runs" / "r"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"status": "done"}')
        (folder / "samples.jsonl").write_bytes("".join(lines).encode("utf-8", "backslashreplace"))
        slow = _tables(Path(root))
        patch.setattr(bulk, "SMALLEST", 0)
        with Store.writable(Path(root) / "other.duckdb") as store:
            assert (bulk.load(store, "r", folder / "samples.jsonl") is not None) == taken
        assert _tables(Path(root)) == slow


@settings(deadline=None, max_examples=10)
@given(rows=st.lists(row, min_size=1, max_size=12))
@example(rows=[{"extracted": {"status": "", "reason": "", "path": "NaN"}}])
@example(
    rows=[{"input": {"a": [1e22, 1e-7, -0.0, "\x1f/\x7f"]}, "target": "1e3", "meta": {"b": {}, "c": []}}] * 30
)
def test_both_readings_agree(rows: list[dict[str, Any]]) -> None:
    named = [{"sample_id": f"s{i}"} | one for i, one in enumerate(rows)]
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in named]
    _both(lines, True)


GOOD = '{"sample_id": "a", "output": "x", "scores": [{"scorer": "exact", "value": 1.0}]}\n'


@pytest.mark.parametrize(
    "odd",
    [
        '{"sample_id": "b", "out',
        GOOD,
        "rubbish\n",
        "\n",
        "[1]\n",
        '{"sample_id": "b", "input": NaN}\n',
        '{"sample_id": "b", "extracted": {"value": {"a": [-Infinity]}}}\n',
    ],
)
def test_what_is_odd_is_read_row_by_row(odd: str) -> None:
    _both([GOOD, odd], False)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        'x: NaN, \\"Infinity\\": [-Infinity]',
        "\\ud800",
        "a\\udc00b\\ud83d",
        "\\ud83d\\ude00",
        "\\\\ud800",
        "\\\\\\ud800",
        "\\ud83d\\ud83d\\ude00",
        "\\\\ud83d\\udc00",
    ],
)
def test_what_answers_say_is_read_by_duckdb(text: str) -> None:
    """`text` as it stands between the quotes of the file."""
    odd = (
        f'{{"sample_id": "b", "output": "{text}", "input": {{"{text}": "{text}"}}, "target": "{text}", '
        f'"extracted": {{"status": "valid", "value": {{"a": ["{text}"]}}}}}}\n'
    )
    _both([GOOD, odd], True)


@pytest.mark.parametrize("count", [2, 3])
def test_a_file_that_is_not_what_was_written_is_checked(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process appended a line with another field; a writer that wrote two lines knew of neither."""
    monkeypatch.setattr(bulk, "SMALLEST", 0)
    checked: list[Path] = []
    read = bulk.Reader._read

    def counted(reader: bulk.Reader, *arguments: Any) -> int | None:
        checked.append(tmp_path)
        return read(reader, *arguments)

    monkeypatch.setattr(bulk.Reader, "_read", counted)
    file = tmp_path / "samples.jsonl"
    lines = [{"sample_id": name, "output": "x"} for name in "ab"] + [{"sample_id": "c", "prompt": "p"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = Written(count=count, fields=frozenset({"sample_id", "output"}))
    with Store.writable(tmp_path / "store.duckdb") as store, bulk.Reader(store) as reader:
        assert reader.load("r", file, written) == 3
        rows = store.rows("SELECT sample_id, output, prompt, position FROM samples ORDER BY position")
    assert len(checked) == (count == 2)
    assert [tuple(row.values()) for row in rows] == [
        ("a", "x", None, 0),
        ("b", "x", None, 1),
        ("c", None, "p" if checked else None, 2),
    ]


ODD_TEXTS = [
    "",
    " ",
    "a\nb\t\r\x00\x08\x0c\x1f\x7f",
    'say "it" \\ / \\n',
    "caf\u00e9 \U0001f600 \u2028\u2029\ufeff",
    "NaN",
    "null",
    "7",
    "[1]",
]


def imported(folder: Path, **changed: Any) -> tuple[RowWriter, Path]:
    """Answers of a log, of which the last is `changed`."""
    metrics = [Metric(name="acc"), Metric(name="loss", higher_is_better=False)]
    writer = RowWriter(folder / "samples.jsonl", metrics)
    scores = {"acc": 0.1, "loss": 0.3}
    samples = [
        ForeignSample(id=str(n), prompt=text, answer=text, scores=scores) for n, text in enumerate(ODD_TEXTS)
    ]
    samples.append(
        ForeignSample(
            **{"id": "last", "prompt": "p", "answer": "a", "scores": {"acc": 1, "loss": 0.0}} | changed
        )
    )
    writer.add((f"n{number}", sample) for number, sample in enumerate(samples))
    writer.close()
    return writer, writer.path


def stored(file: Path, folder: Path, written: Written | None) -> list[list[tuple[object, ...]]]:
    """All rows of the tables that a file of answers fills."""
    with Store.writable(folder / "store.duckdb") as store, bulk.Reader(store) as reader:
        assert reader.load("r", file, written) == len(ODD_TEXTS) + 1
        return [
            [tuple(row.values()) for row in store.rows(f"SELECT * FROM {table} ORDER BY ALL")]
            for table in ("samples", "scores", "retrievals")
        ]


@pytest.mark.parametrize(
    ("changed", "plain"),
    [
        ({}, True),
        ({"seconds": 1.5, "tokens_in": 3}, True),
        ({"answer": None}, False),
        ({"error": "HTTP 500", "scores": {}}, False),
        ({"scores": {"acc": None, "loss": 0.5}}, False),
        ({"scores": {"acc": 1.0}}, False),
    ],
    ids=str,
)
def test_what_is_known_of_all_answers_need_not_be_read_from_each(
    changed: dict[str, Any], plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SMALLEST", 0)
    writer, file = imported(tmp_path / "run", **changed)
    assert (writer.plain_scores is not None) == plain
    known = Written(count=writer.count, fields=FIELDS, plain_scores=writer.plain_scores)
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    assert stored(file, tmp_path / "0", known) == stored(file, tmp_path / "1", None)


def test_two_metrics_under_one_name_are_read_from_each_answer(tmp_path: Path) -> None:
    writer = RowWriter(
        tmp_path / "samples.jsonl", [Metric(name="1 - x"), Metric(name="x", higher_is_better=False)]
    )
    writer.add([("n", ForeignSample(id="1", answer="a", scores={"1 - x": 1.0, "x": 0.0}))])
    writer.close()
    assert writer.plain_scores is None


def test_few_rows_are_inserted_as_many_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "r"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(
        '{"status": "done", "seed": 3, "metrics": {"exact": {"mean": 1, "n": 2}}}'
    )
    full = {
        **{
            "sample_id": "a",
            "input": {"q": 1},
            "target": [1],
            "context_ids": ["x"],
            "gold": [["x"]],
            "seconds": 1,
        },
        **{
            "output": "caf\u00e9",
            "cached": True,
            "tokens_in": 3,
            "extracted": {"status": "valid", "value": 1.5},
        },
        "scores": [{"scorer": "exact", "status": "scored", "value": 1, "version": 2}],
        "passages": [{"document": "x", "title": "t", "text": "t", "score": 1}],
    }
    lines = [json.dumps(full), json.dumps(full | {"sample_id": "b", "cached": None, "scores": []})]
    (folder / "samples.jsonl").write_text("\n".join([*lines, ""]), "utf-8")
    few = _tables(tmp_path)
    assert len(few["samples"]) == 2
    monkeypatch.setattr(loader, "FEW", 0)
    assert _tables(tmp_path) == few


@pytest.mark.parametrize(
    ("kind", "value"),
    [("VARCHAR", 5), ("VARCHAR[]", [5]), ("BIGINT", True), ("BOOLEAN", 1), ("DOUBLE", "1"), ("TIMESTAMP", 1)],
)
def test_a_value_of_another_type_is_refused_for_few_rows_as_for_many(
    kind: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.writable(tmp_path / "store.duckdb") as store:
        store.execute(f"CREATE TABLE odd (run_id VARCHAR, v {kind})")
        for few in (20, 0):
            monkeypatch.setattr(loader, "FEW", few)
            rows = loader.Loader(store)
            rows.add("odd", "r", [{"v": value}])
            with pytest.raises((TypeError, ValueError)):
                rows.flush()


def test_positions_count_the_lines_where_several_threads_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More lines than one thread takes at a time."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(bulk, "PER_THREAD", 1)
    lines = 300_000
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(f'{{"sample_id": "{i:06d}"}}\n' for i in range(lines)))
    with Store.writable(tmp_path / "store.duckdb") as store:
        assert bulk.load(store, "r", file) == lines
        assert store.rows(
            "SELECT count(*) AS n, count(DISTINCT position) AS positions, min(position) AS first FROM samples "
            "WHERE position = CAST(sample_id AS INTEGER)"
        ) == [{"n": lines, "positions": lines, "first": 0}]
