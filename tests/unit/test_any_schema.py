"""Whatever a schema holds, no command ends in a traceback, and none with 1, which means a regression."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Harness
from tests.schemas.kinds import CASES, Case

SOME = ("oneOf, overlapping", "named by look-ahead")
"""Kinds with parts that no grammar has; `HARNESS_ALL_KINDS=1` asks all of them."""
ASKED = [case for case in CASES if os.environ.get("HARNESS_ALL_KINDS") or case.name in SOME]
COMMANDS = (
    ("validate",),
    ("diagnose", "--model", "fake", "--limit", "2", "-q"),
    ("run", "--model", "fake", "--recipes", "constrained", "--limit", "2", "-q"),
    (
        *("search", "--model", "fake", "--recipe", "few_shot", "--set", "program.constrain=true"),
        *("--space", "program.k=1,2", "--trials", "2", "--seeds", "1", "--yes", "-q"),
    ),
)


def write(folder: Path, case: Case) -> Path:
    for split, rows in (("train", 4), ("dev", 3), ("test", 4)):
        targets = [case.instances[row % len(case.instances)] for row in range(rows)]
        lines = [
            {"id": f"{split}{row}", "input": f"question {row} of {split}", "target": target}
            for row, target in enumerate(targets)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "schema.json").write_text(json.dumps(case.schema))
    (folder / "task.yaml").write_text(
        "name: any\ndata: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}\n"
        "format: {kind: json_schema, schema: schema.json}\nscorers: [{kind: exact}]\n"
    )
    return folder


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.name)
def test_every_command_ends_with_a_result_or_a_reason(case: Case, harness: Harness, tmp_path: Path) -> None:
    folder = write(tmp_path, case)
    for command, *options in COMMANDS:
        code, out, err = harness(command, str(folder), *options)
        assert code in (0, 2, 3), (command, code, err)
        assert "Traceback" not in out + err
        assert "not foreseen" not in out + err
        reasons = out if command == "validate" else err  # what validate finds is its result
        assert code == 0 or reasons.strip(), command
