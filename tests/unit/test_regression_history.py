"""The trend: order, upgrades, and change points on series whose truth is known; the command and the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.regression import history
from harness.regression.history import series
from harness.report import data as report_data
from harness.report.sections import history as section
from harness.results import pins
from harness.results.pins import Snapshot
from tests import report_data as made
from tests.unit.regress_kit import snapshot
from tests.unit.test_database_commands import Command

TASK, DROP = "support_tickets", 5


def _run(index: int, share: float, rng: np.random.Generator, model: str = "m") -> Snapshot:
    head = {"started_at": f"2026-01-{index + 1:02}", "model": {"spec": model, "fingerprint": model * 8}}
    values = (rng.random(200) < share).astype(float).tolist()
    return snapshot(values, name=f"run{index}", **head)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight runs of one recipe, a day apart; from the sixth on another model, which always fails."""
    folder = tmp_path_factory.mktemp("history")
    for index in range(8):
        model = "old" if index < DROP else "new"
        run = made._run(folder, TASK, "lora", index, 40, model=model)
        if index >= DROP:
            rows = made.read_samples(run)
            for row in rows:
                row["scores"] = [score | {"value": 0.0} for score in row["scores"]]
            made.rewrite_samples(run, rows)
        record = json.loads((run / "run.json").read_text())
        # Against the order of the names: time decides.
        record["started_at"] = f"2026-02-{index + 1:02}T09:00:00+00:00"
        (run / "run.json").write_text(json.dumps(record))
    made._run(folder, "handbook_qa", "zero_shot", 0, 12)
    return folder


def test_a_drop_after_an_upgrade_is_marked_where_it_happened() -> None:
    rng = np.random.default_rng(0)
    runs = [_run(i, 0.8 if i < 5 else 0.6, rng, "old" if i < 5 else "new") for i in range(10)]
    trend = series(runs[::-1])
    assert [point.run for point in trend.points] == [f"run{i}" for i in range(10)]
    assert [bool(point.changed) for point in trend.points] == [i == 5 for i in range(10)]
    assert "model.spec: old → new" in trend.points[5].changed
    assert trend.change is not None
    assert int(trend.change.first[3:]) <= 5 <= int(trend.change.last[3:])
    assert trend.change.low < -0.2 < trend.change.high
    assert trend.change.after - trend.change.before == pytest.approx(trend.change.change)


def test_nothing_right_of_twelve_has_the_interval_of_a_share() -> None:
    """Of 0 in 12 a t interval around the mean ends at 15.1, where one in fourteen would see nothing of a fifth."""
    (point,) = series([snapshot([0.0] * 12, name="run", seed=0)]).points
    expected = stats.binomtest(0, 12).proportion_ci(method="wilson")
    assert (point.low, point.high) == pytest.approx((expected.low, expected.high))


def test_a_level_series_rarely_has_a_change_point() -> None:
    rng = np.random.default_rng(1)
    result = [series([_run(i, 0.7, rng) for i in range(8)]).change for _ in range(60)]
    assert sum(change is not None for change in result) <= 6


def test_an_upgrade_is_another_setting_too_but_not_another_seed() -> None:
    weights = [[{"kind": "lora", "learning_rate": rate}] for rate in (1e-3, 1e-3, 2e-4)]
    runs = [
        snapshot([1.0, 0.0], name=f"r{i}", seed=i, started_at=f"2026-01-0{i + 1}", recipe={"name": "lora", "weights": w})
        for i, w in enumerate(weights)
    ]  # fmt: skip
    changed = [point.changed for point in series(runs).points]
    assert changed == [(), (), ("recipe.weights.0.learning_rate: 0.001 → 0.0002",)]


def test_every_finished_run_of_a_folder_is_in_its_series(results: Path) -> None:
    trends = history.load(results)
    assert [(item.task, item.name) for item in trends] == [("handbook_qa", "zero_shot"), (TASK, "lora")]
    lora = trends[1]
    assert [point.seed for point in lora.points] == list(range(8))
    for point in lora.points:
        rows = made.read_samples(results / "runs" / point.run)
        values = [
            s["value"]
            for row in rows
            for s in row["scores"]
            if s["scorer"] == "fields" and s["value"] is not None
        ]
        assert point.mean == pytest.approx(np.mean(values))
        assert point.low <= point.mean <= point.high
    assert lora.change is not None
    assert lora.change.run == lora.points[DROP].run
    assert history.load(results, TASK, "few_shot") == ()
    assert [item.task for item in history.load(results, "handbook_qa")] == ["handbook_qa"]


def test_a_run_that_cannot_be_read_is_said_and_left_out(results: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(results, tmp_path / "copy")
    broken = next((copy / "runs").glob("*-s3-*"))
    (broken / "samples.jsonl").write_text('{"no": "sample"}\n')
    partial = next((copy / "runs").glob("*-s4-*"))
    (partial / "run.json").unlink()
    problems: list[str] = []
    (trends,) = history.load(copy, TASK, None, problems)
    assert [point.seed for point in trends.points] == [0, 1, 2, 5, 6, 7]
    assert len(problems) == 1
    assert broken.name in problems[0]


def test_the_command_prints_and_writes_the_page_and_the_index_links_to_it(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harness = Command(results, monkeypatch, capsys)
    code, output, _ = harness("history", TASK)
    assert code == 0
    assert output.count("↑ model.spec: old → new") == 1
    assert "change at" in output
    _, output, _ = harness("history", "--json")
    assert [item["recipe"] for item in json.loads(output)["series"]] == ["zero_shot", "lora"]
    page = tmp_path / "reports" / "history.html"
    assert harness("history", "--html", "-o", str(page))[0] == 0
    text = page.read_text()
    assert '<a href="index.html">All reports</a>' in text
    assert "One run only, no trend yet: zero_shot" in text
    index = (page.parent / "index.html").read_text()
    assert '<a href="history.html">History</a>' in index
    assert "0 reports" in index
    elsewhere = tmp_path / "other.html"
    assert harness("history", "--html", "-o", str(elsewhere))[0] == 0
    assert not (tmp_path / "index.html").exists()
    assert "All reports" not in elsewhere.read_text()


def test_the_report_shows_it_only_where_the_past_says_more(results: Path) -> None:
    lora = history.load(results, TASK)[0].points
    alone = report_data.load(results, [history.load(results, "handbook_qa")[0].points[0].run])
    assert section.collect(alone) is None
    same = report_data.load(results, [point.run for point in lora[:DROP]])
    info = section.collect(same)
    assert info is not None
    assert [item.recipe for item in info.series] == ["lora"]
    html = str(section.render(info))
    table = html[html.index("<table") :]
    assert all(point.run in table for point in lora)
    assert "1: model.spec: old → new" in table
    spoken = html[html.index('aria-label="Scores of') :].split('"')[1]
    assert "Change point at" in spoken
    assert spoken.count("2026-02-0") == 8


def test_no_answer_is_read_of_a_series_that_is_not_kept(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of six runs read the answers of all hundred in the folder."""
    first, *others = history.load(results)
    own, read = {point.run for point in first.points}, []
    of_run = pins.of_run
    monkeypatch.setattr(pins, "of_run", lambda location, name: read.append(name) or of_run(location, name))
    assert others
    assert history.load(results, keep=lambda ids: not own.isdisjoint(ids)) == (first,)
    assert set(read) == own


def test_names_from_outside_are_escaped() -> None:
    odd = "<img src=x>"
    runs = [snapshot([1.0, 0.0] * 9, name=f"r{i}", started_at=f"2026-01-0{i + 1}", model={"spec": odd + str(i), "fingerprint": "f"}) for i in range(3)]  # fmt: skip
    html = str(section.render(section.Info((series(runs),))))
    assert "<img" not in html
    assert "&lt;img" in html
