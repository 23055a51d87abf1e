"""Questions that commands ask the index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.store.store import select

_RUNS = """
SELECT r.id, r.status, r.task, r.recipe, r.labels, r.model, r.seed, r.split,
       avg(s.value) AS score, count(s.value) AS n,
       avg(CASE s.status WHEN 'scored' THEN 1.0 WHEN 'invalid' THEN 0.0 END) AS valid,
       r.seconds, r.train_seconds, r.started_at, r.error
FROM runs r LEFT JOIN scores s ON s.run_id = r.id AND s.scorer = r.primary_scorer
WHERE ? IS NULL OR r.task = ?
GROUP BY ALL ORDER BY r.started_at DESC, r.id
"""


def runs(results: Path, task: str | None = None) -> list[dict[str, Any]]:
    """Every run, newest first: its identity, its mean primary score, and its cost."""
    return select(results, _RUNS, [task, task])
