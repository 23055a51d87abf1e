"""Means, counts and single scores of sample rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.evidence import ranking


def metrics(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and n of every scorer (after extraction and strict), validity, and recall@k, nDCG@k and MRR."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        if row["finish_reason"] == "error":
            continue
        valid = float(row["strict"]["status"] == "valid")
        columns.setdefault("valid_strict", []).append(valid)
        columns.setdefault("valid_extracted", []).append(float(row["extracted"]["status"] == "valid"))
        for score in row["scores"]:
            if score["value"] is not None:
                columns.setdefault(score["scorer"], []).append(score["value"])
                columns.setdefault(f"{score['scorer']}_strict", []).append(score["value"] * valid)
        if (row["passages"] or row.get("searched")) and row["context_ids"]:
            found, gold = ranking.documents_of(row), ranking.gold_of(row)
            columns.setdefault("recall_at_k", []).append(ranking.recall_at_k(found, gold))
            columns.setdefault("ndcg_at_k", []).append(ranking.ndcg_at_k(found, gold))
            columns.setdefault("mrr", []).append(ranking.reciprocal_rank(found, gold))
    return {name: {"mean": sum(values) / len(values), "n": len(values)} for name, values in columns.items()}


def mean_score(rows: Iterable[dict[str, Any]], scorer: str) -> float:
    """Mean of one scorer over sample rows; 0 when nothing was scored."""
    values = [s["value"] for row in rows for s in row["scores"] if s["scorer"] == scorer]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


def value(row: dict[str, Any], scorer: str) -> float | None:
    """One scorer's value of a sample row; None where it failed."""
    found: float | None = next(s["value"] for s in row["scores"] if s["scorer"] == scorer)
    return found


def counts(rows: Sequence[dict[str, Any]], primary: str) -> dict[str, int]:
    """How many answers were scored, invalid, in error, and cut off by the token limit."""
    statuses = [s["status"] for row in rows for s in row["scores"] if s["scorer"] == primary]
    found = {status: statuses.count(status) for status in ("scored", "invalid", "error")}
    return found | {"truncated": sum(row["finish_reason"] == "length" for row in rows)}
