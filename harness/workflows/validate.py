"""Whether a task can be run, and what a model sees of it."""

from __future__ import annotations

from harness.regression import gate_rules
from harness.tasks.validation_report import Inspection, inspect
from harness.workflows.options.validate import ValidateOptions


def from_options(options: ValidateOptions) -> Inspection:
    """All that `harness validate` does.

    Raises:
        ConfigError: the task does not load, its gate is malformed, or there is no such model.
    """
    inspection = inspect(options.task, options.model)
    gate_rules.of_task(inspection.task)
    return inspection
