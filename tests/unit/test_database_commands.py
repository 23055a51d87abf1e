"""ls, show, sql, db, compare: what they print, and how they refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.evidence.verdict_types import Comparison, Outcome
from harness.report import run_comparison
from harness.results import live
from harness.results.live import LiveCell, LiveRun
from tests.report_data import make, read_samples, rewrite_samples


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    make(folder, examples=20, seeds=2)
    return folder


class Command:
    """Runs `harness …` in this process; returns the exit code, stdout and stderr."""

    def __init__(
        self, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.results, self.monkeypatch, self.capsys = results, monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["harness", *words, "--results", str(self.results)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = self.capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err


@pytest.fixture
def harness(results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(results, monkeypatch, capsys)


def test_ls_lists_every_run_of_a_task(harness: Command) -> None:
    code, out, err = harness("ls", "--task", "handbook_qa", "--json")
    runs = json.loads(out)["runs"]
    assert (code, err) == (0, "")
    assert {run["recipe"] for run in runs} == {"zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full"}
    assert {run["status"] for run in runs} == {"done"}
    assert all(run["metrics"]["token_f1"]["n"] in (19, 20) for run in runs)
    _, plain, _ = harness("ls", "--task", "handbook_qa")
    assert [line.split()[0] for line in plain.splitlines()[1:]] == [run["id"] for run in runs]


def test_ls_says_what_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, examples=2, seeds=1)[0]
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "partial"}))
    listed = Command(tmp_path, monkeypatch, capsys)

    def state() -> str:
        (line,) = (line for line in listed("ls")[1].splitlines() if line.startswith(folder.name))
        return line.split()[1]

    assert state() == "partial"
    cells = (LiveCell(id=folder.name),)
    live.write(tmp_path, LiveRun(name="task", pid=os.getppid(), cells=cells))
    assert state() == "running"
    live.write(tmp_path, LiveRun(name="task", pid=os.getppid(), cells=cells, ending="stopped"))
    assert state() == "partial"


def test_show_run_and_example(harness: Command, results: Path) -> None:
    folder = next((results / "runs").glob("handbook_qa-bm25_rag*"))
    row = read_samples(folder)[3]
    _, out, _ = harness("show", "handbook_qa-bm25", "--json")
    assert json.loads(out)["record"] == json.loads((folder / "run.json").read_text())
    _, out, _ = harness("show", "handbook_qa-bm25", "--example", row["sample_id"])
    for text in (row["prompt"], row["output"], *(passage["text"] for passage in row["passages"])):
        assert text in out


def test_terminal_obeys_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, examples=2, seeds=1)[0]
    rows = read_samples(folder)
    rows[0]["output"] = "\x1b[2Jgone \u202e\x07[bold]markup[/bold] \ud800"
    rewrite_samples(folder, rows)
    _, out, _ = Command(tmp_path, monkeypatch, capsys)("show", folder.name, "--example", rows[0]["sample_id"])
    assert "\\x1b[2Jgone \\u202e\\x07[bold]markup[/bold] \ufffd" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_sql_prints_json_csv_and_tables(harness: Command) -> None:
    query = "SELECT recipe, count(*) AS n FROM runs GROUP BY recipe ORDER BY recipe LIMIT 2"
    _, out, _ = harness("sql", query, "--json")
    rows = json.loads(out)["rows"]
    assert rows == [{"recipe": "bm25_rag", "n": 2}, {"recipe": "few_shot", "n": 2}]
    _, out, _ = harness("sql", query, "--csv")
    assert list(csv.DictReader(io.StringIO(out))) == [
        {"recipe": row["recipe"], "n": str(row["n"])} for row in rows
    ]
    _, out, _ = harness("sql", query)
    assert [line.split() for line in out.splitlines()] == [
        ["recipe", "n"],
        ["bm25_rag", "2"],
        ["few_shot", "2"],
    ]


def test_sql_prints_a_line_per_value_where_columns_do_not_fit(harness: Command) -> None:
    _, out, _ = harness("sql", "SELECT * FROM runs ORDER BY id LIMIT 2")
    lines = out.splitlines()
    titles = [number for number, line in enumerate(lines) if line.startswith("row ")]
    assert [lines[number] for number in titles] == ["row 1", "row 2"]
    assert titles[1] - titles[0] == len(lines) - titles[1] > 20
    assert lines[1].split() == ["id", "handbook_qa-bm25_rag-smollm2-135m-instruct-s0-d417d60d"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.10::DECIMAL(5, 2)", 0.1),
        ("-1234567.125::DECIMAL(18, 3)", -1234567.125),
        ("12345678901234567890.123456789::DECIMAL(38, 9)", "12345678901234567890.123456789"),
        ("0.12345678901234567890::DECIMAL(38, 20)", "0.12345678901234567890"),
        ("12345678901234567890123::HUGEINT", 12345678901234567890123),
        ("avg(0.1::DECIMAL(5, 2))", 0.1),
        ("[0.1::DECIMAL(38, 20), 0.12345678901234567890]", [0.1, "0.12345678901234567890"]),
        ("'NaN'::DOUBLE", None),
    ],
)
def test_json_and_csv_keep_every_digit_of_a_decimal(harness: Command, value: str, shown: object) -> None:
    _, out, _ = harness("sql", f"SELECT {value} AS x", "--json")
    (row,) = json.loads(out)["rows"]
    assert row == {"x": shown}
    assert type(row["x"]) is type(shown)
    _, out, _ = harness("sql", f"SELECT {value} AS x", "--csv")
    (cell,) = csv.DictReader(io.StringIO(out))
    assert cell["x"] == ("" if shown is None else str(shown))


def test_a_table_shows_a_large_number_without_an_exponent(harness: Command) -> None:
    _, out, _ = harness("sql", "SELECT 12345678.9::DOUBLE AS a, 0.123456::DOUBLE AS b, 1e20::DOUBLE AS c")
    assert out.splitlines()[1].split() == ["12345679", "0.1235", "1e+20"]


@pytest.mark.parametrize("query", ["", ";", "/* nothing */"])
def test_sql_without_a_statement_is_refused(harness: Command, query: str) -> None:
    code, _, err = harness("sql", query)
    assert (code, "there is no statement" in err) == (2, True)


def test_compare_agrees_with_the_files(harness: Command, results: Path) -> None:
    names = ["support_tickets-lora-smollm2-135m-instruct-s0", "support_tickets-few_shot"]
    _, out, _ = harness("compare", *names, "--json")
    output = json.loads(out)
    values = [
        {row["sample_id"]: row["scores"][0]["value"] for row in read_samples(results / "runs" / output[side])}
        for side in ("first", "second")
    ]
    differences = {name: values[0][name] - values[1][name] for name in values[0]}
    assert output["comparison"]["n"] == 20
    assert output["comparison"]["difference"] == pytest.approx(sum(differences.values()) / 20)
    assert {flip["sample_id"] for flip in output["flips"]} == {name for name, d in differences.items() if d}
    assert output["comparison"]["low"] < output["comparison"]["difference"] < output["comparison"]["high"]
    _, plain, _ = harness("compare", *names)
    assert f"n {output['comparison']['n']}" in " ".join(plain.split())


@pytest.mark.parametrize(("outcome", "revocable"), [("inconclusive", False), ("better", True)])
def test_a_pair_that_decides_nothing_is_not_called_provisional(outcome: Outcome, revocable: bool) -> None:
    """Another seed cannot reverse what was not decided."""
    pair = Comparison(
        recipe="lora", reference="zero_shot", difference=0.1, low=-0.1, high=0.3, p=0.2, p_holm=0.4, n=8,
        outcome=outcome, examples_needed=None, provisional=True,
    )  # fmt: skip
    assert ("another seed may reverse it" in run_comparison._sentence(pair, "exact")) == revocable


def test_db_rebuild_and_export(harness: Command, results: Path, tmp_path: Path) -> None:
    (results / "harness.duckdb").unlink(missing_ok=True)
    _, out, _ = harness("db", "rebuild", "--json")
    assert json.loads(out) == {"runs": 18, "problems": []}
    _, out, _ = harness("db", "export", str(tmp_path / "out"), "--json")
    assert all(Path(file).stat().st_size for file in json.loads(out)["files"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "support_tickets-lara"), "no run 'support_tickets-lara'"),
        (("show", "few_shot"), "runs with it in their id: "),
        (("show", "support_tickets"), "matches 9 runs"),
        (("show", "support_tickets-few", "--example", "nope"), "no example 'nope'"),
        (("compare", "support_tickets-few", "handbook_qa-few"), "the runs differ in task"),
        (("compare", "support_tickets-few", "support_tickets-few"), "cannot be compared with itself"),
        (("sql", "DROP TABLE runs"), "query refused"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(harness: Command, words: tuple[str, ...], says: str) -> None:
    code, out, err = harness(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
