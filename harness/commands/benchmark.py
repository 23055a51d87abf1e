"""`harness benchmark`: lm-eval tasks on a run's model or a published one, and what a finetune forgot."""

from __future__ import annotations

import dataclasses

from harness.commands._first_line import first_line
from harness.commands._options import takes
from harness.commands._results import Json
from harness.workflows.options.benchmark import BenchmarkOptions


@takes(BenchmarkOptions)
def benchmark(options: BenchmarkOptions, json: Json = False) -> None:
    """Measure models on public benchmarks, and what training made them forget.

    A repeated command measures nothing again.

    Examples:

      harness benchmark smollm2-135m-instruct --tasks arc_easy,piqa --limit 200

      harness benchmark support_tickets-full support_tickets-lora --tasks my_task.yaml --allow-task-code

      harness benchmark support_tickets-lora --import results_2026-01-31.json

      harness benchmark support_tickets-lora --export lm_eval_results
    """
    with first_line("the tasks", options.targets, silent=options.quiet or json):
        from harness.workflows import benchmark as workflow

    done = workflow.from_options(dataclasses.replace(options, quiet=options.quiet or json))
    workflow.show(done, as_json=json)
