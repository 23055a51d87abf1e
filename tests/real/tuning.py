"""Untuned -> tuned: every arm of four tasks with one budget of seconds on the bundled 135M model, as a Markdown table.

    python -m tests.real.tuning OUT --seconds 600 [--tasks support_tickets,snips] [--limit 100] [--proposer MODEL]

Beside both shipped tasks it takes banking77 and snips from ../shared/data. It writes below OUT only, and the same command
goes on where it stopped. The last column is the verdict over the arms' defaults and that over their tuned champions.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from harness.report.tuning_words import gain
from harness.results.records.tuning import Interval, TuningRecord
from harness.workflows import run
from harness.workflows.options.run import RunOptions
from tests.real import adapters

DATA = Path(__file__).parents[3] / "shared" / "data"
PUBLIC = ("banking77", "snips")
TASKS = ("support_tickets", "handbook_qa", *PUBLIC)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0, help="budget of each arm")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--proposer", default=None)
    parser.add_argument("--limit", type=int, default=100, help="dev and test examples")
    parser.add_argument("--labels", type=int, default=100, help="train examples")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.chdir(given.out)
    print(
        "| task | arm | default [95 %] | tuned [95 %] | gain, points | overfit, points | trials | verdict: defaults → tuned |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in given.tasks.split(","):
        task = _public(name) if name in PUBLIC else name
        for row in _rows(name, task, given):
            print(row, flush=True)


def _public(name: str) -> str:
    folder = Path("tasks_real") / name
    if not (folder / "task.yaml").exists():
        folder = getattr(adapters, name)(DATA, folder.parent)
    return str(folder)


def _rows(name: str, task: str, given: argparse.Namespace) -> list[str]:
    common = {
        "model": given.model,
        "limit": given.limit,
        "labels": [given.labels],
        "results": Path("results"),
    }
    tuned = run.from_options(
        RunOptions(task, tune=f"{given.seconds:g}s", proposer=given.proposer, report=f"{name}.html", **common)
    )
    assert tuned is not None
    record = tuned.tuning
    assert record is not None
    Path(f"{name}.json").write_text(json.dumps(tuned.to_json(), ensure_ascii=False))
    starts = ",".join(arm.start for arm in record.arms)
    plain = run.from_options(RunOptions(task, recipes=starts, report=f"{name}-untuned.html", **common))
    assert plain is not None
    sentences = " → ".join(session.verdicts[0].families.badge for session in (plain, tuned))
    return [_row(name, record, index, sentences) for index in range(len(record.arms))]


def _row(name: str, record: TuningRecord, index: int, verdicts: str) -> str:
    arm = record.arms[index]
    cells = [
        name if index == 0 else "",
        arm.arm,
        _mean(arm.test.default),
        _mean(arm.test.tuned),
        gain(arm.test.gain),
        gain(arm.overfit),
        f"{arm.trials}",
        verdicts if index == 0 else "",
    ]
    return f"| {' | '.join(cells)} |"


def _mean(value: Interval | None) -> str:
    return "–" if value is None else f"{value.mean:.3f} [{value.low:.2f}, {value.high:.2f}]"


if __name__ == "__main__":
    main()
