"""`harness import`: other tools' logs as runs, paired example by example."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.workflows.options.import_logs import ImportOptions


@takes(ImportOptions)
def import_(options: ImportOptions, json: Json = False) -> None:
    """Read other tools' logs into the store, pair their examples, and say which model is better.

    Imported runs take part in compare, gate, history, report and sql.

    Examples:

      harness import model-a/results_2026-11-28.json model-b/results_2026-11-28.json

      harness import before.eval after.eval --metric match

      harness import scores.csv --task cups

      harness import results_2026-11-28.json --beside my_task
    """
    from harness.workflows import finetuning_file, import_output
    from harness.workflows.import_logs import from_options

    files = options.paths
    if len(files) == 1 and finetuning_file.recognizes(files[0]):
        finetuning_file.show(finetuning_file.make(files[0], options.task), as_json=json)
        return
    import_output.show(from_options(options), as_json=json)
