"""The word for a run that a command is working on: "running", in every command that shows the status of runs.

The run's record says "partial", or how an earlier attempt ended, until that command has written its own.
"""

from __future__ import annotations

from pathlib import Path

from harness.results import live
from harness.results.database.store import Store


def mark(store: Store, results: Path) -> None:
    """For this connection alone, `runs` gives the runs that a command on this machine is working on the status "running"
    and no error. The view replaces the table in the user's queries, too."""
    at_work = sorted(live.running(results))
    if not at_work:
        return
    (database,) = store.rows("SELECT current_database() AS name")
    store.execute("CREATE OR REPLACE TEMP TABLE at_work AS SELECT unnest(?::VARCHAR[]) AS id", [at_work])
    goes_on = "status <> 'done' AND id IN (SELECT id FROM at_work)"
    store.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW runs AS
        SELECT * REPLACE (
            CASE WHEN {goes_on} THEN 'running' ELSE status END AS status,
            CASE WHEN {goes_on} THEN NULL ELSE error END AS error
        )
        FROM "{database["name"]}".main.runs
        """
    )
