"""From the records of a run folder to the columns of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from harness.core.finite import finite_json
from harness.core.keys import digest
from harness.results.records.run import AnswerRecord, RunRecord, TrainRecord
from harness.results.records.sample import SampleRecord
from harness.results.run_files import Head, JsonLine


def run_columns(head: Head) -> JsonLine:
    """The row of `runs`; counts of samples are filled in by the caller."""
    record = head.record
    task, recipe = record.task, record.recipe.raw
    return {
        **{name: getattr(record, name) for name in _COPIED},
        "id": head.id,
        "task": task.name or None,
        "task_version": task.version,
        "data_hash": task.data_hash,
        "primary_scorer": task.primary,
        "margin": task.margin,
        "recipe": record.recipe.name or None,
        "recipe_hash": digest({k: v for k, v in recipe.items() if k not in ("name", "about")})[:12],
        "model": record.model.spec or None,
        "model_fingerprint": record.model.fingerprint,
        "seed": record.raw.get("seed"),
        "example_limit": record.limit,
        "git_sha": record.git.sha,
        "git_dirty": record.git.dirty,
        **_cost_columns(record),
        "imported": None if record.imported is None else record.imported.tool,
        "record": as_json(record.raw),
        "source": head.source,
    }


_COPIED = (
    *(
        "key",
        "weights_key",
        "experiment",
        "labels",
        "status",
        "started_at",
        "finished_at",
        "seconds",
        "error",
    ),
    *(
        "split",
        "prompt_tokens_mean",
        "peak_memory_bytes",
        "peak_device_bytes",
        "predicted_peak_bytes",
        "command",
    ),
)


def _cost_columns(record: RunRecord) -> JsonLine:
    train, answer = record.train or TrainRecord(), record.answer or AnswerRecord()
    return {
        "train_seconds": train.seconds,
        "trainable_parameters": train.trainable_parameters,
        "total_parameters": train.total_parameters,
        "train_steps": train.steps,
        "train_tokens": train.tokens,
        "best_step": train.best_step,
        "best_dev_score": train.best_dev_score,
        "best_dev_loss": train.best_dev_loss,
        "n_dropped": len(train.dropped) if record.train else None,
        "bytes_to_ship": train.bytes,
        "answer_seconds": answer.seconds,
        "throughput": answer.throughput,
        "latency_p50": answer.latency_p50,
        "latency_p95": answer.latency_p95,
        "batch_size": answer.batch_size,
        "tokens_in_mean": answer.tokens_in_mean,
        "tokens_out_mean": answer.tokens_out_mean,
        **{f"n_{name}": record.counts.get(name) for name in ("scored", "invalid", "error", "truncated")},
    }


def metric_columns(record: RunRecord) -> Iterator[JsonLine]:
    for name, metric in (record.metrics or {}).items():
        yield {"metric": name, "mean": metric.mean, "n": metric.n}


def sample_columns(row: SampleRecord, position: int) -> JsonLine:
    """The row of `samples` for one line of `samples.jsonl`."""
    strict, extracted = row.strict, row.extracted
    return {
        **{name: getattr(row, name) for name in _SAMPLE},
        "position": position,
        "group_id": row.group,
        "input": as_json(row.input),
        "target": as_json(row.target),
        "meta": as_json(row.meta),
        "context_ids": list(row.context_ids),
        "shots": list(row.shots),
        **{f"strict_{name}": getattr(strict, name) for name in ("status", "reason", "path")},
        **{f"extracted_{name}": getattr(extracted, name) for name in ("status", "reason", "path")},
        "extracted_value": as_json(extracted.value),
    }


_SAMPLE = (
    *("sample_id", "prompt", "output", "tokens_in", "tokens_out", "seconds", "waited", "retries", "clock"),
    *("finish_reason", "cached", "error", "failure", "shots_dropped", "passages_dropped"),
    *("thoughts", "thought_tokens"),
)


def score_columns(row: SampleRecord) -> Iterator[JsonLine]:
    for score in row.scores:
        yield {"sample_id": row.sample_id, **asdict(score)}


def retrieval_columns(row: SampleRecord) -> Iterator[JsonLine]:
    """Retrieved passages, rank 1 first; `gold` is null if the task names no gold documents."""
    gold = {name for group in row.gold for name in group}
    for rank, passage in enumerate(row.passages, start=1):
        known = passage.document in gold if gold else None
        yield {"sample_id": row.sample_id, "rank": rank, "gold": known, **asdict(passage)}


def as_json(value: object) -> str | None:
    """JSON text for a JSON column; None stays NULL, and what JSON cannot express becomes null."""
    return None if value is None else finite_json(value)
