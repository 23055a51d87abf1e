"""`harness run --tune` from the command to the report, with a server that is made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.core.errors import ConfigError, RunError
from harness.core.recipes import load
from harness.core.values import Request
from harness.results import tunings
from harness.results.folder import ResultsFolder
from harness.results.trials import read as read_trials
from harness.search.recipe_file import write_beside
from harness.search.tuning import arms
from harness.search.tuning.labeled import labeled
from harness.tasks.load import load as load_task
from harness.workflows import run, tune
from harness.workflows.options.run import RunOptions
from tests.conftest import Harness, edit_task
from tests.unit.tuning_kit import RULE, answers, asked_of, serve, without_dev


def session(task: Path, tune: str | int = 4, **more: Any) -> run.RunSession:
    options = {"model": "fake", "recipes": "zero_shot", "quiet": True} | more
    done = run.from_options(RunOptions(str(task), tune=tune, **options))
    assert done is not None
    return done


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_tuned_prompt_is_found_written_and_better_on_test(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = serve(monkeypatch)
    done = session(tiny_task)
    assert done.tuning is not None
    (arm,) = done.tuning.arms
    assert (arm.arm, arm.trials, arm.champion, arm.unspent) == ("prompt", 4, True, 0.0)
    assert arm.dev.default is not None
    assert arm.dev.tuned is not None
    assert (arm.dev.default.mean, arm.dev.tuned.mean) == (pytest.approx(1 / 3), 1.0)
    assert arm.test.gain is not None
    assert arm.overfit is not None
    assert arm.test.gain.mean == pytest.approx(1 - 3 / 8)
    assert arm.overfit.mean == pytest.approx((1 - 1 / 3) - (1 - 3 / 8))
    assert arm.overfit.low < arm.overfit.mean < arm.overfit.high
    recipe = yaml.safe_load(Path(arm.recipe_file).read_text())
    assert recipe["program"]["instructions"] == RULE
    assert RULE in arm.prompt_diff
    assert [change.knob for change in arm.changes] == ["program.instructions"]
    assert [summary.recipe for summary in done.verdicts[0].summaries] == [Path(arm.recipe_file).stem]
    assert len(asked_of(engine, "test")) == 2 * (8 + 3), (
        "the default and the champion, each once, and three timed"
    )


def test_the_same_command_asks_nothing_again_and_a_larger_budget_goes_on(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = serve(monkeypatch)
    session(tiny_task)
    engine.asked.clear()
    again = session(tiny_task)
    assert engine.asked == []
    assert again.tuning is not None
    assert again.tuning.arms[0].trials == 4
    assert len(read_trials(Path("results"))) == 4
    more = session(tiny_task, tune=6)
    assert more.tuning is not None
    assert more.tuning.arms[0].trials == 6
    assert len(tunings.read(Path("results"))) == 1


def test_a_recipe_that_was_edited_or_that_another_search_found_is_kept(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**more: Any) -> Path:
        done = session(tiny_task, **more)
        assert done.tuning is not None
        (arm,) = done.tuning.arms
        assert [summary.recipe for summary in done.verdicts[0].summaries] == [Path(arm.recipe_file).stem]
        return Path(arm.recipe_file)

    serve(monkeypatch)
    first = found()
    assert found() == first, "the same search has one file"
    assert found(tune=6) == first
    text = first.read_text("utf-8")
    other = found(limit=2)
    assert other.stem == f"{first.stem}_2"
    assert first.read_text("utf-8") == text
    first.write_text(text.replace(RULE, f"{RULE} Please."), "utf-8")
    assert found(tune=6).stem == f"{first.stem}_3"
    assert "Please." in first.read_text("utf-8")


def test_a_recipe_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half of one would count as edited, and be kept."""
    file = write_beside(load("zero_shot"), tmp_path / "found.yaml", "Found in study s, trial 1 of 2", "s")
    before = file.read_bytes()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        write_beside(load("few_shot"), file, "Found in study s, trial 2 of 2", "s")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("recipes", "settings", "noted"),
    [("few_shot", (), True), ("zero_shot", ("program.constrain=true",), True), ("zero_shot", (), False)],
)
def test_a_prompt_recipe_that_is_not_the_arms_default_is_named(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch, recipes: str, settings: tuple[str, ...], noted: bool
) -> None:
    serve(monkeypatch)
    done = session(tiny_task, tune=1, recipes=recipes, settings=settings)
    assert done.tuning is not None
    notes = [note for note in done.tuning.notes if f"not the program of {recipes}" in note]
    assert bool(notes) == noted


def test_a_killed_search_goes_on_where_it_was(tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = 12

    def dies(request: Request) -> str:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return answers(request)

    serve(monkeypatch, dies)
    with pytest.raises(KeyboardInterrupt):
        session(tiny_task)
    before = [row.number for row in read_trials(Path("results")) if row.state == "complete"]
    done = session(tiny_task)
    assert before == [0]
    assert done.tuning is not None
    (arm,) = done.tuning.arms
    assert (arm.trials, arm.failed) == (4, 0)
    assert len(arm.curve) == 4


def test_the_default_is_the_first_trial_of_every_arm(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch)
    done = session(tiny_task, recipes="zero_shot,bm25_rag", tune=3)
    assert done.tuning is not None
    for arm in done.tuning.arms:
        first = next(row for row in read_trials(Path("results")) if row.study == arm.study)
        assert first.number == 0
        assert arm.dev.default is not None
        assert first.value == arm.dev.default.mean
        assert arm.dev.tuned is not None
        assert arm.dev.tuned.mean >= arm.dev.default.mean
        assert (arm.trials, arm.unspent) == (3, 0.0)


def test_nothing_better_leaves_the_default_as_the_champion(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, lambda request: "red")
    done = session(tiny_task, tune=2)
    assert done.tuning is not None
    (arm,) = done.tuning.arms
    assert (arm.recipe_file, arm.overfit, arm.test.gain) == ("", None, None)
    assert not Path("baselines").exists()
    assert any("--proposer" in note for note in done.tuning.notes)


def test_a_proposer_that_answers_rubbish_is_refused_before_anything_is_spent(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = serve(monkeypatch, lambda request: "red")
    with pytest.raises(
        ConfigError, match=r"proposer 'fake:x' writes no usable instructions in 3 tries.*too short"
    ):
        session(tiny_task, proposer="fake:x")
    assert {request.id.split("-")[0] for request in engine.asked} == {"proposal"}
    assert not read_trials(Path("results"))


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ("0", "must be above 0"),
        ("1e400s", "finite"),
        ("2.5", "whole trials"),
        ("many", "no budget"),
        ("3weeks", "unknown unit"),
        ("2usd", "needs prices"),
        ("1tok", "a budget of 1 token is too small for one trial of 'prompt'"),
    ],
)
def test_a_bad_budget_is_refused_before_anything_is_asked(
    tune: str, message: str, tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = serve(monkeypatch)
    with pytest.raises(ConfigError, match=message):
        session(tiny_task, tune=tune)
    assert engine.asked == []


@pytest.mark.parametrize(
    "more", [{"stop_when_sure": True, "frugal": True}, {"report": Path("taken") / "report.html"}]
)
def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    engine = serve(monkeypatch)
    Path("taken").write_text("a file", "utf-8")
    with pytest.raises(ConfigError, match="leave out one|is no folder"):
        session(tiny_task, **more)
    assert engine.asked == []


def test_an_arm_with_more_recipes_than_trials_is_refused(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="an arm has 2 recipes, and each needs its first trial"):
        session(tiny_task, tune=1, model="tiny", recipes="lora,full")


def test_seconds_that_earlier_trials_show_to_be_too_few_are_refused(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.search.duration_estimate import Estimate
    from harness.search.tuning import affordable

    serve(monkeypatch)
    monkeypatch.setattr(
        affordable, "foreseen", lambda plan, task: Estimate(seconds=60.0, source="by earlier runs")
    )
    with pytest.raises(ConfigError, match=r"10 s is too small for one trial of 'prompt'.*about 60 s"):
        session(tiny_task, tune="10s")


def test_without_dev_a_part_of_train_is_set_aside_and_said(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = serve(monkeypatch)
    done = session(without_dev(tiny_task), tune=2)
    assert done.tuning is not None
    assert "4 of its 12 train examples are set aside" in done.tuning.notes[0]
    assert len(set(asked_of(engine, "train"))) == 4
    short = (tiny_task / "train.jsonl").read_text().splitlines(keepends=True)[:6]
    (tiny_task / "train.jsonl").write_text("".join(short))
    with pytest.raises(ConfigError, match="no dev split, and 6 train examples are too few"):
        session(tiny_task)


def test_tokens_end_an_arm_before_the_trial_that_would_go_over(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch)
    first = session(tiny_task, tune=1, results="one").tuning
    assert first is not None
    each = first.arms[0].tokens
    done = session(tiny_task, tune=f"{int(3.5 * each)}tok", results="more").tuning
    assert done is not None
    (arm,) = done.arms
    assert arm.trials >= 2
    assert 0 <= arm.unspent < 3.5 * each
    assert arm.tokens == pytest.approx(3.5 * each - arm.unspent, abs=1)


def test_demonstrations_come_from_the_labels_that_every_arm_has_and_serve_every_seed(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch)
    done = session(tiny_task, tune=12, labels=[6], seeds=2)
    trials = [row for row in read_trials(Path("results")) if row.state != "duplicate"]
    assert not [row.error for row in trials if "demonstration" in (row.error or "")]
    train = labeled(load_task(str(tiny_task)), load("prompt_opt"), 6, 0).splits["train"]
    allowed = {example.id for example in train}
    runs = ResultsFolder(Path("results"))
    records = [runs.run(row.run_id).record() for row in trials if row.run_id]
    programs = [record.recipe.program for record in records if record is not None]
    shown = {one["id"] for program in programs for one in program.get("demonstrations") or []}
    assert shown
    assert shown <= allowed
    assert [record.status for record in done.outcome.records] == ["done"] * len(done.outcome.records)


def test_prompts_of_the_task_file_are_tried(tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny_task / "rule.md").write_text(f"{RULE}\n")
    edit_task(tiny_task, "instructions:", "prompts: [rule.md, Name a color.]\ninstructions:")
    serve(monkeypatch, lambda request: "" if request.id.startswith("proposal") else answers(request))
    done = session(tiny_task, tune=12)
    assert done.tuning is not None
    values = {row.params["program.instructions"] for row in read_trials(Path("results"))}
    assert values <= {"task", "given 1", "given 2"}
    assert done.tuning.arms[0].dev.tuned is not None
    assert done.tuning.arms[0].dev.tuned.mean == 1.0


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ("[gone.md]", "gone.md: no such file"),
        ("['{{ nothing }}']", "prompts: .*nothing"),
        ("['  ']", "empty prompt"),
    ],
)
def test_a_bad_prompt_of_the_task_file_is_refused_when_the_task_is_read(
    prompts: str, message: str, tiny_task: Path
) -> None:
    edit_task(tiny_task, "instructions:", f"prompts: {prompts}\ninstructions:")
    with pytest.raises(ConfigError, match=message):
        session(tiny_task)


def test_one_task_one_model_and_no_fresh(tiny_task: Path) -> None:
    with pytest.raises(ConfigError, match="there are 2 models"):
        session(tiny_task, model=["fake", "fake:red"])
    with pytest.raises(ConfigError, match="--fresh cannot be combined"):
        session(tiny_task, fresh=True)


def test_the_report_the_terminal_and_json_show_the_tuning(
    tiny_task: Path, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch)
    command = ("run", str(tiny_task), "--model", "fake", "--recipes", "zero_shot,bm25_rag", "--tune", "4")
    code, out, err = harness(*command)
    assert code == 0
    assert "Tuned on dev with 4 trials for each arm" in out
    assert "prompt: trial 0 complete 0.333" in err
    page = Path("reports/colours.html").read_text()
    assert '<section id="tuning"' in page
    assert "Best dev score so far over the budget spent" in page
    assert RULE in page
    code, out, _ = harness(*command, "--json")
    message = json.loads(out)["tuning"]
    assert [arm["arm"] for arm in message["arms"]] == ["prompt", "retrieve"]
    assert message["arms"][0]["test"]["tuned"]["mean"] == 1.0


def test_the_two_stages_compose_in_both_orders(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """BetterTogether: weights trained under the tuned prompt, and a prompt over the tuned weights."""
    serve(monkeypatch)
    stages = {"recipes": "prompt_opt,lora", "together": True, "proposer": "fake:x"}
    done = session(tiny_task, model="tiny", tune=1, limit=3, **stages)
    assert done.tuning is not None
    names = [arm.arm for arm in done.tuning.arms]
    assert names == ["prompt", "finetune", "prompt_then_finetune", "finetune_then_prompt"]
    assert not any(arm.error for arm in done.tuning.arms)
    assert sum(arm.champion for arm in done.tuning.arms) == 2, "one for each family"
    studies = {row.study: row for row in read_trials(Path("results"))}
    merged = json.loads(
        Path("results/runs", str(studies[done.tuning.arms[3].study].run_id), "run.json").read_text()
    )
    trained = str(studies[done.tuning.arms[1].study].run_id)
    assert [Path(run).name for run in merged["recipe"]["base"]["runs"]] == [trained]


def test_an_order_that_fails_is_in_the_record(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    serve(monkeypatch)
    search = tune.ArmSearch.run

    def run_or_fail(self: tune.ArmSearch) -> tune.ArmResult:
        if self.arm.name == "prompt_then_finetune":
            raise RunError("no trial succeeded")
        return search(self)

    monkeypatch.setattr(tune.ArmSearch, "run", run_or_fail)
    monkeypatch.setattr(arms, "composed", lambda *_: [first_order])
    first_order = arms.Arm(name="prompt_then_finetune", family="finetune", starts=(load("lora"),))
    done = session(tiny_task, model="tiny", tune=1, limit=3, recipes="prompt_opt,lora", together=True)
    assert done.tuning is not None
    errors = {arm.arm: arm.error for arm in done.tuning.arms}
    assert errors == {"prompt": None, "finetune": None, "prompt_then_finetune": "no trial succeeded"}


def test_together_needs_both_stages(tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch)
    with pytest.raises(ConfigError, match="one of them is missing"):
        session(tiny_task, together=True)
