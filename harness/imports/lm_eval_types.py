"""The parts of lm-eval's results that are read here, as `lm_eval.evaluator.evaluate` returns and writes them."""

from __future__ import annotations

from typing import TypedDict

from harness.core.json_types import JsonValue

Metrics = dict[str, JsonValue]
"""`metric,filter` → value, with `metric_stderr,filter` beside it."""

Output = TypedDict(
    "Output",
    {
        "results": dict[str, Metrics],
        "n-samples": dict[str, dict[str, int]],
        "n-shot": dict[str, int],
        "higher_is_better": dict[str, dict[str, bool]],
        "groups": dict[str, Metrics],
        "group_subtasks": dict[str, list[str]],
        "versions": dict[str, JsonValue],
        "config": dict[str, JsonValue],
        "date": float,
        "model_name": str,
        "chat_template": str | None,
        "lm_eval_version": str,
    },
    total=False,
)
"""By task; a file written by an older lm-eval may lack any of them but `results`."""
