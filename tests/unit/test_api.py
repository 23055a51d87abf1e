"""From Python: what `import harness` costs, and that results, verdicts and pages are the commands' own."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.core.errors import ConfigError
from tests.report_data import QUALITY, make


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    make(folder, examples=12, seeds=1)
    return folder


PUBLIC = "Format, Program, Recipe, Scorer, Task, Weights, __version__, import_logs, load, run"


def test_the_public_names_import_nothing_heavy() -> None:
    code = (
        "import sys, harness\n"
        f"assert dir(harness) == {PUBLIC!r}.split(', '), dir(harness)\n"
        "assert not [name for name in sys.modules if name.startswith('harness.')]\n"
        f"from harness import {PUBLIC}\n"
        "heavy = {'torch', 'transformers', 'peft', 'duckdb', 'pandas', 'pyarrow', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from harness.core import protocols, recipes\n"
        "assert (Format, Program, Scorer) == (protocols.Format, protocols.Program, protocols.Scorer)\n"
        "assert (Task, Weights, Recipe) == (protocols.Task, protocols.Weights, recipes.Recipe)\n"
        "assert callable(run) and callable(load) and __version__\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_is_light_and_the_package_stays_callable() -> None:
    code = (
        "import sys, harness\n"
        "heavy = {'torch', 'transformers', 'duckdb', 'pandas', 'pyarrow', 'jinja2', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert callable(harness.run) and callable(harness.load)\n"
        "assert not {'torch', 'duckdb'} & set(sys.modules)\n"
        "import harness.workflows.run\n"
        "assert callable(harness.run) and harness.workflows.run.RunSession\n"
        "try: harness.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
        "else: raise AssertionError\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tables_are_relations_that_lock_nobody_out(results: Path) -> None:
    loaded = harness.load(results)
    runs = loaded.table("runs")
    frame = runs.df()
    assert len(frame) == len(list((results / "runs").iterdir()))
    assert set(frame["recipe"]) == set(QUALITY["support_tickets"])
    samples = loaded.sql("SELECT count(*) AS n FROM samples").fetchall()
    assert samples == [(12 * len(frame),)]
    assert loaded.table("scores").arrow().read_all().num_rows == 2 * 12 * len(frame)
    # While the relations above are alive, another one may write.
    from harness.results.database.store import Store

    Store.open(results, write=True, patience=0.0).close()
    with pytest.raises(ConfigError, match="query refused"):
        loaded.sql("SELECT nothing FROM nowhere")
    with pytest.raises(ConfigError, match="query refused"):
        loaded.sql("DELETE FROM runs")


def test_decisions_are_the_verdicts(results: Path) -> None:
    from harness.results.run_scores import verdicts

    loaded = harness.load(results)
    result = {d.verdict.task: d for d in loaded.decisions()}
    expected = {v.task: v for v in verdicts(sorted((results / "runs").iterdir()))}
    assert set(result) == set(expected) == set(QUALITY)
    for task, decision in result.items():
        assert repr(decision) == expected[task].sentence
        assert len(decision.run_ids) == 6
        assert loaded.decision(task=task).verdict == decision.verdict
    with pytest.raises(ConfigError, match="2 decisions"):
        loaded.decision()


def test_a_notebook_shows_the_pages_own_sections_in_a_frame(results: Path, tmp_path: Path) -> None:
    decision = harness.load(results).decision(task="handbook_qa")
    frame = re.fullmatch(
        r'<iframe title="[^"]*" style="[^"]*" srcdoc="([^"]*)"></iframe>', decision._repr_html_()
    )
    assert frame is not None
    page = html.unescape(frame[1])
    assert re.findall(r'<section id="(\w+)"', page) == ["verdict", "matrix", "differences", "cost"]
    assert "default-src &#39;none&#39;" in page
    assert "support_tickets" not in page
    shown = decision.section("failures")
    assert re.findall(r'<section id="(\w+)"', shown.page) == ["failures"]
    assert shown.save(tmp_path / "x.html").read_text(encoding="utf-8") == shown.page
    with pytest.raises(ConfigError, match="did you mean 'failures'"):
        decision.section("failure")


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such results folder"):
        harness.load(tmp_path / "none")


def test_run_is_the_command(tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = harness.run(tiny_task, model="tiny", recipes=["zero_shot", "few_shot"], limit=3, quiet=True)
    assert [record["status"] for record in done.records] == ["done", "done"]
    assert done.report == Path("reports/colours.html")
    assert done.report.exists()
    assert Path("reports/index.html").exists()
    assert done.decision.verdict.n == 3
    assert str(done.decision) in repr(done)
    assert repr(done).endswith("report: reports/colours.html")
    assert "<iframe" in done._repr_html_()
    again = harness.load().decision()
    assert again.verdict == done.decision.verdict
    with pytest.raises(ConfigError, match="unknown model|no such|not"):
        harness.run(tmp_path / "nothing", model="tiny")


def test_a_run_from_python_takes_what_the_command_takes(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prices = tmp_path / "prices.yaml"
    prices.write_text("gpu_hour: 2.0\nmillion_tokens_in: 1.0\nmillion_tokens_out: 1.0\n")
    asked = {"model": "fake:red", "recipes": "zero_shot,few_shot", "limit": 3, "quiet": True}
    done = harness.run(tiny_task, **asked, prices=prices, executor={"kind": "local"}, cache=False)
    (bill,) = done.bills
    assert {method.recipe for method in bill.methods} == {"zero_shot", "few_shot"}
    first, second = sorted(record["id"] for record in done.records)
    from harness import api

    pair = api.compare(first, second).pair
    assert (pair.first, pair.second) == (first, second)
    assert [file.name for file in api.report(format="md,json", task="colours").files] == [
        "colours.md",
        "colours.json",
    ]
    with pytest.raises(ConfigError, match="unknown executors? 'nowhere'"):
        harness.run(tiny_task, **asked, executor="nowhere")
