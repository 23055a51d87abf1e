"""What `harness upgrade` refuses before it computes anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.workflows import upgrade as workflow
from tests.conftest import Harness


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if anything runs."""

    def run(*_: object, **__: object) -> None:
        pytest.fail("a side ran before both had been checked")

    monkeypatch.setattr(workflow, "run", run)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "./nowhere"), "nowhere"),
        (("--to", "tiny", "--to-base", "int9"), "int9"),
        (("--to", "openai:m@http://127.0.0.1:9", "--recipes", "lora"), ""),
        (("--to", "./config-only"), "config-only"),
        ((), "both sides are the same"),
        (("--to", "tiny"), "both sides are the same"),
        (("--to-base", "plain"), "both sides are the same"),
    ],
    ids=["no_model", "no_base", "no_server", "no_weights", "nothing_new", "the_same", "the_same_base"],
)
def test_the_new_side_is_checked_before_the_old_one_runs(
    untouched: None, harness: Harness, tiny_task: Path, words: tuple[str, ...], says: str
) -> None:
    Path("config-only").mkdir()
    Path("config-only/config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
    code, out, err = harness("upgrade", str(tiny_task), "--from", "tiny", *words)
    assert (code, out) == (2, ""), err
    assert says in err
    assert err.count("error: ") == 1
    assert not Path("results/runs").exists()


def test_what_trains_is_not_upgraded_to_a_server(untouched: None, harness: Harness, tiny_task: Path) -> None:
    code, _, err = harness(
        "upgrade", str(tiny_task), "--from", "tiny", "--to", "fake", "--recipes", "zero_shot,lora"
    )
    assert code == 2
    assert (
        "lora cannot be run on the model of --to: model 'fake' is behind a server and cannot be trained"
        in err
    )


def test_a_recipe_that_the_task_does_not_allow_is_refused(untouched: None, harness: Harness) -> None:
    Path("mail.csv").write_text(
        "".join(f"m{i},{'ab'[i % 2]}\n" for i in range(-1, 60)).replace("m-1,b", "text,label")
    )
    assert harness("init", "mail.csv")[0] == 0
    code, _, err = harness("upgrade", "mail", "--from", "tiny", "--to", "fake", "--recipes", "bm25_rag")
    assert code == 2
    assert "bm25_rag cannot be run on the model of --from: task 'mail' has no corpus" in err
