"""Whether equal trees give equal rows, in both directions, on random queries and tables.

python -m tests.sql.measure [PAIRS]     # in SQLite and in DuckDB; 2,000 pairs a minute each
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field

from harness.tasks.scorers._sql_tree import same
from tests.sql.databases import Database
from tests.sql.queries import Writer, changed, draw

DATABASES = 12
"""Random tables that each pair is run on."""


@dataclass
class Counts:
    """Pairs of queries: one written in two ways, and one with another that is close by."""

    spelled: int = 0
    recognized: int = 0
    others: int = 0
    same_rows: int = 0
    """Of `others`, those with equal rows on every one of the databases."""
    same_rows_recognized: int = 0
    refused: int = 0
    """Statements that the database refuses: a fault of the generator."""
    unrecognized: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Pairs with equal trees and other rows."""


def measure(dialect: str, pairs: int, seed: int) -> Counts:
    """Draw pairs, compare them by their trees, and run both."""
    rng, counts = random.Random(f"{dialect} {seed}"), Counts()
    databases = [Database(dialect, rng) for _ in range(DATABASES)]
    writer = Writer(rng, dialect)
    for number in range(pairs):
        query = draw(rng)
        other = query if number % 2 else changed(query, rng)
        texts = writer.text(query), writer.text(other)
        key = query.key if query.key == other.key else None
        rows = [[database.rows(text, key) for text in texts] for database in databases]
        equal = all(first == second for first, second in rows)
        counts.refused += any(isinstance(one, str) for pair in rows for one in pair)
        is_same = same(*texts, dialect)
        if is_same and not equal:
            counts.wrong.append(texts)
        if number % 2:
            counts.spelled += 1
            counts.recognized += is_same
            if not is_same:
                counts.unrecognized.append(texts)
        else:
            counts.others += 1
            counts.same_rows += equal
            counts.same_rows_recognized += equal and is_same
    for database in databases:
        database.close()
    return counts


def main(pairs: int) -> None:
    for dialect in ("sqlite", "duckdb"):
        counts = measure(dialect, pairs, seed=0)
        print(
            f"{dialect}: {counts.recognized:,} of {counts.spelled:,} spellings recognized; of {counts.others:,} pairs of other "
            f"queries {counts.same_rows:,} have equal rows on {DATABASES} databases, {counts.same_rows_recognized:,} of them "
            f"equal trees; equal trees with other rows: {len(counts.wrong)}; refused: {counts.refused}"
        )
        for first, second in [*counts.wrong, *counts.unrecognized][:5]:
            print(f"  {first}\n  {second}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
