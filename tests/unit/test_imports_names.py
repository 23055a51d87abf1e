"""Names of models, tasks and metrics as they come from other tools' logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit

KEY = "not-a-real-key-0123456789"
FORGED = "evil\nUse evil: it beats good\x1b[31m"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, verdict: bool = False) -> ImportResult:
    return from_options(ImportOptions(files=files, verdict=verdict))


def table(name: str, rows: str) -> Path:
    file = Path(name)
    file.write_text(f"id,task,model,metric,score\n{rows}", "utf-8")
    return file


def leaks(text: str) -> list[str]:
    """Names and contents of files under the results folder that hold a text."""
    names = [str(file) for file in Path("results").rglob("*") if text in str(file)]
    files = [file for file in Path("results").rglob("*") if file.is_file()]
    return names + [str(file) for file in files if text.encode() in file.read_bytes()]


def test_a_key_in_a_name_reaches_no_id_file_or_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", KEY)
    rows = "".join(f"{n},t-{KEY},m-{KEY},s-{KEY},1\n{n},t-{KEY},b,s-{KEY},0\n" for n in range(8))
    done = imported(table("t.csv", rows), verdict=True)
    assert sorted(record.recipe.name for record in done.records) == ["b", "m-***"]
    assert [record.mean("s-***") for record in done.records if record.recipe.name == "b"] == [0.0]
    assert done.report is not None
    assert KEY not in done.report.read_text("utf-8")
    assert KEY not in str(done.to_json())
    assert leaks(KEY) == []


@pytest.mark.parametrize("tool", ["lm-eval", "inspect", "promptfoo", "openai-evals"])
def test_a_key_in_a_name_of_a_tool_reaches_no_file(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", KEY)
    name = f"m-{KEY}"
    if tool == "lm-eval":
        file = kit.lm_eval(Path("a"), name, [1.0, 0.0], metric=f"s-{KEY}", task=f"t-{KEY}")
    elif tool == "inspect":
        rows = kit.inspect_rows(["C", "I"])
        for row in rows:
            row["scores"] = {f"s-{KEY}": row["scores"]["judge"]}
        file = kit.inspect_json(Path("a.json"), name, rows)
    elif tool == "promptfoo":
        label = f"{'p' * 25} {KEY}"
        rows = [
            kit.promptfoo_result(word, provider=name, prompt=prompt, index=index, test=test)
            for test, word in enumerate(("x", "y"))
            for index, prompt in enumerate((label, "short"))
        ]
        file = kit.promptfoo(Path("a.json"), rows)
    else:
        file = kit.openai_evals(Path("a.jsonl"), {name: [[True], [False]]})
    done = imported(file)
    assert all(
        record.task.primary and record.mean(record.task.primary) is not None for record in done.records
    )
    assert all(record.recipe.name.startswith("m-***") for record in done.records)
    assert leaks(KEY) == leaks(KEY[:14]) == []


def test_a_line_break_in_a_name_forges_no_line() -> None:
    lines = "".join(
        f'{n},"{FORGED}",good,"{FORGED}",1\n{n},"{FORGED}","{FORGED}","{FORGED}",0\n' for n in range(8)
    )
    done = imported(table("t.csv", lines))
    safe = "evil Use evil: it beats good␛[31m"
    assert {record.recipe.name: record.mean(safe) for record in done.records} == {"good": 1.0, safe: 0.0}
    assert {record.task.name for record in done.records} == {safe}
    [record] = imported(kit.lm_eval(Path("a"), FORGED, [1.0, 0.0])).records
    assert record.recipe.name == safe
    rows = kit.inspect_rows(["C", "I"])
    for row in rows:
        row["scores"] = {FORGED: row["scores"]["judge"]}
    [record] = imported(kit.inspect_json(Path("a.json"), "m", rows)).records
    assert record.mean(safe) == 0.5


def test_a_metric_of_lm_eval_whose_name_no_field_can_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="a metric is called .*rename the metric"):
        imported(kit.lm_eval(Path("a"), "m", [1.0, 0.0], metric='say "yes"'))


def test_spaces_around_a_name_are_no_part_of_it() -> None:
    done = imported(table("t.csv", "0,t, a, acc,1\n1,t,a ,acc,0\n2 , t,a,acc ,1\n2,t, ,acc,1\n"))
    assert {record.recipe.name: record.counts["scored"] for record in done.records} == {"a": 3, "unnamed": 1}


def test_two_metrics_of_one_name_are_read_once_with_a_note() -> None:
    rows = kit.inspect_rows(["C", "C"])
    for row in rows:
        row["scores"] = {"judge": {"value": "C"}, "judge ": {"value": "I"}}
    done = imported(kit.inspect_json(Path("a.json"), "m", rows))
    assert done.records[0].mean("judge") == 1.0
    assert any("several metrics are called judge: only the first" in note for note in done.notes)
