"""A results folder of an earlier version, one run of each kind, read by everything that reads results.

`tests/fixtures/results_v1` was written by commit be4cb1e with the model `tiny`: prompted, few-shot, retrieval,
oracle, LoRA (two seeds, and with four labels), a failed run, the probes and triage of `diagnose`, a study of
three trials, a noise floor, benchmarks and a pin. Weights are left out.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.results import pins
from harness.results.noise import read_noise

FIXTURE = Path(__file__).parents[1] / "fixtures" / "results_v1"
LORA = "colours-lora-tiny-s0-7e623d18"
Harness = Callable[..., Any]


@pytest.fixture
def harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> Harness:
    """Runs a command beside a copy of the fixture; returns the JSON it prints, or its text."""
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "folder").rename(tmp_path / "results")
    monkeypatch.chdir(tmp_path)

    def call(*words: str, code: int = 0) -> Any:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return json.loads(out) if "--json" in words else out

    return call


def test_ls_lists_every_run_with_its_status_and_score(harness: Harness) -> None:
    runs = harness("ls", "--json")["runs"]
    statuses = [run["status"] for run in runs]
    assert (len(runs), statuses.count("done"), statuses.count("failed")) == (14, 13, 1)
    assert {run["recipe"] for run in runs} >= {"zero_shot", "few_shot", "bm25_rag", "gold_context", "lora"}
    assert "colours-hybrid_gold" in harness("ls")


def test_show_prints_a_run_and_an_example(harness: Harness) -> None:
    shown = harness("show", LORA, "--json")
    assert shown["record"]["train"]["trainable_parameters"] == 32768
    assert shown["record"]["versions"]["torch"] == "2.13.0+cpu"
    answer = harness("show", "colours-bm25_rag", "--example", "test-4", "--json")
    assert answer["passages"][0]["document"] == "d4"
    assert "truncated" in harness("show", "colours-bm25_rag", "--example", "test-4")
    assert "exact" in harness("show", LORA)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT count(*) FROM samples", 66),
        ("SELECT count(*) FROM scores WHERE scorer = 'exact'", 66),
        ("SELECT count(*) FROM retrievals WHERE gold", 15),
        ("SELECT count(*) FROM train_steps", 11),
        ("SELECT count(*) FROM trials WHERE state = 'complete'", 3),
        ("SELECT count(*) FROM benchmarks", 2),
        ("SELECT train_tokens FROM runs WHERE id = '" + LORA + "'", 746),
    ],
)
def test_sql_finds_every_table_filled(query: str, value: int, harness: Harness) -> None:
    (row,) = harness("sql", query, "--json")["rows"]
    assert list(row.values()) == [value]


def test_the_report_has_every_kind_of_run_and_keeps_oracles_apart(harness: Harness, tmp_path: Path) -> None:
    harness("report", "-o", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for what in ("hybrid_gold", "lora (n=4)", "colours-lora-441a4deb", "noise", "things"):
        assert what in page, what
    verdicts = harness("report", "--json")["verdicts"]
    (verdict,) = (verdict for verdict in verdicts if verdict["model"] == "tiny")
    assert {item["recipe"] for item in verdict["summaries"] if item["oracle"]} == {"hybrid_gold"}
    assert "hybrid_gold" not in {item["recipe"] for item in verdict["comparisons"]}


def test_the_gate_reads_the_pin_its_noise_floor_and_the_run(harness: Harness) -> None:
    output = harness("gate", LORA, "--against", "lora", "--json")
    assert output["verdict"] == "passed"
    # The scorer has another version since: answers are scored again, and the old floor does not count.
    assert "stored answers of" in json.dumps(output)
    pin = pins.read("lora")
    assert pin.noise is not None
    assert (pin.noise.variance, pin.noise.runs, pin.noise.seeds) == (0.0, 2, (0, 1))
    kept = read_noise(Path("results"), pin.head)
    assert kept is not None
    assert (kept.runs, kept.repeats, kept.deterministic) == (5, 2, True)


def test_a_short_name_means_the_same_run_after_the_reruns_that_measure_noise(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reruns share the beginning of its name."""
    asked: list[str] = []

    def measure(results: Path, run: str, *_: object) -> None:
        asked.append(run)
        shutil.copytree(results / "runs" / LORA, results / "runs" / f"{LORA}0")

    monkeypatch.setattr("harness.regression.noise_floor.measure", measure)
    assert harness("gate", LORA[:-2], "--against", "lora", "--aa", "1", "--json")["verdict"] == "passed"
    assert asked == [LORA]


def test_history_has_a_series_for_every_recipe_with_finished_runs(harness: Harness) -> None:
    series = harness("history", "--json")["series"]
    assert {item["recipe"] for item in series} >= {"zero_shot", "few_shot", "bm25_rag", "lora"}


def test_a_finished_search_is_taken_as_it_is(harness: Harness) -> None:
    words = "colours --recipe lora --trials 3 --model tiny --only weights.learning_rate,weights.lora_r"
    more = "--set weights.num_train_epochs=1 --limit 4 --seeds 0 --save-as best.yaml --report s.html"
    output = harness("search", *words.split(), *more.split(), "--json")
    assert [trial["run_id"] for trial in output["trials"]] == [
        "colours-lora-tiny-s0-b28332a0",
        "colours-lora-tiny-s0-f341c95f",
        "colours-lora-tiny-s0-6678ede9",
    ]
    assert output["best"]["number"] == 0
