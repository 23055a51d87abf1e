"""`harness show RUN`: a screen that people read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Harness
from tests.e2e import import_kit as kit
from tests.report_data import make, read_samples


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make(tmp_path / "results", examples=12, seeds=1)
    return tmp_path / "results"


def test_a_run_has_a_header_scores_with_intervals_settings_examples_and_files(
    results: Path, harness: Harness
) -> None:
    folder = next((results / "runs").glob("support_tickets-lora-*"))
    code, printed, _ = harness("show", folder.name)
    assert code == 0
    lines = printed.splitlines()
    assert lines[0] == folder.name
    assert lines[1].startswith("support_tickets · smollm2-135m-instruct · lora, seed 0")
    for section in ("scores", "settings", "3 of 12 examples", "files"):
        assert section in lines
    record = json.loads((folder / "run.json").read_text("utf-8"))
    primary = record["task"]["primary"]
    (score,) = (line for line in lines if line.startswith(f"{primary} (primary)"))
    mean = record["metrics"][primary]["mean"]
    low, high = (float(end) for end in score.partition("[")[2].partition("]")[0].split(", "))
    assert f"{mean:.3f}" in score
    assert low <= mean <= high
    assert "learning_rate" in printed
    assert f"samples.jsonl  {(folder / 'samples.jsonl').stat().st_size:,} bytes" in printed
    ids = {row["sample_id"] for row in read_samples(folder)}
    shown = lines[lines.index("3 of 12 examples") + 2 :][:3]
    assert {line.split()[0] for line in shown} <= ids
    assert "{" not in printed.partition("settings")[2].partition("3 of 12")[0], "no raw mapping"


def test_json_is_the_whole_record(results: Path, harness: Harness) -> None:
    folder = next((results / "runs").glob("support_tickets-lora-*"))
    _, printed, _ = harness("show", folder.name, "--json")
    assert json.loads(printed)["record"] == json.loads((folder / "run.json").read_text("utf-8"))


def test_an_imported_example_goes_by_the_id_of_its_log_and_shows_how_its_prompt_begins(
    tmp_path: Path, harness: Harness
) -> None:
    logs = [kit.lm_eval(Path(name), name, values) for name, values in (("a", (1, 0, 1)), ("b", (1, 1, 0)))]
    code, printed, _ = harness("import", *map(str, logs), "--json")
    assert code == 0
    first, second = (run["id"] for run in json.loads(printed)["runs"])
    rows = read_samples(Path("results/runs") / first)
    names = {row["sample_id"]: str(row["meta"]["id"]) for row in rows}
    assert not set(names) & set(names.values())

    _, printed, _ = harness("show", first)
    listed = printed.splitlines()[printed.splitlines().index("3 of 3 examples") + 2 :][:3]
    assert {line.split()[0] for line in listed} == set(names.values())
    assert all("+ 1" in line for line in listed), "what was asked"
    assert not any(name in printed for name in names)

    _, printed, _ = harness("compare", first, second)
    assert "+ 1" in printed
    assert not any(name in printed for name in names)
    assert harness("show", first, "--example", names[rows[0]["sample_id"]])[0] == 0
    assert harness("show", first, "--example", rows[0]["sample_id"])[0] == 0
    code, _, error = harness("show", first, "--example", "no such id")
    assert code == 2
    assert all(name in error for name in names.values())
    page = Path("reports/sums.html").read_text("utf-8")
    assert all(f'"label": "{name}"' in page or f'"label":"{name}"' in page for name in names.values())
