"""The queries that other rooms make, answered with plain dicts and frozen values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.results import example_labels, run_names
from harness.results.database.store import Store
from harness.results.folder import ResultsFolder
from harness.results.records.run import RunRecord
from harness.results.run_files import JsonLine


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A row of `runs`: the fields that are accessed by name, its record, and all of its `columns` for
    display."""

    id: str
    task: str
    model: str
    recipe: str
    split: str
    status: str
    error: str | None
    data_hash: str | None
    example_limit: int | None
    primary_scorer: str
    margin: float | None
    record: RunRecord
    columns: JsonLine


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One example that two runs were asked, with the score of each."""

    sample_id: str
    group_id: str | None
    first: float
    second: float
    label: str = ""
    """The example's id in the log that it was imported from; else the same as `sample_id`."""
    asks: str = ""
    """The beginning of its question."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric's mean over `n` examples, with its standard error if known."""

    mean: float
    n: int | None
    stderr: float | None


def runs(store: Store, *, task: str | None = None, ids: Sequence[str] | None = None) -> list[RunRow]:
    """Rows of `runs`, oldest first, `record` parsed; all of them, or of one task, or by id."""
    where, values = ["true"], []
    if task is not None:
        where.append("task = ?")
        values.append(task)
    if ids is not None:
        where.append("list_contains(?, id)")
        values.append(list(ids))  # type: ignore[arg-type]
    query = f"SELECT * FROM runs WHERE {' AND '.join(where)} ORDER BY started_at, id"
    return [_with_record(row) for row in store.rows(query, values)]


def find(store: Store, name: str) -> RunRow:
    """The run of that id, or the one whose id (or key) starts with it; of several, the only one on test.

    Raises:
        ConfigError: none (with the nearest), or more than one.
    """
    query = "SELECT * FROM runs WHERE id = ? OR starts_with(id, ?) OR starts_with(key, ?) ORDER BY id"
    rows = {row["id"]: row for row in store.rows(query, [name, name, name])}
    if name in rows:
        return _with_record(rows[name])
    if rows:
        return _with_record(
            rows[
                ResultsFolder(store.path.parent).meant(
                    name, {id: row["split"] or "" for id, row in rows.items()}
                )
            ]
        )
    known = [row["id"] for row in store.rows("SELECT id FROM runs ORDER BY id")]
    raise ConfigError(f"no run '{name}'", remedy=run_names.suggestion(name, known))


def sample(store: Store, run: RunRow, name: str) -> JsonLine:
    """One sample of a run, as `samples` gives it; an imported one also by the id in its log.

    Raises:
        ConfigError: no such example in that run, or several of that id.
    """
    sample_row = next(samples(store, run.id, sample_id=name), None)
    if sample_row is not None:
        return sample_row
    query = "SELECT sample_id, meta FROM samples WHERE run_id = ? ORDER BY position"
    known = [(row["sample_id"], _label(run, row)) for row in store.rows(query, [run.id])]
    ids = [sample_id for sample_id, label in known if label == name]
    if len(ids) > 1:
        raise ConfigError(f"{len(ids)} examples of {run.id} have the id '{name}'", remedy=", ".join(ids[:6]))
    for sample_row in samples(store, run.id, sample_id=ids[0]) if ids else ():
        return sample_row
    listed = ", ".join(label for _, label in known[:10])
    raise ConfigError(
        f"no example '{name}' in {run.id}", remedy=f"it has {listed}{' …' if len(known) > 10 else ''}"
    )


def samples(store: Store, run_id: str, *, sample_id: str | None = None) -> Iterator[JsonLine]:
    """Samples of a run in the order of the file, each with `scores` and `passages` (lists of dicts)."""
    names = ("scores", "passages")
    query = """
        SELECT s.* EXCLUDE (run_id), coalesce(c.scores, []) AS scores, coalesce(p.passages, []) AS passages
        FROM samples AS s
        LEFT JOIN (
            SELECT sample_id, list({scorer: scorer, status: status, value: value, reason: reason}) AS scores
            FROM scores WHERE run_id = $run GROUP BY sample_id
        ) AS c USING (sample_id)
        LEFT JOIN (
            SELECT sample_id, list({document: document, title: title, text: text, score: score, gold: gold}
                                   ORDER BY rank) AS passages
            FROM retrievals WHERE run_id = $run GROUP BY sample_id
        ) AS p USING (sample_id)
        WHERE s.run_id = $run AND ($sample IS NULL OR s.sample_id = $sample) ORDER BY s.position
    """
    cursor = store.connection.cursor().execute(query, {"run": run_id, "sample": sample_id})
    columns = [column[0] for column in cursor.description or ()]
    while batch := cursor.fetchmany(1000):
        for values in batch:
            row = dict(zip(columns, values, strict=True))
            for name in ("input", "target", "meta", "extracted_value"):
                row[name] = None if row[name] is None else json.loads(row[name])
            yield row | {name: list(row[name]) for name in names}


def train_steps(store: Store, run_id: str) -> list[JsonLine]:
    """Telemetry of a run's optimizer steps, in order of stage and step."""
    query = "SELECT * EXCLUDE (run_id) FROM train_steps WHERE run_id = ? ORDER BY stage, step"
    return store.rows(query, [run_id])


def metrics(store: Store, ids: Sequence[str]) -> dict[str, dict[str, Measured]]:
    """Run id → metric → {mean, n, stderr}; benchmark results are named `<task>/<metric>`."""
    query = "SELECT run_id, metric, value AS mean, n, stderr FROM matrix WHERE list_contains(?, run_id)"
    by_run: dict[str, dict[str, Measured]] = {run_id: {} for run_id in ids}
    for row in store.rows(f"{query} ORDER BY ALL", [list(ids)]):
        by_run[row["run_id"]][row["metric"]] = Measured(mean=row["mean"], n=row["n"], stderr=row["stderr"])
    return by_run


def leaderboard(store: Store, task: str | None = None) -> list[JsonLine]:
    """Rows of the view `leaderboard`, of one task or of all."""
    where = "" if task is None else "WHERE task = ?"
    return store.rows(f"SELECT * FROM leaderboard {where}", None if task is None else [task])


def pairs(store: Store, first: RunRow, second: str, scorer: str) -> list[Flip]:
    """Examples that both runs answered and scored, with the values of `first` and `second`."""
    query = """
        SELECT s.sample_id, s.group_id, a.value AS first, b.value AS second, s.meta, s.input
        FROM samples AS s
        JOIN scores AS a ON a.run_id = s.run_id AND a.sample_id = s.sample_id AND a.scorer = $scorer
        JOIN scores AS b ON b.run_id = $second AND b.sample_id = s.sample_id AND b.scorer = $scorer
        WHERE s.run_id = $first AND a.value IS NOT NULL AND b.value IS NOT NULL
        ORDER BY s.position
    """
    return [
        Flip(
            sample_id=row["sample_id"],
            group_id=row["group_id"],
            first=row["first"],
            second=row["second"],
            label=_label(first, row),
            asks=example_labels.beginning(json.loads(row["input"]) if row["input"] else None),
        )
        for row in store.rows(query, {"first": first.id, "second": second, "scorer": scorer})
    ]


def recipes_beside(store: Store, run: RunRow) -> list[str]:
    """The recipes, its own included, with finished runs on the same task, data and model: what a verdict compares."""
    query = """
        SELECT DISTINCT recipe FROM runs
        WHERE task = $task AND data_hash IS NOT DISTINCT FROM $data AND model = $model AND split = 'test'
            AND status IN ('done', 'partial')
        ORDER BY recipe
    """
    about = {"task": run.task, "data": run.data_hash, "model": run.model}
    return [str(row["recipe"]) for row in store.rows(query, about)]


def _label(run: RunRow, row: JsonLine) -> str:
    meta = json.loads(row["meta"]) if row["meta"] else None
    return example_labels.label(run.record, row["sample_id"], meta)


def problems(store: Store) -> list[str]:
    """Everything that could not be read from run folders."""
    query = "SELECT id || '/' || unnest(problems) AS problem FROM runs ORDER BY id"
    return [row["problem"] for row in store.rows(query)]


def tables(store: Store) -> list[str]:
    query = "SELECT table_name AS name FROM duckdb_tables() WHERE table_name <> 'migrations' ORDER BY 1"
    return [row["name"] for row in store.rows(query)]


def views(store: Store) -> list[str]:
    query = "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    return [row["name"] for row in store.rows(query)]


def _with_record(row: JsonLine) -> RunRow:
    texts: dict[str, str] = {
        name: row[name] or "" for name in ("task", "model", "recipe", "split", "status", "primary_scorer")
    }
    record = RunRecord.of(json.loads(row["record"]) if row["record"] else {})
    return RunRow(
        id=row["id"],
        **texts,
        error=row["error"],
        data_hash=row["data_hash"],
        example_limit=row["example_limit"],
        margin=row["margin"],
        record=record,
        columns=row,
    )
