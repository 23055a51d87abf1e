"""The database file: locks, damage, migrations, closed-off queries, documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from harness.core.errors import ConfigError
from harness.results.database import ingest, queries, sql
from harness.results.database.export import export_parquet
from harness.results.database.store import FILE, Store, check, migrations
from tests.report_data import make

DOCS = Path(__file__).parents[2] / "docs" / "store.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    make(folder, examples=4, seeds=1)
    ingest.sync(folder)
    return folder


def test_locked_by_another_process(results: Path) -> None:
    held = f"c = duckdb.connect({str(results / FILE)!r}); print('held', flush=True); sys.stdin.read()"
    hold = f"import duckdb, sys; {held}"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for attempt in (
            lambda: Store.open(results, patience=0),
            lambda: Store.open(results, write=True, patience=0),
        ):
            with pytest.raises(ConfigError, match=r"locked by process \d+.*nothing is lost.*db rebuild"):
                attempt()
    with Store.open(results) as store:
        assert queries.runs(store)


def test_damaged_file_is_named_and_rebuild_mends_it(tmp_path: Path) -> None:
    make(tmp_path, examples=2, seeds=1)
    (tmp_path / FILE).write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match=r"harness\.duckdb: cannot be opened.*db rebuild"):
        Store.open(tmp_path)
    assert ingest.rebuild(tmp_path).runs == 12
    with Store.open(tmp_path) as store:
        assert len(queries.runs(store)) == 12


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    for attempt in (Store.open, ingest.rebuild):
        with pytest.raises(ConfigError, match="no such results folder"):
            attempt(tmp_path / "nowhere")


def test_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        check(tmp_path / "results")


def test_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        first = migrations()[0]
        connection.execute("CREATE TABLE migrations (name VARCHAR PRIMARY KEY)")
        connection.execute(first.read_text())
        connection.execute("INSERT INTO migrations VALUES (?)", [first.stem])
    with Store.open(tmp_path) as store:
        assert store.migrated() == {path.stem for path in migrations()}
        assert queries.leaderboard(store) == []


def test_index_of_another_version_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, examples=2, seeds=1)
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("CREATE TABLE runs (other INTEGER)")
        connection.execute("CREATE VIEW matrix AS FROM runs")
        connection.execute("CREATE TABLE migrations AS SELECT '0009_from_the_future' AS name")
    assert ingest.sync(tmp_path).runs == 12
    with Store.open(tmp_path) as store:
        assert len(queries.runs(store)) == 12


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY runs TO '/tmp/never.csv'",
        "ATTACH '/tmp/never.duckdb'",
        "SET enable_external_access = true",
        "DELETE FROM runs",
        "SELECT nope FROM runs",
        "not sql",
    ],
)
def test_queries_read_and_reach_nothing_else(results: Path, query: str) -> None:
    with pytest.raises(ConfigError, match="query refused"):
        sql.run(results, query)
    assert not Path("/tmp/never.csv").exists()


def test_query_gives_plain_json(results: Path) -> None:
    query = "SELECT 1 AS n, 2 AS n, 'NaN'::DOUBLE AS x, TIMESTAMP '2026-01-02 03:04:05' AS t, [1, 2] AS l"
    assert sql.run(results, query).to_json() == {
        "columns": ["n", "n_2", "x", "t", "l"],
        "rows": [{"n": 1, "n_2": 2, "x": None, "t": "2026-01-02T03:04:05", "l": [1, 2]}],
    }


def test_parquet_holds_every_row(results: Path, tmp_path: Path) -> None:
    with Store.open(results) as store:
        files = export_parquet(store, tmp_path / "out")
        counts = {path.stem: store.rows(f"SELECT count(*) AS n FROM {path.stem}")[0]["n"] for path in files}
    assert {"runs", "samples", "leaderboard", "matrix"} <= set(counts)
    for path in files:
        tally = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
        assert tally == [(counts[path.stem],)]


def test_run_is_found_by_how_it_begins(results: Path) -> None:
    with Store.open(results) as store:
        run = queries.find(store, "support_tickets-zero_shot")
        assert queries.find(store, run.columns["key"][:12]).id == run.id
        with pytest.raises(ConfigError, match="matches 6 runs"):
            queries.find(store, "support_tickets")
        with pytest.raises(ConfigError, match=f"did you mean '{run.id}'"):
            queries.find(store, "suport" + run.id.removeprefix("support"))


def test_every_table_view_and_column_is_documented(results: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    with Store.open(results) as store:
        for name in (*queries.tables(store), *queries.views(store)):
            columns = {row["column_name"] for row in store.rows(f"SELECT * FROM (DESCRIBE {name})")}
            documented = set(re.findall(r"^\| `(\w+)` \|", sections.get(name, ""), re.MULTILINE))
            assert documented == columns, name


def test_documented_queries_run(results: Path) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        assert sql.run(results, block).rows, block


def test_a_database_that_shrank_is_not_taken_for_one_that_was_cut_off(tmp_path: Path) -> None:
    check(tmp_path)
    for name in ("one", "two"):
        with duckdb.connect(tmp_path / FILE) as connection:
            connection.execute(f"CREATE TABLE {name} AS SELECT range AS i, random() AS x FROM range(300_000)")
    large = (tmp_path / FILE).stat().st_size
    for query in ("DROP TABLE two", "SELECT 1"):
        with duckdb.connect(tmp_path / FILE) as connection:
            connection.execute(query)
    small = (tmp_path / FILE).stat().st_size
    assert small < large
    check(tmp_path)
    with (tmp_path / FILE).open("r+b") as stream:
        stream.truncate(small // 2)
    with pytest.raises(ConfigError):
        check(tmp_path)
