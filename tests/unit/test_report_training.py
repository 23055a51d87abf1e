"""What a report says of training: memory predicted beside measured, and the diagnosis in Markdown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.report import formats, memory_prediction
from harness.report.data import load
from harness.report.sections import cost
from harness.results import run_scores
from harness.results.database import ingest
from harness.results.database.store import Store
from tests.report_data import make


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Runs of which those of LoRA were predicted a quarter too high, and said to overfit."""
    made = make(tmp_path, examples=6, seeds=2)
    for folder in made:
        file = folder / "run.json"
        record = json.loads(file.read_text())
        if record["recipe"]["name"] == "lora":
            record["predicted_peak_bytes"] = round(1.25 * record["peak_memory_bytes"])
            record["train"]["diagnosis"] = ["overfitting from epoch 2: the dev loss rose | from 1 to 2"]
            file.write_text(json.dumps(record))
    return made


def test_the_store_has_the_prediction_beside_the_measured_peak(folders: list[Path], tmp_path: Path) -> None:
    ingest.sync(tmp_path)
    with Store.open(tmp_path) as store:
        rows = store.rows("SELECT id, predicted_peak_bytes AS p, peak_memory_bytes AS m FROM runs")
    assert len(rows) == len(folders)
    for row in rows:
        assert row["p"] == (round(1.25 * row["m"]) if "-lora-" in row["id"] else None)


def test_the_cost_section_shows_the_relative_error(folders: list[Path], tmp_path: Path) -> None:
    data = load(tmp_path, [folder.name for folder in folders])
    info = cost.collect(data)
    assert info is not None
    assert [peak.recipe for _, result in info.peaks for peak in result] == ["lora", "lora"]
    assert info.peaks[0][1][0].error == pytest.approx(0.25)
    page = cost.render(info)
    assert "predicted and measured" in page
    assert re.search(r"\+25\s*%", page)


def test_a_gpu_s_peak_is_held_against_the_gpu(folders: list[Path], tmp_path: Path) -> None:
    for folder in folders:
        record = json.loads((folder / "run.json").read_text())
        if record.get("predicted_peak_bytes"):
            record |= {"peak_device_bytes": 10**9, "predicted_peak_bytes": 8 * 10**8}
            (folder / "run.json").write_text(json.dumps(record))
    data = load(tmp_path, [folder.name for folder in folders])
    (only,) = memory_prediction.peaks(data.groups[0])
    assert (only.where, only.error) == ("GPU", pytest.approx(-0.2))
    assert "-20 %" in memory_prediction.table([only])


def test_runs_without_predictions_show_no_table(tmp_path: Path) -> None:
    data = load(tmp_path, [folder.name for folder in make(tmp_path, examples=6, seeds=1)])
    info = cost.collect(data)
    assert info is None or "predicted and measured" not in cost.render(info)


def test_the_diagnosis_is_in_the_markdown_as_text(folders: list[Path], tmp_path: Path) -> None:
    result = run_scores.diagnoses(folders)
    assert all(len(sentences) == 2 for sentences in result.values())
    out = formats.write(run_scores.verdicts(folders), "md", tmp_path / "r.md", result)
    text = out.read_text()
    for seed in (0, 1):
        assert f"- lora, seed {seed}: overfitting from epoch 2: the dev loss rose \\| from 1 to 2" in text
    assert "Training:" not in formats.markdown(run_scores.verdicts(folders))
