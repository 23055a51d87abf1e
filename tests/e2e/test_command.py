"""The command as a user calls it: one process per call, the tiny model, real training."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIX = "zero_shot,few_shot,bm25_rag,lora,qlora,full"
SHORT = ("--set", "weights.num_train_epochs=1", "--set", "weights.dev_examples=4")


def harness(*words: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Call the command; its exit code must be `code`."""
    command = [sys.executable, "-W", "ignore", "-c", "from harness.cli import main; main()", *map(str, words)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture
def six(tiny_task: Path, tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """All six methods on the little task, once."""
    done = harness(
        "run",
        tiny_task,
        "--model",
        "tiny",
        "--recipes",
        SIX,
        *SHORT,
        "--report",
        "r.html",
        "--json",
        cwd=tmp_path,
    )
    return tmp_path, json.loads(done.stdout)


def test_help_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['harness', '--help']\n"
        "from harness.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'duckdb', 'datasets'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_six_methods_from_one_command(six: tuple[Path, dict[str, object]], tiny_task: Path) -> None:
    folder, printed = six
    runs = printed["runs"]
    assert isinstance(runs, list)
    assert {run["recipe"]["name"] for run in runs} == set(SIX.split(","))
    assert {run["status"] for run in runs} == {"done"}
    assert all(run["metrics"]["exact"]["n"] == 8 for run in runs)
    trained = {run["recipe"]["name"]: run["train"] for run in runs if run["train"]}
    assert set(trained) == {"lora", "qlora", "full"}
    assert trained["full"]["trainable_parameters"] > trained["lora"]["trainable_parameters"] > 0
    assert all(check["ok"] for run in runs for check in run["parity"])
    verdict = printed["verdict"]
    assert isinstance(verdict, dict)
    assert verdict["sentence"]
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "zero_shot" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    rows = json.loads(harness("ls", "--json", cwd=folder).stdout)["runs"]
    assert len(rows) == 6
    output = json.loads(harness("sql", "SELECT count(*) AS n FROM samples", "--json", cwd=folder).stdout)
    assert output["rows"] == [{"n": 48}]

    clock = time.monotonic()
    again = harness(
        "run",
        tiny_task,
        "--model",
        "tiny",
        "--recipes",
        SIX,
        *SHORT,
        "--report",
        "r.html",
        "--json",
        cwd=folder,
    )
    repeated = json.loads(again.stdout)
    assert [run["started_at"] for run in repeated["runs"]] == [run["started_at"] for run in runs]
    assert repeated["verdict"] == verdict
    assert time.monotonic() - clock < 120

    before = harness("sql", "SELECT * FROM leaderboard ORDER BY ALL", "--json", cwd=folder).stdout
    harness("db", "rebuild", cwd=folder)
    assert harness("sql", "SELECT * FROM leaderboard ORDER BY ALL", "--json", cwd=folder).stdout == before


def test_a_kill_at_any_moment_loses_nothing(tiny_task: Path, tmp_path: Path) -> None:
    """Killed with SIGKILL at several moments, the same command finishes with the undisturbed result."""
    words = ["run", str(tiny_task), "--model", "tiny", "--recipes", "few_shot,lora", *SHORT, "--json"]
    calm = json.loads(harness(*words, "--results", "calm", cwd=tmp_path).stdout)
    command = [sys.executable, "-W", "ignore", "-c", "from harness.cli import main; main()", *words]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    for seconds in (3.0, 6.0, 9.0):
        process = subprocess.Popen(
            [*command, "--results", "stormy"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    stormy = json.loads(harness(*words, "--results", "stormy", cwd=tmp_path).stdout)
    assert [run["key"] for run in stormy["runs"]] == [run["key"] for run in calm["runs"]]
    assert [run["metrics"] for run in stormy["runs"]] == [run["metrics"] for run in calm["runs"]]


def test_diagnose_probes_dev_only(tiny_task: Path, tmp_path: Path) -> None:
    output = json.loads(harness("diagnose", tiny_task, "--model", "tiny", "--json", cwd=tmp_path).stdout)
    assert output["triage"]["n"] == 6
    asked = json.loads(harness("sql", "SELECT DISTINCT split FROM runs", "--json", cwd=tmp_path).stdout)
    assert asked["rows"] == [{"split": "dev"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "no_such_task", "--model", "tiny"), "no_such_task"),
        (("run", "TASK", "--recipes", "few_shots", "--model", "tiny"), "did you mean 'few_shot'"),
        (("run", "TASK", "--model", "no/such-model", "--recipes", "zero_shot"), "no/such-model"),
        (("run", "TASK", "--model", "tiny", "--labels", "ten"), "whole numbers"),
        (("run", "TASK", "--model", "tiny", "--limit", "0"), "--limit 0"),
        (
            ("run", "TASK", "--model", "tiny", "--recipes", "lora", "--set", "weights.lora_rr=4"),
            "did you mean 'lora_r'",
        ),
        (("run", "nowhere.yaml"), "nowhere.yaml"),
        (("sql", "SELEC 1"), "SELEC"),
        (("show", "nothing"), "nothing"),
    ],
)
def test_bad_input_is_one_clear_line(
    tiny_task: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    named = [str(tiny_task) if word == "TASK" else word for word in words]
    if words[0] in ("sql", "show"):
        harness(
            "run", tiny_task, "--model", "fake", "--recipes", "zero_shot", "--report", "r.html", cwd=tmp_path
        )
    done = harness(*named, cwd=tmp_path, code=2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert "Traceback" not in done.stderr


def test_a_database_held_by_another_process(tiny_task: Path, tmp_path: Path) -> None:
    harness("run", tiny_task, "--model", "fake", "--recipes", "zero_shot", cwd=tmp_path)
    hold = (
        "import duckdb, sys, time\n"
        "held = duckdb.connect('results/harness.duckdb')\n"
        "print('held', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            words = ("run", tiny_task, "--model", "fake", "--recipes", "few_shot")
            assert "nothing is lost" in harness(*words, cwd=tmp_path, code=2).stderr
        finally:
            holder.kill()
    assert harness("ls", "--json", cwd=tmp_path).returncode == 0


def test_a_label_curve_and_prices_reach_the_report(tiny_task: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("{gpu_hour: 2, million_tokens_in: 1, million_tokens_out: 3}")
    words = ("--labels", "4,9", "--prices", "prices.yaml", *SHORT, "--report", "r.html", "--json")
    done = harness(
        "run", tiny_task, "--model", "tiny", "--recipes", "zero_shot,few_shot,lora", *words, cwd=tmp_path
    )
    printed = json.loads(done.stdout)
    assert len(printed["runs"]) == 5
    (bill,) = printed["costs"]
    assert {method["recipe"] for method in bill["methods"]} >= {"zero_shot", "lora (n=4)", "lora (n=9)"}
    assert any("lora (n=9)" in crossover["sentence"] for crossover in bill["break_evens"])
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="labels"' in page
    assert 'id="money"' in page
    bad = tmp_path / "bad.yaml"
    bad.write_text("gpu_our: 2")
    named = harness(
        "run", tiny_task, "--model", "fake", "--recipes", "zero_shot", "--prices", bad, cwd=tmp_path, code=2
    )
    assert "gpu_hour" in named.stderr


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tiny_task: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from harness.runner.model_pool import ModelPool\n"
        "def stop(self, spec): raise KeyboardInterrupt\n"
        "ModelPool.server = stop\n"
        f"sys.argv = ['harness', 'run', {str(tiny_task)!r}, '--model', 'fake', '--recipes', 'zero_shot']\n"
        "from harness.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "run the same command to resume" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_wins_on_labels_dealt_out_at_random(tmp_path: Path) -> None:
    """The control of every comparison: prompting, examples and training on labels that mean nothing."""
    rng = random.Random(0)
    folder = tmp_path / "dealt"
    folder.mkdir()
    for split, count in (("train", 24), ("dev", 6), ("test", 90)):
        labels = ["red", "green", "blue"] * (count // 3)
        rng.shuffle(labels)
        rows = [
            {"id": f"{split}-{i}", "input": f"{split} {rng.random()}", "target": labels[i]}
            for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "task.yaml").write_text(
        "name: dealt\nversion: 1\ninstructions: Say the colour.\n"
        "data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}\n"
        "format: {kind: choice, choices: [red, green, blue]}\n"
        "scorers: [{kind: exact}]\nprimary: exact\nmax_new_tokens: 6\n",
        "utf-8",
    )
    words = ["run", folder, "--model", "tiny", "--recipes", "zero_shot,few_shot,lora"]
    done = harness(*words, "--set", "program.constrain=true", *SHORT, "--json", cwd=tmp_path)
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["kind"] in ("no_difference", "tie", "nothing_works")
    assert verdict["winner"] is None
    assert all(pair["p_holm"] > 0.025 for pair in verdict["comparisons"])
