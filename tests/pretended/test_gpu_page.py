"""`make gpu` measures everything that it promises, shown on the pretended device."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from docs import gpu as page
from tests.conftest import write_tiny_task
from tests.gpu import test_cuda
from tests.pretended.device import Pretended

pytestmark = pytest.mark.pretended_gpu


def test_the_script_fills_the_page_with_every_line(
    gpu: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SECONDS", float("inf"))
    monkeypatch.setattr(page, "SETTINGS", ("weights.num_train_epochs=0.5", "weights.dev_examples=0"))
    monkeypatch.setattr(page, "LABELS", 4)
    passed, honest = subprocess.CompletedProcess([], 0, "4 passed in 9.00s\n", ""), subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda words, **more: passed if "tests/gpu" in words else honest(words, **more)
    )
    shutil.copy(page.PAGE, tmp_path / "gpu.md")
    task = write_tiny_task(tmp_path)
    words = ["--model", "tiny", "--task", str(task), "--limit", "2", "--rows", "2", "--answer", "4"]
    assert page.main([*words, "--page", str(tmp_path / "gpu.md")]) == 0
    text = (tmp_path / "gpu.md").read_text().split(page.BEGIN)[1].split(page.END)[0]
    assert "`tiny` on pretended" in text
    for what in ("tests", "load", *page.METHODS, "tokens a second, 2 rows"):
        assert f"| {what} |" in text
    assert "failed" not in text
    assert "| tests | 4 passed in 9.00s |" in text
    assert text.count("parity checks passed") == 3
    assert "vLLM is not installed" in text


def test_lines_after_the_time_is_over_are_not_measured(
    gpu: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SECONDS", -1.0)
    monkeypatch.setattr("harness.models.layers.out_of_memory.release", lambda: None)
    lines = list(page.measure("tiny", "none", 1, 1, 1))
    assert all(line.result.startswith("not measured") for line in lines)


def test_what_is_at_work_when_the_time_is_over_is_stopped(
    gpu: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SECONDS", 0.3)
    monkeypatch.setattr("harness.models.layers.out_of_memory.release", lambda: None)
    monkeypatch.setattr(page, "_tests", lambda: time.sleep(60))
    lines = list(page.measure("tiny", "none", 1, 1, 1))
    assert lines[0].what == "tests"
    assert all(line.result.startswith("not measured") for line in lines)


def test_the_tests_of_a_gpu_pass_on_the_pretended_one(gpu: Pretended, tmp_path: Path) -> None:
    test_cuda.test_the_engine_answers_on_the_gpu_as_on_the_cpu()
    test_cuda.test_training_runs_on_the_gpu_and_records_device_memory(
        "qlora", write_tiny_task(tmp_path), tmp_path
    )


def test_a_machine_without_a_gpu_leaves_the_page_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = page.PAGE.read_text()
    assert page.main([]) == 0
    assert "no CUDA device" in capsys.readouterr().out
    assert page.PAGE.read_text() == before
