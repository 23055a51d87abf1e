"""Means and counts of sample rows."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evidence import ranking
from harness.results.records.sample import SampleRecord


def metrics(rows: Sequence[SampleRecord]) -> dict[str, dict[str, float]]:
    """Mean and n of every scorer (after extraction and strict), validity, and recall@k, nDCG@k and MRR."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        if not row.answered:
            continue
        valid = float(row.strict.valid)
        columns.setdefault("valid_strict", []).append(valid)
        columns.setdefault("valid_extracted", []).append(float(row.extracted.valid))
        for score in row.scores:
            if score.value is not None:
                columns.setdefault(score.scorer, []).append(score.value)
                columns.setdefault(f"{score.scorer}_strict", []).append(score.value * valid)
        if row.ranked:
            documents, gold = row.documents, row.gold
            columns.setdefault("recall_at_k", []).append(ranking.recall_at_k(documents, gold))
            columns.setdefault("ndcg_at_k", []).append(ranking.ndcg_at_k(documents, gold))
            columns.setdefault("mrr", []).append(ranking.reciprocal_rank(documents, gold))
    return {name: {"mean": sum(values) / len(values), "n": len(values)} for name, values in columns.items()}


def counts(rows: Sequence[SampleRecord], primary: str | None) -> dict[str, int]:
    """How many answers were scored, invalid, in error, and cut off by the token limit."""
    statuses = [score.status for row in rows for score in row.scores if score.scorer == primary]
    by_status = {status: statuses.count(status) for status in ("scored", "invalid", "error")}
    return by_status | {"truncated": sum(row.finish_reason == "length" for row in rows)}
