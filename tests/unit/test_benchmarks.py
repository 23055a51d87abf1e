"""Benchmarks around the model: names, keys, files, forgetting, the command, the report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from typer.testing import CliRunner

from harness import cli
from harness.benchmarks import forgetting, result_files, tasks
from harness.benchmarks import lm_eval_files as exchange
from harness.benchmarks.forgetting import Forgetting, overall
from harness.benchmarks.loglikelihood_cache import RememberingEngine
from harness.benchmarks.subject import base_of, find, load
from harness.core.errors import ConfigError
from harness.core.recipes import from_config
from harness.engines.fake import FakeEngine
from harness.models.fingerprint import fingerprint
from harness.report.data import load as load_report
from harness.report.sections import forgetting as section
from harness.results.database import benchmarks, ingest
from harness.results.database.store import Store
from harness.workflows import benchmark

LORA = {"name": "lora", "weights": [{"kind": "lora", "lora_r": 4}]}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def a_run(results: Path, name: str = "colours-lora", recipe: dict[str, Any] | None = None) -> Path:
    """A finished run of the tiny model, as `harness run` leaves it, without its answers."""
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    config = from_config(recipe or LORA, name="lora").config()
    task = {
        "name": "colours",
        "version": 1,
        "data_hash": "d",
        "primary": "exact",
        "margin": 0.02,
        "scorers": [],
    }
    record = {
        "id": name,
        "key": f"key of {name}",
        "task": task,
        "recipe": config,
        "model": {"spec": "tiny", "fingerprint": fingerprint("tiny")},
        "seed": 0,
        "labels": None,
        "limit": None,
        "split": "test",
        "status": "done",
        "metrics": {},
    }
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    return folder


def measured(folder: Path, task: str, values: list[float], shots: int = 0, **common: Any) -> None:
    """Write a benchmark's results as an evaluation leaves them."""
    key = common.pop("key", f"{task} {folder.name}")
    mean = sum(values) / len(values)
    results = {
        "results": {task: {"acc,none": mean, "acc_stderr,none": 0.1, "sample_len": len(values)}},
        "n-shot": {task: shots},
    }
    samples = [
        {"doc_id": i, "doc_hash": f"{i:064x}", "filter": "none", "acc": value}
        for i, value in enumerate(values)
    ]
    location = result_files.save(folder, key, task, results, {task: samples})
    rows = result_files.rows_of(results, {"key": key, "folder": location.name, "model": "tiny", **common})
    result_files.append(folder, rows)


def test_the_gauntlet_files_are_tasks_of_their_own_and_other_data_is_another_task(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n')
    file = tmp_path / "t.yaml"
    file.write_text(
        "task: t\ndataset_kwargs: {data_files: {test: rows.jsonl}}\nprocess_docs: !function u.f\n"
    )
    first = tasks.identity(str(file))
    assert tasks.identity(str(file)) == first
    (tmp_path / "rows.jsonl").write_text('{"a": 2}\n')
    second = tasks.identity(str(file))
    (tmp_path / "u.py").write_text("f = list\n")
    third = tasks.identity(str(file))
    (tmp_path / "base.yaml").write_text("metric_list: []\n")
    file.write_text(file.read_text() + "include: base.yaml\n")
    fourth = tasks.identity(str(file))
    (tmp_path / "base.yaml").write_text("metric_list: [{metric: acc}]\n")
    assert len({first, second, third, fourth, tasks.identity(str(file))}) == 5


@pytest.mark.parametrize(
    ("text", "words"), [("", "no benchmark"), ("a.yaml", "no such task file"), (" , ", "no benchmark")]
)
def test_names_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tasks.parse(text)


def test_a_shipped_task_is_found_by_its_text_and_a_group_is_not() -> None:
    result = tasks.own_file("arc_easy")
    assert result is not None
    assert tasks.read(result)["task"] == "arc_easy"
    assert tasks.own_file("mmlu") is None
    assert tasks.own_file("no such task") is None
    with pytest.raises(ConfigError, match="did you mean 'arc_easy'"):
        tasks.load(["arc_eazy"])


def test_a_malformed_task_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("task: t\n  bad: [\n")
    with pytest.raises(ConfigError, match=r"t\.yaml:\d+: not YAML"):
        tasks.identity(str(tmp_path / "t.yaml"))


def test_a_run_a_model_and_what_is_neither(tmp_path: Path) -> None:
    a_run(tmp_path)
    a_run(tmp_path, "colours-full")
    run, model = find(tmp_path, "colours-l"), find(tmp_path, "tiny")
    assert run.run == "colours-lora"
    assert run.trained
    assert not model.trained
    assert base_of(tmp_path, run).identity == model.identity
    assert run.identity != model.identity
    assert find(tmp_path, "tiny", "bfloat16").identity != model.identity
    with pytest.raises(ConfigError, match="matches 2 runs"):
        find(tmp_path, "colours")
    with pytest.raises(ConfigError, match="log-likelihoods"):
        find(tmp_path, "openai:m@http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="weights are not there"):
        load(run)


def test_a_base_that_changed_since_is_refused(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    record["model"]["fingerprint"] = "another"
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match="no longer the model"):
        load(find(tmp_path, "colours-lora"))


def test_log_likelihoods_are_remembered_by_weights_even_after_a_kill(tmp_path: Path) -> None:
    class Counting(FakeEngine):
        calls = 0

        def loglikelihoods(self, pairs: Any) -> Any:
            type(self).calls += len(pairs)
            return super().loglikelihoods(pairs)

    pairs = [([1, 2], [3]), ([1, 2], [4]), ([1, 2], [3])]
    first = RememberingEngine(Counting(), tmp_path, "a").loglikelihoods(pairs)
    assert first == FakeEngine().loglikelihoods(pairs)
    assert Counting.calls == 2
    file = next(tmp_path.glob("*.likelihoods.jsonl"))
    file.write_text(file.read_text()[:-9])
    again = RememberingEngine(Counting(), tmp_path, "a").loglikelihoods([*pairs, ([1], [2, 3])])
    assert again[:3] == first
    assert Counting.calls == 4
    assert RememberingEngine(Counting(), tmp_path, "a").loglikelihoods(pairs) == first
    assert Counting.calls == 4
    RememberingEngine(Counting(), tmp_path, "b").loglikelihoods(pairs)
    assert Counting.calls == 6


def test_forgetting_is_the_paired_change_with_mcnemar_p(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    base = base_of(tmp_path, find(tmp_path, "colours-lora")).folder
    before = [1.0] * 40 + [0.0] * 20
    after = [1.0] * 25 + [0.0] * 15 + [1.0] * 3 + [0.0] * 17
    measured(base, "arc", before)
    measured(run, "arc", after)
    (loss,) = forgetting.of_run(tmp_path, "colours-lora")
    assert loss.change == pytest.approx(-12 / 60)
    assert (loss.lost, loss.gained, loss.n) == (15, 3, 60)
    assert loss.p == pytest.approx(stats.binomtest(3, 18).pvalue)
    assert loss.low < loss.change < loss.high < 0
    assert "forgot arc" in loss.sentence


def test_forgetting_pairs_documents_and_only_equal_settings(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    base = base_of(tmp_path, find(tmp_path, "colours-lora")).folder
    measured(base, "arc", [1.0, 0.0, 1.0, 1.0], shots=0)
    measured(run, "arc", [1.0, 0.0], shots=0)
    measured(run, "arc", [0.0, 0.0, 0.0, 0.0], shots=5, key="other")
    (loss,) = forgetting.of_run(tmp_path, "colours-lora")
    assert (loss.n, loss.before, loss.after, loss.change) == (2, 0.5, 0.5, 0.0)
    assert loss.low < 0 < loss.high


def test_forgetting_of_a_metric_where_less_is_better(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    base = base_of(tmp_path, find(tmp_path, "colours-lora")).folder
    for folder, values in ((base, [1.5 + i / 9 for i in range(20)]), (run, [2.5 + i / 9 for i in range(20)])):
        measured(folder, "loss", values)
        text = (
            (folder / benchmarks.FILE)
            .read_text()
            .replace('"higher_is_better": true', '"higher_is_better": false')
        )
        (folder / benchmarks.FILE).write_text(text)
    (loss,) = forgetting.of_run(tmp_path, "colours-lora")
    assert loss.change == pytest.approx(-1.0)
    assert (loss.lost, loss.gained) == (20, 0)


def test_a_run_that_trained_nothing_forgets_nothing(tmp_path: Path) -> None:
    a_run(tmp_path, "zero", {"name": "zero_shot"})
    assert forgetting.of_run(tmp_path, "zero") == ()
    with pytest.raises(ConfigError, match="only training forgets"):
        forgetting.of_run(tmp_path, "tiny")


def test_overall_weighs_tasks_alike_and_adds_their_errors() -> None:
    common: dict[str, Any] = {
        "run": "r",
        "base": "b",
        "before": 0.5,
        "after": 0.5,
        "p": 1.0,
        "lost": 0,
        "gained": 0,
    }
    result = [
        Forgetting(task="a", metric="acc", n=10, change=-0.3, low=-0.6, high=0.0, **common),
        Forgetting(task="a", metric="acc_norm", n=10, change=0.9, low=0.9, high=0.9, **common),
        Forgetting(task="b", metric="acc", n=900, change=-0.1, low=-0.5, high=0.3, **common),
    ]
    total = overall(result)
    assert total is not None
    assert total.change == pytest.approx(-0.2)
    assert [total.low, total.high] == pytest.approx([-0.45, 0.05])
    assert overall([]) is None


RESULTS = {
    "results": {
        "arc_easy": {"alias": "arc_easy", "acc,none": 0.5, "acc_stderr,none": 0.5, "exact,strict": 1.0},
        "words": {"alias": "words", "perplexity,none": 12.5, "perplexity_stderr,none": "N/A"},
    },
    "n-samples": {"arc_easy": {"original": 2376, "effective": 2}, "words": {"original": 9, "effective": 9}},
    "n-shot": {"arc_easy": 5},
    "higher_is_better": {"arc_easy": {"acc": True}, "words": {"perplexity": False}},
    "versions": {"arc_easy": 1.0},
    "config": {"model": "hf", "limit": 2.0},
    "date": 1767225600.0,
    "model_name": "org/model",
}


def lm_eval_files(folder: Path) -> Path:
    file = folder / "results_2026-01-01T00-00-00.000000.json"
    file.write_text(json.dumps(RESULTS))
    rows = [
        {"doc_id": i, "doc_hash": f"{i:064x}", "filter": kept, "acc": float(i), "exact": 1.0}
        for i in range(2)
        for kept in ("none", "strict")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "samples_arc_easy_2026-01-01T00-00-00.000000.jsonl").write_text(text)
    return file


def test_results_of_lm_eval_join_the_history_once_and_leave_as_they_came(tmp_path: Path) -> None:
    results = tmp_path / "results"
    file = lm_eval_files(tmp_path)
    rows = exchange.import_file(results, file)
    assert exchange.import_file(results, file) == []
    by = {(row.task, row.metric): row for row in rows}
    assert set(by) == {("arc_easy", "acc"), ("arc_easy", "exact,strict"), ("words", "perplexity")}
    assert by["words", "perplexity"].stderr is None
    assert by["words", "perplexity"].higher_is_better is False
    row = by["arc_easy", "acc"]
    assert (row.n, row.num_fewshot, row.example_limit, row.source) == (2, 5, 2, "lm-eval")
    ingest.sync(results)
    with Store.open(results) as store:
        stored = store.rows("SELECT * FROM benchmarks WHERE task = 'arc_easy' AND metric = 'acc'")
        assert [(r["run_id"], r["model"], r["value"]) for r in stored] == [(None, "org/model", 0.5)]
        values = store.rows("SELECT value FROM benchmark_samples WHERE metric = 'acc' ORDER BY value")
        assert [r["value"] for r in values] == [0.0, 1.0]
    a_run(results)
    target = find(results, "colours-lora")
    exchange.import_file(results, file, target)
    written = {path.name: path for path in exchange.export(target, tmp_path / "out")}
    assert json.loads(written["results_2026-01-01T00-00-00.000000.json"].read_text()) == RESULTS
    samples = written["samples_arc_easy_2026-01-01T00-00-00.000000.jsonl"]
    assert samples.parent.name == "org__model"
    assert samples.read_text() == (tmp_path / samples.name).read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"results": {"a": 1}}', '{"results": {"a": {"alias": "a"}}}'])
def test_files_that_are_none_of_lm_evals_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results_x.json").write_text(text)
    with pytest.raises(ConfigError, match=r"results_x\.json"):
        exchange.import_file(tmp_path / "results", tmp_path / "results_x.json")
    assert not (tmp_path / "results" / "benchmarks").exists()


def test_benchmarks_of_a_run_are_in_the_matrix_the_newest_of_each(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    measured(run, "arc", [1.0, 1.0], measured_at="2026-01-01T00:00:00+00:00", key="a")
    measured(run, "arc", [0.0, 1.0], measured_at="2026-02-01T00:00:00+00:00", key="b")
    ingest.sync(tmp_path)
    measured(base_of(tmp_path, find(tmp_path, "colours-lora")).folder, "arc", [1.0])
    ingest.sync(tmp_path)
    with Store.open(tmp_path) as store:
        assert [r["value"] for r in store.rows("SELECT value FROM matrix WHERE metric = 'arc/acc'")] == [0.5]
        counts = store.rows("SELECT run_id, count(*) AS n FROM benchmarks GROUP BY ALL ORDER BY n")
        assert [(r["run_id"], r["n"]) for r in counts] == [(None, 1), ("colours-lora", 2)]


def test_the_report_says_what_was_forgotten_and_nothing_without_data(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert section.collect(load_report(tmp_path, ["colours-lora"])) is None
    measured(run, "arc", [0.0] * 30)
    assert section.collect(load_report(tmp_path, ["colours-lora"])) is None
    measured(base_of(tmp_path, find(tmp_path, "colours-lora")).folder, "arc", [1.0] * 20 + [0.0] * 10)
    info = section.collect(load_report(tmp_path, ["colours-lora"]))
    assert info is not None
    text = re.sub(r"\s+", " ", str(section.render(info)))
    assert "lora forgot: -66.7 points" in text
    assert "20 · 0" in text


def test_what_a_run_trained_is_what_is_asked(tmp_path: Path) -> None:
    import torch

    from harness.engines.hf.engine import HfEngine

    run = a_run(tmp_path)
    target = find(tmp_path, "colours-lora")
    (stage,) = target.recipe.weights
    trained = target.recipe.base.load("tiny")
    stage.prepare(trained)  # type: ignore[attr-defined]
    with torch.no_grad():
        for weight in trained.network.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    stage.save(trained, run / "weights" / "0")
    pairs = [([5, 6, 7], [8, 9]), ([10], [11])]
    result, wanted, base = (
        [value for value, _ in HfEngine(model).loglikelihoods(pairs)]
        for model in (load(target), trained, load(base_of(tmp_path, target)))
    )
    assert result == pytest.approx(wanted, abs=1e-4)
    assert all(abs(a - b) > 0.01 for a, b in zip(result, base, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_command_measures_base_and_run_once_and_exports(tmp_path: Path) -> None:
    run = a_run(tmp_path / "results")
    target = find(tmp_path / "results", "colours-lora")
    (stage,) = target.recipe.weights
    model = target.recipe.base.load("tiny")
    stage.prepare(model)  # type: ignore[attr-defined]
    stage.save(model, run / "weights" / "0")
    rows = [{"q": f"Thing {i}?", "choices": ["red", "blue"], "gold": i % 2} for i in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "things.yaml").write_text(
        "task: things\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: choices\n"
        "doc_to_target: gold\nmetric_list: [{metric: acc}]\n"
    )
    cli.register()
    asked = [
        "benchmark",
        "colours-l",
        "--allow-task-code",
        "--tasks",
        "things.yaml",
        "--limit",
        "4",
        "--results",
        "results",
        "--json",
    ]
    first = CliRunner().invoke(cli.app, [*asked, "--export", "out"])
    assert first.exit_code == 0, first.output
    output = json.loads(first.stdout)
    assert [row["n"] for row in output["benchmarks"]] == [4, 4]
    assert [(item["change"], item["n"]) for item in output["forgetting"]] == [(0.0, 4)]
    assert [Path(file).name.split("_")[0] for file in output["files"]] == ["samples", "results"]
    work = benchmark.work(tmp_path / "results", ["colours-lora"], quiet=True)
    settings = result_files.Settings(limit=4)
    again = benchmark.run(work, "things.yaml", settings, bases=True, cache=True, batch=None, allow_code=True)
    assert [item.fresh for item in again] == [0, 0]
    stored = json.loads(CliRunner().invoke(cli.app, ["benchmark", "colours-lora", "--json"]).stdout)
    assert stored["forgetting"] == output["forgetting"]


def test_asking_for_help_or_what_is_stored_imports_neither_torch_nor_lm_eval(tmp_path: Path) -> None:
    lines = (
        "import sys\nfrom harness.benchmarks import result_files\nfrom harness.commands import benchmark\n"
    )
    lines += "assert not {'torch', 'transformers', 'lm_eval', 'datasets'} & set(sys.modules)\n"
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=60)
