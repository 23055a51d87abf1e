"""SQL answers are compared by their trees, refused where the database refuses them, and run where there is one."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from harness.core.kinds import build
from harness.core.protocols import Scorer, Task
from harness.core.values import Example, Invalid, Parsed
from harness.tasks.load import load
from harness.tasks.scorers import _databases
from harness.tasks.scorers._sql_tree import same
from tests.sql.databases import Database
from tests.sql.measure import measure
from tests.sql.queries import Writer, draw

EXAMPLE = Example(id="x", input={}, target=None)
ALL = ("", "sqlite", "duckdb", "postgres", "mysql", "bigquery", "snowflake", "tsql")

ONE = [
    ("SELECT x FROM t ORDER BY x ASC", "select x from t order by x", ALL),
    ("SELECT t.x FROM t INNER JOIN u ON t.i = u.i", "SELECT t.x FROM t JOIN u ON t.i = u.i", ALL),
    ("SELECT t.x FROM t LEFT OUTER JOIN u ON t.i = u.i", "SELECT t.x FROM t LEFT JOIN u ON t.i = u.i", ALL),
    (
        "SELECT x FROM t FULL OUTER JOIN u USING (i)",
        "SELECT x FROM t FULL JOIN u USING (i)",
        ("duckdb", "postgres"),
    ),
    ("SELECT x FROM t, u", "SELECT x FROM t CROSS JOIN u", ALL),
    (
        "SELECT x FROM t WHERE a = 1 AND (b > 2 OR c < 3)",
        "SELECT x FROM t WHERE (c < 3 OR b > 2) AND a = 1",
        ALL,
    ),
    (
        "SELECT x FROM t WHERE a = 1 AND b = 2 AND c = 3",
        "SELECT x FROM t WHERE a = 1 AND (c = 3 AND b = 2)",
        ALL,
    ),
    ("SELECT x FROM t WHERE ((a <> 1))", "SELECT x FROM t WHERE a != 1", ALL),
    ("SELECT x FROM t WHERE 1 < a", "SELECT x FROM t WHERE a > 1", ALL),
    ("SELECT a.x FROM t AS a", "SELECT x FROM t", ALL),
    ("SELECT a.x, b.y FROM t a, t b", "SELECT c.x, a.y FROM t AS c, t AS a", ALL),
    ("SELECT COUNT(*) AS n FROM t", "SELECT count(*) FROM t", ALL),
    (
        "SELECT x FROM t WHERE i IN (SELECT j AS k FROM u v)",
        "SELECT x FROM t WHERE i IN (SELECT j FROM u AS w)",
        ALL,
    ),
    ("(SELECT x FROM t)", "SELECT x FROM t;", ALL),
    ("SELECT X FROM T", "SELECT x FROM t", ("", "sqlite", "duckdb", "postgres", "snowflake", "tsql")),
    ('SELECT "x" FROM t', "SELECT X FROM t", ("duckdb", "postgres", "tsql")),
    ('SELECT "X" FROM t', "SELECT x FROM t", ("duckdb", "snowflake", "tsql")),
    (
        "SELECT x FROM t ORDER BY x NULLS LAST",
        "SELECT x FROM t ORDER BY x",
        ("duckdb", "postgres", "snowflake"),
    ),
    (
        "SELECT t.x FROM t JOIN u ON t.i = u.i",
        "SELECT t.x FROM t JOIN u ON u.i = t.i",
        ("duckdb", "postgres"),
    ),
]
TWO = [
    ("SELECT x FROM t ORDER BY x", "SELECT x FROM t ORDER BY x DESC", ALL),
    ("SELECT x FROM t", "SELECT DISTINCT x FROM t", ALL),
    ("SELECT x FROM t JOIN u ON t.i = u.i", "SELECT x FROM t LEFT JOIN u ON t.i = u.i", ALL),
    ("SELECT x FROM t WHERE a OR b AND c", "SELECT x FROM t WHERE (a OR b) AND c", ALL),
    ("SELECT (a + b) * c FROM t", "SELECT a + b * c FROM t", ALL),
    ("SELECT a - b FROM t", "SELECT b - a FROM t", ALL),
    ("SELECT a, b FROM t", "SELECT b, a FROM t", ALL),
    ("SELECT x FROM t WHERE a < 1", "SELECT x FROM t WHERE a > 1", ALL),
    ("SELECT x FROM t WHERE n = 'A'", "SELECT x FROM t WHERE n = 'a'", ALL),
    ("SELECT a.x FROM t a, t b", "SELECT b.x FROM t a, t b", ALL),
    ("SELECT x FROM t UNION SELECT x FROM u", "SELECT x FROM t UNION ALL SELECT x FROM u", ALL),
    ("SELECT -a AS b FROM t ORDER BY b", "SELECT -a FROM t ORDER BY t.b", ALL),
    ("SELECT x FROM t ORDER BY (1)", "SELECT x FROM t ORDER BY 1", ALL),
    ('SELECT "x" FROM t', "SELECT x FROM t", ("sqlite",)),
    ('SELECT "X" FROM t', "SELECT x FROM t", ("postgres",)),
    ('SELECT "x" FROM t', "SELECT x FROM t", ("snowflake",)),
    ("SELECT x FROM t ORDER BY x NULLS LAST", "SELECT x FROM t ORDER BY x", ("sqlite", "tsql")),
    ("SELECT t.x FROM t JOIN u ON t.i = u.i", "SELECT t.x FROM t JOIN u ON u.i = t.i", ("sqlite",)),
    ("SELECT f(x) FROM t", "SELECT F(x) FROM t", ("bigquery",)),
    ("SELECT NULL FROM t", 'SELECT "null" FROM t', ("duckdb", "postgres")),
    ("not SQL at all (", "not SQL at all ((", ALL),
]


def _id(value: object) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("first", "second", "dialects"), ONE, ids=_id)
def test_two_spellings_are_one_statement(first: str, second: str, dialects: tuple[str, ...]) -> None:
    assert [d for d in dialects if not same(first, second, d)] == []


@pytest.mark.parametrize(("first", "second", "dialects"), TWO, ids=_id)
def test_what_gives_other_rows_is_another_statement(
    first: str, second: str, dialects: tuple[str, ...]
) -> None:
    assert [d for d in dialects if same(first, second, d)] == []


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_equal_trees_give_equal_rows_and_spellings_have_equal_trees(dialect: str) -> None:
    counts = measure(dialect, 120, seed=1)
    assert counts.wrong == counts.unrecognized == []
    assert counts.refused == 0
    assert counts.same_rows < counts.others, "other queries give other rows"


REFUSED = [
    ("SELECT x, FROM t", ("", "sqlite", "postgres", "mysql", "tsql")),
    ("SELECT f(x,) FROM t", ("", "sqlite", "postgres", "mysql", "tsql", "bigquery", "snowflake")),
    ("SELECT x FROM t WHERE x IN (1,)", ("", "sqlite", "postgres", "bigquery")),
    ("SELECT x FROM t GROUP BY x,", ("", "sqlite", "postgres", "bigquery")),
    ("SELECT x FROM t ORDER BY x,", ("", "sqlite", "postgres", "bigquery")),
    ("SELECT ,x FROM t", (*ALL, "clickhouse")),
    ("SELECT x,, y FROM t", (*ALL, "clickhouse")),
    ("SELECT TOP 3 x FROM t", ("sqlite", "duckdb")),
    ("SELECT x FROM t WHERE a ILIKE 'b'", ("sqlite",)),
]
ALLOWED = [
    ("SELECT x, FROM t", ("duckdb", "bigquery", "snowflake", "databricks", "clickhouse")),
    ("SELECT x FROM t WHERE x IN (1,)", ("duckdb", "clickhouse")),
    ("SELECT (SELECT MAX(y), FROM u) FROM t", ("duckdb", "bigquery")),
    ("SELECT a, b FROM t, u GROUP BY a, (b, c)", ("", "postgres", "bigquery")),
]


@pytest.mark.parametrize(("text", "dialects"), REFUSED, ids=_id)
def test_what_the_database_refuses_is_invalid(text: str, dialects: tuple[str, ...]) -> None:
    forms = {dialect: build("formats", {"kind": "sql", "dialect": dialect}) for dialect in dialects}
    assert [dialect for dialect, form in forms.items() if isinstance(form.parse(text), Parsed)] == []


@pytest.mark.parametrize(("text", "dialects"), ALLOWED, ids=_id)
def test_what_the_database_takes_is_valid(text: str, dialects: tuple[str, ...]) -> None:
    forms = {dialect: build("formats", {"kind": "sql", "dialect": dialect}) for dialect in dialects}
    assert [dialect for dialect, form in forms.items() if isinstance(form.parse(text), Invalid)] == []


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_what_is_valid_is_no_syntax_error_and_the_value_gives_the_same_rows(dialect: str) -> None:
    rng = random.Random(dialect)
    writer, database = Writer(rng, dialect), Database(dialect, rng)
    form, valid = build("formats", {"kind": "sql", "dialect": dialect}), 0
    for _ in range(300):
        words = writer.text(draw(rng)).split(" ")
        at = rng.randrange(len(words))
        broken = [
            words[:at] + words[at + 1 :],
            [*words[:at], words[at], *words[at:]],
            [*words[:at], ",", *words[at:]],
        ]
        text = " ".join(rng.choice(broken))
        outcome = form.parse(text)
        if isinstance(outcome, Parsed):
            valid += 1
            rows = database.rows(text)
            assert "syntax" not in str(rows), text
            assert isinstance(rows, str) or database.rows(outcome.value) == rows, text
    database.close()
    assert 20 < valid < 280


def _task(folder: Path, database: str, answer: str, settings: str = "") -> Task:
    script = "CREATE TABLE t (x INTEGER, y INTEGER); INSERT INTO t VALUES (1, 2), (3, 4);"
    if database.endswith(".sqlite"):
        connection = sqlite3.connect(folder / database)
        connection.executescript(script)
        connection.close()
    else:
        (folder / database).write_text(script)
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(
            f'{{"id": "{split}", "input": "which?", "target": "{answer}"}}\n'
        )
    (folder / "task.yaml").write_text(
        f"name: shop\ndata: {{train: train.jsonl, test: test.jsonl}}\nformat: {{kind: sql{settings}}}\n"
        f"scorers: [{{kind: sql_result, database: {database}}}, {{kind: exact}}]\n"
    )
    return load(folder)


@pytest.mark.parametrize(("database", "valid"), [("shop.sqlite", False), ("shop.sql", True)])
def test_the_tasks_own_database_decides_what_is_valid(tmp_path: Path, database: str, valid: bool) -> None:
    task = _task(tmp_path, database, "SELECT x FROM t")
    assert isinstance(task.format.parse("SELECT x, FROM t"), Parsed) == valid
    assert "engine" not in task.format.identity()


def _scores(task: Task, answer: str) -> dict[str, float]:
    value = task.format.parse(answer)
    assert isinstance(value, Parsed)
    example = task.splits["test"][0]
    return {scorer.name(): scorer.score(value.value, example.target, example)[0] for scorer in task.scorers}


@pytest.mark.parametrize("database", ["shop.sqlite", "shop.sql"])
def test_trees_are_compared_first_and_what_differs_is_run(tmp_path: Path, database: str) -> None:
    task = _task(tmp_path, database, "SELECT x FROM t WHERE x > 2 AND y = 4 ORDER BY x ASC")
    assert _scores(task, "select a.x from t as a where (a.y = 4) and 2 < a.x order by a.x") == {
        "sql_result": 1.0,
        "exact": 1.0,
    }
    assert _scores(task, "SELECT 3") == {"sql_result": 1.0, "exact": 0.0}
    assert _scores(task, "SELECT x FROM t") == {"sql_result": 0.0, "exact": 0.0}


def test_another_spelling_of_the_target_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _task(tmp_path, "shop.sqlite", "SELECT x FROM t WHERE x = random()")
    ran: list[str] = []
    plain = _databases._sqlite
    monkeypatch.setattr(
        _databases, "_sqlite", lambda file, text, seconds: ran.append(text) or plain(file, text, seconds)
    )
    _databases.database.cache_clear()
    assert _scores(task, "SELECT x FROM t WHERE (x = RANDOM())")["sql_result"] == 1.0
    assert len(ran) == 1, "the target alone"


def test_texts_are_compared_where_it_is_asked_for() -> None:
    scorer: Scorer = build("scorers", {"kind": "exact", "normalise": True}).for_task(
        build("formats", "sql"), Path()
    )
    assert scorer.score("SELECT x FROM t", "SELECT x FROM t ORDER BY x", EXAMPLE)[0] == 0.0
    assert scorer.sql is None  # type: ignore[attr-defined]
    assert "sql" not in scorer.identity()
