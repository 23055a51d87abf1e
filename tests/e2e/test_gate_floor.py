"""`gate --aa`, failed runs, and what cannot be moved: through the command, with tiny models."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.values import Request
from harness.engines.fake import FakeEngine
from harness.results import pins
from tests.conftest import Harness

COLOURS = ("red", "green", "blue")
TRAIN = ("--set", "weights.num_train_epochs=1", "--set", "weights.dev_examples=0", "-q")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Request], str]], None]:
    """What the model `fake` answers from now on."""

    def use(answer: Callable[[Request], str]) -> None:
        monkeypatch.setattr("harness.engines.fake.FakeEngine", lambda *_: FakeEngine(answer))

    return use


def _right(request: Request) -> str:
    return COLOURS[int(request.id.rpartition("-")[2]) % 3]


def _run(harness: Harness, task: Path, *words: str) -> str:
    code, out, err = harness("run", str(task), "--report", "r.html", "--json", "-q", *words)
    assert code == 0, err
    return str(json.loads(out)["runs"][0]["id"])


def _pinned(harness: Harness, task: Path) -> str:
    run = _run(harness, task, "--model", "fake", "--recipes", "zero_shot")
    code, _, err = harness("pin", run, "--as", "p", "--allow-dirty")
    assert code == 0, err
    return run


def test_reruns_of_a_deterministic_engine_find_no_floor(
    harness: Harness, answers: Any, tiny_task: Path
) -> None:
    answers(_right)
    run = _pinned(harness, tiny_task)
    _, out, _ = harness("gate", run, "--against", "p", "--task", str(tiny_task), "--aa", "2", "--json")
    assert json.loads(out)["flaky"] == []
    (file,) = Path("results/noise").glob("*.json")
    floor = json.loads(file.read_text())
    assert (floor["deterministic"], floor["variance"], floor["repeats"]) == (True, 0.0, 2)
    assert floor["means"] == [1.0, 1.0, 1.0]


def test_an_engine_that_changes_its_mind_is_caught_and_its_example_named(
    harness: Harness, answers: Any, tiny_task: Path
) -> None:
    answers(_right)
    run = _pinned(harness, tiny_task)
    answers(lambda request: "purple" if request.id == "test-3" else _right(request))
    words = ("gate", run, "--against", "p", "--task", str(tiny_task))
    before = json.loads(harness(*words, "--json")[1])
    after = json.loads(harness(*words, "--aa", "2", "--json")[1])
    assert (before["flaky"], after["flaky"]) == ([], ["test-3"])
    floor = pins.of_run(Path("results"), run).noise
    assert floor is not None
    assert floor.deterministic is False
    assert [item.id for item in floor.flaky] == ["test-3"]
    assert floor.variance > 0
    # The same pair, now known to be noisy: the primary's interval is wider, so the gate uses the floor.
    assert after["checks"][0]["low"] < before["checks"][0]["low"]
    harness("pin", run, "--as", "noisy", "--allow-dirty")
    assert pins.read("noisy").noise == floor


def test_other_seeds_are_trained_for_the_floor(harness: Harness, tiny_task: Path) -> None:
    run = _run(harness, tiny_task, "--model", "tiny", "--recipes", "lora", *TRAIN[:-1])
    harness("pin", run, "--as", "p", "--allow-dirty")
    code, _, err = harness("gate", run, "--against", "p", "--task", str(tiny_task), "--aa", "1")
    assert code in (0, 4), err
    floor = pins.of_run(Path("results"), run).noise
    assert floor is not None
    assert (floor.seeds, floor.repeats, floor.deterministic) == ((0, 1), 1, True)
    short = run.rpartition("-s0-")[0]
    assert len(list(Path("results/runs").glob(f"{short}-*"))) == 2
    for words in (("show", short), ("gate", short, "--against", "p", "--task", str(tiny_task))):
        code, _, err = harness(*words)
        assert code in (0, 4), "the reruns of our own command make no name ambiguous"
        assert f"using {run}" in err
    _run(harness, tiny_task, "--model", "tiny", "--recipes", "lora", "--seeds", "2", *TRAIN[:-1])
    code, _, err = harness("show", short)
    assert code == 2, "the user has asked for the other seed since"
    assert "matches 2 runs" in err


@pytest.mark.parametrize("how", ["failed", "unfinished"])
def test_a_run_without_a_result_is_an_error_in_junit_and_code_3(
    harness: Harness, answers: Any, tiny_task: Path, how: str
) -> None:
    answers(_right)
    run = _pinned(harness, tiny_task)
    file = Path("results/runs") / run / "run.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"status": "failed", "error": "out of memory \x00<&>"}))
    if how == "unfinished":
        file.unlink()
    code, _, err = harness("gate", run, "--against", "p", "--task", str(tiny_task), "--junit", "gate.xml")
    assert code == 3
    assert run in err
    root = ET.parse("gate.xml").getroot()
    (suite,) = root
    (case,) = suite
    assert (root.tag, suite.tag, case.tag) == ("testsuites", "testsuite", "testcase")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "1",
        "failures": "0",
        "errors": "1",
        "skipped": "0",
    }
    assert case.get("name") == run
    assert [child.tag for child in case] == ["error"]
    assert ("out of memory" if how == "failed" else "did not finish") in str(case[0].get("message"))


def test_an_adapter_that_cannot_move_says_why_and_the_recipes_are_replayed(
    harness: Harness, tiny_task: Path
) -> None:
    words = ("upgrade", str(tiny_task), "--from", "tiny", "--to", "tiny:gpt2", "--recipes", "zero_shot,lora")
    code, out, err = harness(*words, *TRAIN, "--json", "--allow-inconclusive")
    assert code == 0, err
    plain, lora = json.loads(out)["replays"]
    assert (plain["not_moved"], set(plain["scores"])) == ("", {"old", "new"})
    assert set(lora["scores"]) == {"old", "new", "untuned_old", "untuned_new"}
    assert lora["as_is"] is None
    assert "does not fit this base" in lora["not_moved"]
    effects = [lora[name]["change"] for name in ("base_effect", "adaptation_effect", "total")]
    assert effects[0] + effects[1] == pytest.approx(effects[2])


CHOICE = """\
task: sizes
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}} "
doc_to_choice: [big, small]
doc_to_target: gold
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forgetting_is_gated_where_the_task_file_asks_and_is_in_the_comparison(
    harness: Harness, tiny_task: Path
) -> None:
    pytest.importorskip("lm_eval")
    rows = [{"question": f"Is thing {i} big?", "gold": i % 2} for i in range(12)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("sizes.yaml").write_text(CHOICE)
    trained = _run(harness, tiny_task, "--model", "tiny", "--recipes", "lora", *TRAIN[:-1])
    other = _run(harness, tiny_task, "--model", "tiny", "--recipes", "zero_shot")
    harness("pin", trained, "--as", "p", "--allow-dirty")
    words = ("gate", trained, "--against", "p", "--task", str(tiny_task), "--json")
    assert "forgetting.sizes" not in harness(*words)[1]
    with (tiny_task / "task.yaml").open("a") as stream:
        stream.write("gate: {primary: 0.9, forgetting: {sizes: 0.99}}\n")
    code, out, _ = harness(*words)
    assert code == 3
    assert "harness benchmark" in json.loads(out)["checks"][-1]["reason"]
    code, _, err = harness("benchmark", trained, "--tasks", "sizes.yaml", "--allow-task-code", "-q")
    assert code == 0, err
    code, out, _ = harness(*words)
    check = json.loads(out)["checks"][-1]
    assert (code, check["metric"], check["state"], check["n"]) == (0, "forgetting.sizes", "passed", 12)
    compared = json.loads(harness("compare", trained, other, "--json")[1])
    (forgotten,) = compared["forgetting"]
    assert (forgotten["run"], forgotten["task"]) == (trained, "sizes")
    for side in ("before", "after", "change", "low", "high"):
        assert forgotten[side] == check[side]
