"""SQL scored by its rows and code by its tests, within bounds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Scorer
from harness.core.values import Example

EXAMPLE = Example(id="x", input={}, target=None)
SQL = build("formats", "sql")
SHOP = """
CREATE TABLE goods (name VARCHAR, price DECIMAL(8, 2));
INSERT INTO goods VALUES ('tea', 3.50), ('rye', 2.00), ('ink', 2.00);
"""


@pytest.fixture(params=["shop.sql", "shop.sqlite"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "shop.sql":
        (tmp_path / "shop.sql").write_text(SHOP)
    else:
        with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
            connection.executescript(SHOP)
        connection.close()
    return tmp_path


def _scorer(folder: Path, **settings: Any) -> Scorer:
    name = next(path.name for path in folder.glob("shop.*"))
    scorer: Scorer = build("scorers", {"kind": "sql_result", "database": name, **settings})
    return scorer.for_task(SQL, folder)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("SELECT name FROM goods WHERE price < 3", 1.0),
        ("SELECT g.name AS n FROM goods AS g WHERE g.price = 2 ORDER BY n", 1.0),
        ("SELECT name FROM goods", 0.0),
        ("SELECT DISTINCT 'rye' FROM goods", 0.0),
        ("SELECT nothing FROM goods", 0.0),
        ("DELETE FROM goods", 0.0),
        ("DROP TABLE goods", 0.0),
    ],
)
def test_an_answer_is_right_where_its_rows_are(folder: Path, answer: str, score: float) -> None:
    scorer = _scorer(folder)
    target = "SELECT name FROM goods WHERE price = 2.0"
    assert scorer.score(answer, target, EXAMPLE)[0] == score
    assert scorer.score(target, target, EXAMPLE)[0] == 1.0, "the database is as it was"


def test_order_counts_only_where_it_is_asked_for(folder: Path) -> None:
    up, down = (f"SELECT name FROM goods ORDER BY name {way}" for way in ("ASC", "DESC"))
    assert _scorer(folder).score(up, down, EXAMPLE)[0] == 1.0
    assert _scorer(folder, ordered=True).score(up, down, EXAMPLE)[0] == 0.0


def test_an_endless_query_ends(folder: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    score, reason = _scorer(folder, seconds=0.3).score(endless, "SELECT 1", EXAMPLE)
    assert (score, reason) == (0.0, "took longer than 0.3 s")


@pytest.mark.parametrize("reads", ["read_text", "read_csv"])
def test_no_file_can_be_read(folder: Path, reads: str) -> None:
    secret = folder / "secret.csv"
    secret.write_text("a\n1\n")
    score, reason = _scorer(folder).score(f"SELECT * FROM {reads}('{secret}')", "SELECT 1", EXAMPLE)
    assert score == 0.0
    assert reason


def test_a_target_that_fails_is_a_fault_of_the_task(folder: Path) -> None:
    with pytest.raises(Exception, match="the target query fails"):
        _scorer(folder).score("SELECT 1", "SELECT nothing FROM nowhere", EXAMPLE)


def test_the_database_is_part_of_the_identity_and_its_place_is_not(
    folder: Path, tmp_path_factory: Any
) -> None:
    before = _scorer(folder).identity()
    assert str(folder) not in str(before)
    (path,) = folder.glob("shop.*")
    other = tmp_path_factory.mktemp("copy")
    (other / path.name).write_bytes(path.read_bytes())
    assert _scorer(other).identity() == before
    (other / "shop.sql").write_text(SHOP + "INSERT INTO goods VALUES ('owl', 1);")
    changed = build("scorers", {"kind": "sql_result", "database": "shop.sql"}).for_task(SQL, other).identity()
    assert changed["digest"] != before["digest"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs a database"),
        ({"database": "none.sql"}, "no database"),
        ({"database": "../x.db"}, "outside"),
    ],
)
def test_a_missing_database_is_refused(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("scorers", {"kind": "sql_result", **settings}).for_task(SQL, tmp_path)


TESTS = "assert double(2) == 4\nassert double(-1) == -2"


@pytest.mark.parametrize(
    ("code", "score", "reason"),
    [
        ("def double(x):\n    return 2 * x", 1.0, ""),
        ("Sure!\n```python\ndef double(x):\n    return x + x\n```\nDone.", 1.0, ""),
        ("def double(x):\n    return x", 0.0, "AssertionError"),
        ("def double(x)", 0.0, "SyntaxError"),
        ("import sys\nsys.exit(0)", 0.0, "ended early"),
        ("import os\nos._exit(0)", 0.0, "ended early"),
        ("while True: pass", 0.0, "took longer than"),
        ("x = bytearray(10**10)", 0.0, "MemoryError"),
    ],
)
def test_code_is_right_where_its_tests_pass(
    monkeypatch: pytest.MonkeyPatch, code: str, score: float, reason: str
) -> None:
    monkeypatch.setenv("HARNESS_ALLOW_CODE", "1")
    seconds = 1.0 if "while True" in code else 30.0  # of a machine that does other work, too
    scorer = build("scorers", {"kind": "code_tests", "seconds": seconds})
    given, why = scorer.score(code, TESTS, EXAMPLE)
    assert given == score
    assert why.startswith(reason)


def test_tests_may_stand_beside_a_solution_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_ALLOW_CODE", "1")
    example = Example(id="x", input={}, target="", meta={"tests": TESTS})
    solution = "def double(x):\n    return x * 2"
    scorer = build("scorers", "code_tests")
    assert scorer.score(solution, solution, example)[0] == 1.0
    assert scorer.score("def double(x):\n    return x", solution, example)[0] == 0.0


def test_code_runs_only_where_the_user_allows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_ALLOW_CODE", raising=False)
    scorer = build("scorers", "code_tests")
    for run in (lambda: scorer.for_task(SQL, tmp_path), lambda: scorer.score("x = 1", "", EXAMPLE)):
        with pytest.raises(ConfigError, match="HARNESS_ALLOW_CODE=1"):
            run()
