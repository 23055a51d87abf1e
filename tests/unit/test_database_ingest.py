"""Run folders → DuckDB: nothing doubled, nothing lost, what is broken is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.results.database import ingest, queries
from harness.results.database.store import FILE, Store
from tests.report_data import make, read_samples, rewrite_samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    make(folder, examples=8, seeds=2)
    ingest.sync(folder)
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def contents(results: Path) -> dict[str, list[dict[str, Any]]]:
    with Store.open(results) as store:
        return {name: store.rows(f"FROM {name} ORDER BY ALL") for name in queries.tables(store)}


def one_run(results: Path, text: str) -> Path:
    return next(path for path in sorted((results / "runs").iterdir()) if text in path.name)


def test_tables_hold_what_the_files_say(results: Path) -> None:
    folder = one_run(results, "handbook_qa-bm25_rag")
    rows = read_samples(folder)
    with Store.open(results) as store:
        records = list(queries.samples(store, folder.name))
    assert [row["sample_id"] for row in records] == [row["sample_id"] for row in rows]
    for row, stored in zip(rows, records, strict=True):
        for name in (
            "input",
            "target",
            "meta",
            "prompt",
            "output",
            "tokens_in",
            "shots",
            "context_ids",
            "failure",
        ):
            assert stored[name] == row[name]
        assert stored["extracted_value"] == row["extracted"]["value"]
        assert stored["strict_path"] == row["strict"]["path"]
        assert [s["value"] for s in stored["scores"]] == [s["value"] for s in row["scores"]]
        assert [p["document"] for p in stored["passages"]] == [p["document"] for p in row["passages"]]
        assert [p["gold"] for p in stored["passages"]] == [
            p["document"] in row["context_ids"] for p in row["passages"]
        ]


def test_leaderboard_mean_is_the_mean_over_seeds_of_the_mean_over_samples(results: Path) -> None:
    folders = [p for p in (results / "runs").iterdir() if p.name.startswith("support_tickets-lora")]
    per_seed = [[row["scores"][0]["value"] for row in read_samples(folder)] for folder in folders]
    with Store.open(results) as store:
        row = next(r for r in queries.leaderboard(store, "support_tickets") if r["recipe"] == "lora")
    assert row["seeds"] == 2
    assert row["n"] == 8
    assert row["mean"] == pytest.approx(sum(sum(values) / 8 for values in per_seed) / 2)
    assert sorted(row["run_ids"]) == sorted(folder.name for folder in folders)


def test_other_settings_of_a_recipe_are_not_its_seeds(results: Path) -> None:
    folder = one_run(results, "support_tickets-lora")
    record = json.loads((folder / "run.json").read_text())
    record["recipe"]["weights"][0]["lora_r"] = 64
    (folder / "run.json").write_text(json.dumps(record))
    ingest.sync(results)
    with Store.open(results) as store:
        rows = [r for r in queries.leaderboard(store, "support_tickets") if r["recipe"] == "lora"]
    assert [row["seeds"] for row in rows] == [1, 1]


def test_ingesting_twice_changes_nothing(results: Path) -> None:
    before = contents(results)
    folder = one_run(results, "full")
    assert ingest.ingest_run(results, folder).runs == 0
    assert ingest.sync(results).runs == 0
    assert contents(results) == before


def test_rebuild_makes_the_same_tables_again(results: Path) -> None:
    ingest.record(results, "trials", {"study": "s", "number": 0, "value": 0.5, "params": {"lora_r": 8}})
    ingest.record(results, "pins", {"name": "p", "run_id": "r", "mean": 0.1, "n": 8})
    folder = one_run(results, "lora")
    for location in (folder, results / "benchmarks" / "a-model"):
        (location / "benchmarks" / "arc-1").mkdir(parents=True)
        (location / "benchmarks.jsonl").write_text(
            '{"task": "arc", "metric": "acc", "value": 1.0, "stderr": 0.1, "n": 1, "folder": "arc-1"}\n'
        )
        (location / "benchmarks" / "arc-1" / "samples_arc.jsonl").write_text(
            '{"doc_id": 0, "doc_hash": "ab", "filter": "none", "acc": 1.0}\n'
        )
    ingest.sync(results)
    before = contents(results)
    assert all(before.values()), "every table has a row, so that every table is compared"
    (results / FILE).unlink()
    ingest.rebuild(results)
    assert contents(results) == before


def test_last_line_of_a_journal_stands(results: Path) -> None:
    for value in (0.1, 0.7):
        ingest.record(results, "trials", {"study": "s", "number": 3, "value": value})
    assert [row["value"] for row in contents(results)["trials"]] == [0.7]


def test_unfinished_run_is_partial(results: Path) -> None:
    folder = one_run(results, "few_shot")
    (folder / "run.json").unlink()
    ingest.sync(results)
    with Store.open(results) as store:
        run = queries.find(store, folder.name)
        board = [row["recipe"] for row in queries.leaderboard(store, run.task)]
    assert (run.status, run.columns["n_samples"]) == ("partial", 8)
    assert "few_shot" not in board


def test_run_that_finishes_later_replaces_its_partial_self(results: Path) -> None:
    before = contents(results)
    folder = one_run(results, "few_shot")
    record = (folder / "run.json").read_bytes()
    (folder / "run.json").unlink()
    ingest.sync(results)
    (folder / "run.json").write_bytes(record)
    assert ingest.sync(results).runs == 1
    assert contents(results) == before


def test_cut_off_last_line_is_skipped_and_reported(results: Path) -> None:
    folder = one_run(results, "zero_shot")
    whole = (folder / "samples.jsonl").read_bytes()
    (folder / "samples.jsonl").write_bytes(whole[:-40])
    done = ingest.sync(results)
    with Store.open(results) as store:
        assert queries.find(store, folder.name).columns["n_samples"] == 7
        assert len(list(queries.samples(store, folder.name))) == 7
    assert len(done.problems) == 1
    assert f"{folder.name}/samples.jsonl:8: cut off" in done.problems[0]


def test_corrupt_record_is_named_and_the_others_stay(results: Path) -> None:
    folder = one_run(results, "zero_shot")
    (folder / "run.json").write_text('{"id": ')
    done = ingest.rebuild(results)
    assert [str(folder / "run.json") in problem for problem in done.problems] == [True]
    assert len(contents(results)["runs"]) == len(list((results / "runs").iterdir())) - 1


def test_run_of_another_layout_leaves_nothing_behind(results: Path) -> None:
    folder = one_run(results, "zero_shot")
    rows = read_samples(folder)
    rows[-1]["tokens_in"] = {"not": "a number"}
    rewrite_samples(folder, rows)
    (folder / "train_steps.jsonl").write_text("")
    done = ingest.rebuild(results)
    assert folder.name in done.problems[0]
    assert folder.name not in {row["run_id"] for row in contents(results)["samples"]}


def test_removed_run_is_forgotten(results: Path) -> None:
    folder = one_run(results, "qlora")
    shutil.rmtree(folder)
    ingest.sync(results)
    assert all(folder.name not in (row.get("run_id"), row.get("id")) for row in contents(results)["samples"])


def test_text_that_no_file_should_hold(results: Path) -> None:
    folder = one_run(results, "zero_shot")
    rows = read_samples(folder)
    rows[0]["output"] = "broken \ud800 surrogate, NUL \x00, " + "x" * 1_000_000
    rows[1]["target"] = {"deep": ["\udfff", float("nan")]}
    rewrite_samples(folder, rows)
    assert ingest.sync(results).problems == ()
    with Store.open(results) as store:
        stored = list(queries.samples(store, folder.name))
    assert stored[0]["output"] == rows[0]["output"].replace("\ud800", "\ufffd")
    assert stored[1]["target"] == {"deep": ["\ufffd", None]}
