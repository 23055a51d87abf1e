"""Whether an SQL answer returns the rows that the target query returns: execution accuracy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.keys import file_digest
from harness.core.kinds import knob
from harness.core.probes import ScorerProbe
from harness.core.protocols import Format, Scorer
from harness.core.values import Example
from harness.tasks import sources
from harness.tasks.formats.sql import Sql
from harness.tasks.scorers import _sql_tree
from harness.tasks.scorers._databases import QueryError, Rows, database, engine
from harness.tasks.scorers._normalise import accepted


@dataclass(frozen=True, kw_only=True)
class SqlResult(Scorer):
    """1 where the answer's rows are those of an accepted target query.

    `database` is a file in the task's folder: SQLite (`.sqlite`, `.db`), or a `.sql` script that DuckDB runs in memory.
    Nothing can be written, no other file read. An answer that is the target query in another spelling is not run. Column names do not count; rows count as often as they occur, in any
    order unless `ordered`. Numbers are compared to nine digits.
    """

    paper = "Yu et al. 2018, Spider (execution accuracy)"
    version = 2
    binary = True

    database: str = ""
    ordered: bool = False
    seconds: float = knob(5.0, key_default=5.0, doc="the longest time of one query")
    file: Path | None = knob(None, in_key=False, doc="set when the task is read")
    digest: str = knob("", key_default="", doc="SHA-256 of the database, set when the task is read")

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(takes="sql", right=("SELECT 2 - 1", "SELECT 1"), wrong=("SELECT 2", "SELECT 1"))

    def reading(self, form: Format) -> Format:
        if isinstance(form, Sql) and self.database:
            return replace(form, engine=engine(Path(self.database)))
        return form

    def for_task(self, form: Format, folder: Path) -> Scorer:
        if not self.database:
            raise ConfigError(
                "sql_result needs a database", remedy="name a .sqlite file or a .sql script: database: FILE"
            )
        file = sources.within(folder, self.database)
        if not file.is_file():
            raise ConfigError(f"no database '{self.database}'", file=folder)
        scorer = replace(self, file=file, digest=file_digest(file))
        database(scorer.file, scorer.digest)
        return scorer

    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        queries = [str(query) for query in accepted(target)]
        wanted = [self._wanted(query) for query in queries]
        if any(_sql_tree.same(str(value), query, engine(self.file)) for query in queries):
            return 1.0, ""
        try:
            rows = database(self.file, self.digest)(str(value), self.seconds)
        except QueryError as error:
            return 0.0, str(error)
        given = self._comparable(rows)
        if any(given == expected for expected in wanted):
            return 1.0, ""
        return 0.0, f"{len(rows)} other rows"

    def _wanted(self, query: str) -> object:
        return _target_rows(self.file, self.digest, query, self.seconds, self.ordered)

    def _comparable(self, rows: Rows) -> object:
        return _comparable(rows, self.ordered)


@lru_cache(maxsize=2000)
def _target_rows(file: Path | None, digest: str, query: str, seconds: float, ordered: bool) -> object:
    """The rows of a target query, which several answers are compared with.

    Raises:
        QueryError: it fails, which is a fault of the task.
    """
    try:
        return _comparable(database(file, digest)(query, 4 * seconds), ordered)
    except QueryError as error:
        raise QueryError(f"the target query fails: {error}") from None


def _comparable(rows: Rows, ordered: bool) -> object:
    plain = [tuple(map(_plain, row)) for row in rows]
    return plain if ordered else Counter(plain)


def _plain(value: object) -> object:
    """A value in the form in which it is compared: 1, 1.0 and DECIMAL 1 are one number; dates are texts."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        return float(f"{value:.9g}")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | bytes) else repr(value)
