"""What the order of keys alone does to constrained answers: the table of docs/constrained.md.

python -m tests.schemas.order RESULTS    # the bundled model on support_tickets: half an hour on one core
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from harness import api
from harness.core.json_types import JsonObject, JsonValue
from harness.core.values import Constraint
from harness.report.run_comparison import compare_runs
from harness.results.database import ingest
from harness.results.folder import ResultsFolder
from harness.runner.cells import plan
from harness.runner.experiment import from_file
from harness.tasks.formats.json_schema import JsonSchema
from harness.tasks.writable import Writing

EXAMPLES = 80
LORA = {
    "data": {"limit": 120},
    "weights": {
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.002,
        "eval_per_epoch": 0,
    },
}
"""The demo's."""


def in_alphabetical_order(schema: JsonValue) -> JsonValue:
    """The schema with its keys sorted on every level."""
    return json.loads(json.dumps(schema, sort_keys=True))  # type: ignore[no-any-return]


@contextmanager
def grammar_alone_sorted() -> Iterator[None]:
    """Shots and targets as train writes them; only the grammar demands another order."""
    plain = JsonSchema.constraint

    def constraint(form: JsonSchema) -> Constraint:
        original = plain(form)
        return replace(original, value=in_alphabetical_order(original.value))

    with ExitStack() as stack:
        stack.enter_context(patch.object(JsonSchema, "constraint", constraint))
        # No target can be written in that order, for which the recipe would be refused.
        for module in ("runner.answering", "runner.suitable"):
            stack.enter_context(patch(f"harness.{module}.writing", lambda _: Writing()))
        yield


@contextmanager
def all_sorted() -> Iterator[None]:
    """Shots, targets and grammar in the other order."""

    def in_order_of(form: JsonSchema, _: Sequence[object]) -> JsonSchema:
        return replace(form, schema=in_alphabetical_order(dict(form.schema)))  # type: ignore[arg-type]

    with patch.object(JsonSchema, "in_order_of", in_order_of):
        yield


def answer(results: Path, parent: str, name: str, *, constrain: bool, weights_of: str = "") -> str:
    """Run a recipe, and name its run.

    Args:
        weights_of: a run whose trained weights are asked instead of trained again.
    """
    recipe: dict[str, Any] = {"extends": parent, "name": name, "program": {"constrain": constrain}}
    recipe |= LORA if parent == "lora" else {}
    file = results / f"{name}.yaml"
    file.write_text(
        yaml.safe_dump({"task": "support_tickets", "limit": EXAMPLES, "recipes": [recipe]}), encoding="utf-8"
    )
    (cell,) = plan(from_file(file))
    if weights_of:
        pointer = ResultsFolder(results).trained(cell.weights_key)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        content: JsonObject = {"run": weights_of, "weights_key": cell.weights_key}
        pointer.write_text(json.dumps(content), encoding="utf-8")
    api.run(file, results=results, report=results / f"{name}.html")
    return cell.id


def main(results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    for parent in ("few_shot", "lora"):
        free = answer(results, parent, f"{parent}_free", constrain=False)
        trained = free if parent == "lora" else ""
        held = answer(results, parent, f"{parent}_constrained", constrain=True, weights_of=trained)
        with grammar_alone_sorted():
            other = answer(results, parent, f"{parent}_other_order", constrain=True, weights_of=trained)
        pairs = [(held, free), (other, free), (other, held)]
        if parent == "few_shot":
            with all_sorted():
                everywhere = answer(results, parent, f"{parent}_all_sorted", constrain=True)
            pairs += [(everywhere, free), (everywhere, held)]
        show(results, *pairs)


def show(results: Path, *pairs: tuple[str, str]) -> None:
    """Each pair's means, and the paired difference as `harness compare` has it."""
    ingest.sync(results)
    for first, second in pairs:
        pair = compare_runs(results, first, second)
        print(f"{pair.sentence}; {len(pair.flips)} answers scored otherwise", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
