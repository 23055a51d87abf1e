"""Every kind of next step is pasted as it stands and run: it ends with exit code 0."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.core.values import Request
from harness.engines.fake import FakeEngine
from harness.evidence.command import Invocation
from harness.evidence.families import undecided
from harness.evidence.next_step import Situation, next_step
from harness.evidence.verdict_types import Comparison, Cost, Family, RecipeSummary, VerdictKind
from harness.runner.cells import plan
from harness.runner.model_pool import ModelPool
from harness.workflows import run
from harness.workflows.options.run import RunOptions
from tests.conftest import write_tiny_task

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module", autouse=True)
def commands() -> None:
    if not cli.app.registered_commands:
        cli.register()


def harness(*words: str, code: int = 0) -> str:
    """What a command prints, called as typed."""
    done = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "40"})
    assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
    return done.stdout


def paste(line: str) -> str:
    """Run a printed line."""
    program, *words = shlex.split(line)
    assert program == "harness"
    return harness(*words, *(["-q"] if words[0] in ("run", "diagnose") else []))


def printed(*words: str) -> str:
    """The one line after "next:" on the terminal, which is the verdict's and the report's too."""
    lines = [line for line in harness(*words, "-q").splitlines() if line.startswith("next: ")]
    assert len(lines) == 1
    line = lines[0].removeprefix("next: ")
    assert json.loads(harness(*words, "--json"))["verdict"]["next_step"] == line
    page = next(Path("reports").glob("*.html"), None)
    assert page is not None
    assert shlex.split(line)[0] == "harness"
    return line


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny task, `colours`, below it."""
    monkeypatch.chdir(tmp_path)
    write_tiny_task(tmp_path)
    return tmp_path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """An engine that is right on the first so many test examples, by whether it is shown examples."""
    right = {"zero_shot": 0, "few_shot": 8}

    def answer(request: Request) -> str:
        split, _, number = request.id.partition("-")
        shown = "few_shot" if len(request.messages) > 2 else "zero_shot"
        known = split == "test" and int(number) < right[shown]
        return COLOURS[(int(number) + (0 if known else 1)) % 3]

    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine(answer))
    return right


def test_nothing_works_then_diagnose_then_validate(workspace: Path, answers: dict[str, int]) -> None:
    answers["few_shot"] = 0
    words = (
        "run",
        "colours",
        "--model",
        "fake",
        "--recipes",
        "zero_shot,few_shot",
        "--results",
        "out of the way",
    )
    line = printed(*words)
    assert line == "harness diagnose colours --model fake --results 'out of the way'"
    triage = [line for line in paste(line).splitlines() if line.startswith("next: ")]
    assert len(triage) == 1
    assert triage[0].startswith("next: harness run colours --model fake --recipes zero_shot,")
    assert "lora" not in triage[0], "a server cannot be trained"
    assert "zero_shot,few_shot,constrained" in triage[0], "what was run stays beside what is new"
    paste(triage[0].removeprefix("next: "))
    line = printed(*words)
    assert line == "harness validate colours"
    paste(line)


def test_more_of_the_examples_that_there_are(workspace: Path, answers: dict[str, int]) -> None:
    answers["few_shot"], answers["zero_shot"] = 6, 5
    words = ("run", "colours", "--model", "fake", "--recipes", "zero_shot,few_shot", "--limit", "6")
    line = printed(*words)
    assert line == "harness run colours --model fake --recipes zero_shot,few_shot", "eight is all there are"
    shown = paste(line)
    assert "Can't tell yet. The best recipe, few_shot, scores 75.0" in shown
    assert f"next: {line}\n" in shown
    assert "label that many first" in shown


def test_a_winner_is_exported(workspace: Path, answers: dict[str, int]) -> None:
    rows = [{"id": f"test-{i}", "input": f"thing {i}", "target": COLOURS[i % 3]} for i in range(40)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (workspace / "colours" / "test.jsonl").write_text(text, encoding="utf-8")
    answers["few_shot"] = 40
    line = printed("run", "colours", "--model", "fake", "--recipes", "zero_shot,few_shot")
    assert line.startswith("harness export colours-few_shot-fake-s0-")
    paste(line)
    assert (workspace / "exported" / "few_shot" / "program.json").is_file()


def summary(recipe: str, family: Family, *, right: bool = False, lessons: int = 0) -> RecipeSummary:
    cost = Cost(train_seconds=60, trainable_parameters=10) if family in ("finetune", "both") else Cost()
    return RecipeSummary(
        recipe=recipe, seeds=1, n=8, mean=0.5, low=0.4, high=0.6, seed_sd=None, valid_strict=1.0,
        valid_extracted=1.0, cost=cost, failures={} if right else {"wrong_value": 4}, rank_by_cost=1,
        family=family, lessons=lessons,
    )  # fmt: skip


FILE = """\
name: mine
task: colours
model: tiny
recipes:
  - zero_shot
  - extends: lora
    weights: {num_train_epochs: 1, dev_examples: 2}
"""
PROMPT, RETRIEVE = summary("zero_shot", "prompt"), summary("bm25_rag", "retrieve")
TUNED = summary("lora", "finetune", lessons=12)
OPEN = Comparison(
    recipe="lora", reference="zero_shot", difference=0.1, low=-0.1, high=0.3, p=0.2, p_holm=0.4, n=8,
    outcome="inconclusive", examples_needed=40,
)  # fmt: skip
MODEL = ("--model", "tiny", "--set", "weights.num_train_epochs=1")


@pytest.mark.parametrize(
    ("words", "best", "others", "kind", "expected"),
    [
        (("mine.yaml",), TUNED, [PROMPT], "inconclusive", "harness run mine.yaml --seeds 3"),
        (("mine.yaml",), PROMPT, [], "winner", "harness run mine.yaml --recipes zero_shot,lora"),
        (("colours", *MODEL), RETRIEVE, [TUNED], "winner",
         "harness run colours --model tiny --recipes bm25_rag,lora,rag_lora"),
        (("mine.yaml",), dataclasses.replace(TUNED, lessons=12), [], "winner",
         "harness run mine.yaml --recipes lora,zero_shot,few_shot"),
        (("mine.yaml",), dataclasses.replace(TUNED, lessons=48), [PROMPT], "winner",
         "harness run mine.yaml --labels 12,24,48"),
    ],
    ids=["seeds", "a finetune", "both", "prompts", "labels"],
)  # fmt: skip
def test_what_trains_is_pasted_too(
    workspace: Path,
    words: tuple[str, ...],
    best: RecipeSummary,
    others: list[RecipeSummary],
    kind: VerdictKind,
    expected: str,
) -> None:
    """The situation is made by hand, the invocation by the command line, and the line is really run."""
    (workspace / "mine.yaml").write_text(FILE, encoding="utf-8")
    if "--labels" in expected:
        rows = [{"id": f"train-{i}", "input": f"thing {i}", "target": COLOURS[i % 3]} for i in range(48)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (workspace / "colours" / "train.jsonl").write_text(text, encoding="utf-8")
    advice = Situation(
        task="colours",
        kind=kind,
        families=undecided("open", "", ()),
        recommended=best,
        ranked=(best, *others),
        invocation=_invocation(words),
        open_pairs=(OPEN,) if kind == "inconclusive" else (),
    )
    line = next_step(advice).command
    assert line == expected
    assert "next: harness " in paste(line)


def _invocation(words: tuple[str, ...]) -> Invocation:
    target, *rest = words
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    models = (options["--model"],) if "--model" in options else ()
    settings = (options["--set"],) if "--set" in options else ()
    recipes = ("zero_shot", "lora") if models else ()
    cells = plan(run.experiment(RunOptions(target, model=models, recipes=recipes, settings=settings)))
    invocation = cells[0].invocation
    assert invocation is not None
    assert invocation.trainable
    return invocation if not models else dataclasses.replace(invocation, recipes=())
