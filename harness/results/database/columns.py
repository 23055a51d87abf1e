"""From the JSON of a run folder to the columns of the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.core.finite import finite
from harness.core.keys import digest
from harness.evidence.ranking import gold_of
from harness.results.run_files import Head, Row


def run_columns(head: Head) -> Row:
    """The row of `runs`; counts of samples are filled in by the caller."""
    record = head.record
    task, model = record.get("task") or {}, record.get("model") or {}
    recipe = record.get("recipe") or {}
    return {
        **{name: record.get(name) for name in _COPIED},
        "id": head.id,
        "task": task.get("name"),
        "task_version": task.get("version"),
        "data_hash": task.get("data_hash"),
        "primary_scorer": task.get("primary"),
        "margin": task.get("margin"),
        "recipe": recipe.get("name"),
        "recipe_hash": digest({k: v for k, v in recipe.items() if k not in ("name", "about")})[:12],
        "model": model.get("spec"),
        "model_fingerprint": model.get("fingerprint"),
        "split": record.get("split") or "test",
        "example_limit": record.get("limit"),
        "git_sha": (record.get("git") or {}).get("sha"),
        "git_dirty": (record.get("git") or {}).get("dirty"),
        **_cost_columns(record),
        "record": as_json(record),
        "source": head.source,
    }


_COPIED = (
    *(
        "key",
        "weights_key",
        "experiment",
        "labels",
        "seed",
        "status",
        "started_at",
        "finished_at",
        "seconds",
        "error",
    ),
    *("prompt_tokens_mean", "peak_memory_bytes", "peak_device_bytes", "predicted_peak_bytes", "command"),
)


def _cost_columns(record: Row) -> Row:
    train, answer = record.get("train") or {}, record.get("answer") or {}
    counts = record.get("counts") or {}
    return {
        "train_seconds": train.get("seconds"),
        "trainable_parameters": train.get("trainable_parameters"),
        "total_parameters": train.get("total_parameters"),
        "train_steps": train.get("steps"),
        "train_tokens": train.get("tokens"),
        "best_step": train.get("best_step"),
        "best_dev_score": train.get("best_dev_score"),
        "best_dev_loss": train.get("best_dev_loss"),
        "n_dropped": len(train.get("dropped") or ()) if train else None,
        "bytes_to_ship": train.get("bytes"),
        "answer_seconds": answer.get("seconds"),
        "throughput": answer.get("throughput"),
        "latency_p50": answer.get("latency_p50"),
        "latency_p95": answer.get("latency_p95"),
        "batch_size": answer.get("batch_size"),
        "tokens_in_mean": answer.get("tokens_in_mean"),
        "tokens_out_mean": answer.get("tokens_out_mean"),
        **{f"n_{name}": counts.get(name) for name in ("scored", "invalid", "error", "truncated")},
    }


def metric_columns(record: Row) -> Iterator[Row]:
    for name, found in (record.get("metrics") or {}).items():
        yield {"metric": name, "mean": found["mean"], "n": found["n"]}


def sample_columns(row: Row, position: int) -> Row:
    """The row of `samples` for one line of `samples.jsonl`."""
    strict, extracted = row.get("strict") or {}, row.get("extracted") or {}
    return {
        **{name: row.get(name) for name in _SAMPLE},
        "sample_id": str(row["sample_id"]),
        "position": position,
        "group_id": None if row.get("group") is None else str(row["group"]),
        "input": as_json(row.get("input")),
        "target": as_json(row.get("target")),
        "meta": as_json(row.get("meta")),
        "context_ids": [str(item) for item in row.get("context_ids") or ()],
        "shots": [str(item) for item in row.get("shots") or ()],
        **{f"strict_{name}": strict.get(name) for name in ("status", "reason", "path")},
        **{f"extracted_{name}": extracted.get(name) for name in ("status", "reason", "path")},
        "extracted_value": as_json(extracted.get("value")),
    }


_SAMPLE = (
    *("prompt", "output", "tokens_in", "tokens_out", "seconds", "waited", "retries", "clock"),
    *("finish_reason", "cached", "error", "failure", "shots_dropped", "passages_dropped"),
    *("thoughts", "thought_tokens"),
)


def score_columns(row: Row) -> Iterator[Row]:
    for score in row.get("scores") or ():
        yield {"sample_id": str(row["sample_id"]), **score}


def retrieval_columns(row: Row) -> Iterator[Row]:
    """Retrieved passages, rank 1 first; `gold` is null where the task names no gold documents."""
    gold = {name for group in gold_of(row) for name in group}
    for rank, passage in enumerate(row.get("passages") or (), start=1):
        found = passage.get("document") in gold if gold else None
        yield {"sample_id": str(row["sample_id"]), "rank": rank, "gold": found, **passage}


def as_json(value: Any) -> str | None:
    """JSON text for a JSON column; None stays NULL, and what JSON cannot say becomes null."""
    if value is None:
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(finite(value), ensure_ascii=False)
