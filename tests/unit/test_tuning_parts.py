"""Parts of tuning: budgets, proposals, spaces with names, the searched prompt, recall first, and intervals."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.recipes import Recipe
from harness.evidence import families
from harness.evidence.cost import Prices
from harness.methods.programs.prompt_opt import Demonstration, PromptOpt
from harness.results.records.run import RunRecord
from harness.results.records.tuning import Interval
from harness.search.shared_base_pool import SearchWorkbench
from harness.search.trial import PrunedError
from harness.search.tuning import arms, outcome, prompts, retrieval
from harness.search.tuning.arms import Setting
from harness.search.tuning.budget import parsed
from harness.search.tuning.proposer import Briefing, asked, complaint, instruction_in
from harness.search.tuning.search_arm import ArmSearch
from harness.tasks.load import load, without_test
from tests.contract.test_programs import task as made_up
from tests.unit import search_kit
from tests.unit.tuning_kit import RULE

BRIEFING = Briefing(instructions="Say the color.", form="", examples=[("thing 1", "green")])


@pytest.mark.parametrize(
    ("text", "amount", "currency", "words"),
    [
        (12, 12, "trials", "12 trials"),
        ("1", 1, "trials", "1 trial"),
        ("600s", 600, "seconds", "10.0 min"),
        ("30min", 1800, "seconds", "30.0 min"),
        ("2h", 7200, "seconds", "2.0 h"),
        ("200_000tok", 200_000, "tokens", "200,000 tokens"),
        ("2.50 EUR", 2.5, "money", "2.50 EUR"),
    ],
)
def test_a_budget_is_read_in_the_unit_that_it_names(
    text: str | int, amount: float, currency: str, words: str
) -> None:
    budget = parsed(text, Prices(gpu_hour=1.0, currency="EUR"))
    assert (budget.amount, budget.currency, budget.words) == (amount, currency, words)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<instructions>\nSay it in one word.\n</instructions>", "Say it in one word."),
        ("Sure!\n```text\nSay it in one word.\n```\nGood luck", "Say it in one word."),
        ('Improved instructions: "Say it in one word."', "Say it in one word."),
        ("<think>hm</think>Say it in one word.", "Say it in one word."),
    ],
)
def test_instructions_are_taken_out_of_what_a_model_writes_around_them(answer: str, text: str) -> None:
    assert instruction_in(answer) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("red", "too short"),
        ("green", "too short"),
        ("Say the color.", "that it was given"),
        ("word " * 40, "over and over"),
        ("x " * 3000, "characters"),
        ("Say the \x1b[31m color", "cannot be printed"),
    ],
)
def test_rubbish_is_told_from_instructions(text: str, reason: str) -> None:
    assert reason in complaint(text.strip(), BRIEFING)
    assert complaint(RULE, BRIEFING) == ""
    assert complaint("说出每个东西的颜色,只用一个词回答。", BRIEFING) == ""
    assert "longer than" in complaint(RULE, BRIEFING, cut_off=True)


def test_a_proposer_is_told_the_task_its_examples_and_its_failures() -> None:
    from harness.search.tuning.proposer import Failure

    failure = Failure(question="thing 7", expected="blue", answered="re" + "d" * 900)
    text = asked(replace(BRIEFING, failures=[failure], score=0.25, form="One label."), "Be concise.")
    assert all(
        part in text for part in ("Say the color.", "thing 1", "thing 7", "blue", "0.25", "One label.")
    )
    assert "d" * 500 not in text, "long answers are cut"


def test_a_searched_prompt_shows_its_text_and_the_models_own_answers() -> None:
    it = made_up()
    shown = (Demonstration(id="train3", answer="Red, I think"), Demonstration(id="train1"))
    program = PromptOpt(
        instructions="Look at {{ question }}.", hint="One word, {{ raw }}.", demonstrations=shown
    )
    prompt = program.prepare(it, it.splits["train"], 0)(it.splits["test"][0])
    assert prompt.messages[0].content == "Look at what colour is thing test0.\n\nOne word, {{ raw }}."
    assert [message.content for message in prompt.messages[2::2]] == ["Red, I think", "answer-of-train1"]
    assert prompt.shots == ("train3", "train1")
    own = program.prepare(it, it.splits["train"], 0)(it.splits["train"][3])
    assert own.shots == ("train1",)


def test_a_searched_prompt_with_nothing_set_is_the_plain_prompt() -> None:
    it = made_up()
    plain, unset = (build("programs", kind).prepare(it, (), 0) for kind in ("zero_shot", "prompt_opt"))
    assert [plain(e) for e in it.splits["test"]] == [unset(e) for e in it.splits["test"]]
    assert not recipes.load("prompt_opt").learns
    assert replace(recipes.load("prompt_opt"), program=PromptOpt(nearest=2)).learns


def test_a_demonstration_that_is_gone_is_named() -> None:
    it = made_up()
    program = PromptOpt(demonstrations=(Demonstration(id="lost"),))
    with pytest.raises(ConfigError, match=r"'lost' is not among the 20 train examples"):
        program.prepare(it, it.splits["train"], 0)
    with pytest.raises(ConfigError, match="not both"):
        PromptOpt(nearest=2, demonstrations=(Demonstration(id="train1"),))


def test_every_name_in_the_prompt_space_builds_a_recipe(tiny_task: Path) -> None:
    task = without_test(load(tiny_task))
    space = prompts.prompt_space(recipes.load("prompt_opt"), task, "fake", proposes=False)
    assert {d.name.rpartition(".")[2] for d in space.free} == {
        "instructions" if task.prompts else "hint", "hint", "nearest", "demonstrations", "constrain",
    }  # fmt: skip
    for dimension in space.free:
        for choice in dimension.choices:
            if prompts.BOOTSTRAPPED not in str(choice):
                recipe = space.apply({**space.defaults(), dimension.name: choice})
                assert recipes.from_config(json.loads(json.dumps(recipe.config())), name="x").program
    assert space.apply(space.defaults()).identity() == recipes.load("prompt_opt").identity()
    assert "- red\n- green\n- blue" in str(space.apply({**space.defaults(), prompts.HINT: "form"}).config())
    nearest = space.apply(
        {**space.defaults(), prompts.NEAREST: 4, prompts.DEMONSTRATIONS: "4 labeled, seed 1"}
    )
    assert nearest.program == PromptOpt(nearest=4), "demonstrations rest where the nearest are shown"


def test_a_knob_of_a_retriever_varies_under_every_kind_that_has_it() -> None:
    space = retrieval.retrieval_space(recipes.load("bm25_rag"), [recipes.load("dense_rag")])
    own, other = (
        space.apply({**space.defaults(), "program.retriever": kind, "program.retriever.chunk_size": 50})
        for kind in ("bm25", "dense")
    )
    for recipe, kind in ((own, "bm25"), (other, "dense")):
        retriever = recipe.program.config()["retriever"]
        assert isinstance(retriever, dict)
        assert (retriever["kind"], retriever["chunk_size"]) == (kind, 50)
    assert "k1" not in str(other.config())
    assert {"program.k", "program.passages", "program.retriever.b"} <= {d.name for d in space.free}


def test_a_rerankers_recipe_and_a_whole_corpus_join_the_retrieval_arm(tiny_task: Path) -> None:
    named = [recipes.load(name) for name in ("stuffed", "bm25_rag", "reranked")]
    (arm,), _ = arms.arms(load(tiny_task), "fake", named, is_default=False)
    assert [start.name for start in arm.starts] == ["bm25_rag", "stuffed"]
    space = retrieval.retrieval_space(arm.starts[0], arm.others)
    assert next(d for d in space.free if d.name == retrieval.RETRIEVER).choices == ("bm25", "reranked")


def test_an_upper_bound_is_no_arm(tiny_task: Path) -> None:
    with pytest.raises(ConfigError, match="upper bound"):
        arms.arms(load(tiny_task), "fake", [recipes.load("gold_context")], is_default=False)


@dataclass
class Metered(search_kit.Fake):
    """A trial of 110 tokens whose score is k / 10."""

    def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
        return search_kit.record(int(str(recipe.program.config()["k"])) / 10, 1.0).changed(
            train={"tokens": 50}
        )


def searched(task: Path, results: Path, tune: str, recipe: str = "bm25_rag") -> Any:
    known = without_test(load(task))
    setting = Setting(
        target=str(task),
        task=known,
        dev_cut=False,
        model="fake",
        fingerprint="fake",
        proposes=False,
        results=results,
    )
    budget = parsed(tune, None)
    (arm,), _ = arms.arms(known, "fake", [recipes.load(recipe)], is_default=False)
    return ArmSearch(
        arm=arm,
        plans=arms.studies(arm, setting, budget),
        budget=budget,
        task=known,
        workbench=SearchWorkbench(None),
        make=lambda plan, task, pool: Metered(plan),
    ).run()


def test_an_arm_never_starts_a_trial_that_its_budget_does_not_pay_for(
    tiny_task: Path, tmp_path: Path
) -> None:
    # Recall is 0 here for every k, so nothing is pruned: 110 tokens a trial, 350 pay for three.
    corpus = tiny_task / "corpus"
    for file in corpus.iterdir():
        file.write_text("nothing in common")
    result = searched(tiny_task, tmp_path / "r", "350tok")
    assert (result.spent.trials, result.spent.tokens) == (3, 330)
    assert result.first.number == 0
    assert result.default.config()["program"]["k"] == 3
    assert (result.best.value or 0) >= 0.3


def test_a_configuration_that_finds_less_with_as_many_passages_is_not_asked(
    tiny_task: Path, tmp_path: Path
) -> None:
    asked: list[int] = []

    class Counting(Metered):
        def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
            asked.append(trial.number)
            return super().__call__(recipe, trial)

    task = without_test(load(tiny_task))
    recalls = {1: 0.2, 2: 0.1, 3: 0.5, 5: 0.4, 8: 0.9}

    class Trial:
        def __init__(self, number: int) -> None:
            self.number, self.user_attrs, self.study = number, dict[str, Any](), self
            self.state = type("State", (), {"name": "COMPLETE"})

        def set_user_attr(self, name: str, value: object) -> None:
            self.user_attrs[name] = value

        def get_trials(self, *, deepcopy: bool) -> list[Trial]:
            return done

    done: list[Trial] = []
    first = retrieval.RecallFirst(evaluate=Counting(plan=None), task=task)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "recall_on_dev", lambda task, program: recalls[program.config()["k"]])
        for number, k in enumerate((3, 5, 8, 1, 2)):
            trial = Trial(number)
            recipe = replace(recipes.load("bm25_rag"), program=build("programs", {"kind": "rag", "k": k}))
            with contextlib.suppress(PrunedError):
                first(recipe, trial)  # type: ignore[arg-type]
                done.append(trial)
    assert asked == [0, 2, 3], "5 finds less than 3 did, and 2 less than 1"


def test_recall_on_dev_is_of_the_passages_that_would_be_shown(tiny_task: Path) -> None:
    task = without_test(load(tiny_task))
    all_of_them = build("programs", {"kind": "rag", "k": 12})
    assert retrieval.recall_on_dev(task, all_of_them) == 1.0
    assert retrieval.recall_on_dev(task, build("programs", "zero_shot")) is None


def test_a_prompt_over_trained_weights_is_a_finetune() -> None:
    config = {"base": {"kind": "merge", "runs": ["results/runs/x"]}, "program": {"kind": "prompt_opt"}}
    assert families.of_recipe(config) == "finetune"
    assert families.of_recipe({**config, "base": {"kind": "plain"}}) == "prompt"


def test_overfit_is_the_difference_of_two_independent_gains() -> None:
    # Normal intervals of half-widths 0.06 and 0.08: the difference has one of 0.1.
    dev, test = Interval(mean=0.3, low=0.24, high=0.36, n=40), Interval(mean=0.1, low=0.02, high=0.18, n=80)
    found = outcome.overfit(dev, test)
    assert found is not None
    assert dataclasses.astuple(found) == pytest.approx((0.2, 0.1, 0.3, 40))
    assert outcome.overfit(dev, None) is None


def test_changes_are_named_as_the_recipe_file_has_them() -> None:
    lora = recipes.load("lora")
    tuned = replace(lora, weights=(lora.weights[0].replace(learning_rate=0.5),))
    (change,) = outcome.changes(lora, tuned)
    assert (change.knob, change.after) == ("weights.learning_rate", 0.5)
    assert outcome.changes(lora, lora) == ()
