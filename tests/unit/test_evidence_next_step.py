"""The next step is one command, chosen by what is open, untried or failing."""

from __future__ import annotations

import dataclasses
import math
import shlex

import pytest

from harness.evidence.command import Invocation
from harness.evidence.families import undecided
from harness.evidence.next_step import NextStep, Situation, after_triage, next_step, weak_fields
from harness.evidence.triage import Probe, Triage, diagnose
from harness.evidence.verdict_types import Comparison, Cost, Family, RecipeSummary
from harness.results.records.run import RunRecord
from harness.results.run_scores import invocation
from harness.workflows.options.run import RunOptions

TRAINED = Cost(train_seconds=60, trainable_parameters=10)


def summary(
    recipe: str, family: Family, failures: dict[str, int] | None = None, **more: object
) -> RecipeSummary:
    plain = RecipeSummary(
        recipe=recipe,
        seeds=1,
        n=100,
        mean=0.5,
        low=0.4,
        high=0.6,
        seed_sd=None,
        valid_strict=1.0,
        valid_extracted=0.25,
        cost=TRAINED if family in ("finetune", "both") else Cost(),
        failures=failures or {},
        rank_by_cost=1,
        family=family,
        run=f"t-{recipe}-s0",
        lessons=120 if family in ("finetune", "both") else 0,
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


PROMPT = summary("few_shot", "prompt", {"malformed": 9, "wrong_value": 2})
RETRIEVE = summary("bm25_rag", "retrieve", {"wrong_value": 9})
TUNED = summary("lora", "finetune", {"wrong_value": 9})


def pair(recipe: str, reference: str, needed: int | None, training_se: float | None = None) -> Comparison:
    return Comparison(
        recipe=recipe, reference=reference, difference=0.01, low=-0.05, high=0.07, p=0.5, p_holm=1.0, n=100,
        outcome="inconclusive", examples_needed=needed, training_se=training_se,
    )  # fmt: skip


def step(best: RecipeSummary, *others: RecipeSummary, **more: object) -> NextStep:
    plain = Situation(
        task="t",
        kind="winner",
        families=undecided("open", "", ()),
        recommended=best,
        ranked=(best, *others),
        invocation=Invocation(
            target="t.yaml", task="t", known=("few_shot", "bm25_rag", "lora"), examples=100
        ),
    )
    return next_step(dataclasses.replace(plain, **more))  # type: ignore[arg-type]


def facts() -> Triage:
    wrong = Probe(scores=(0.0,) * 60, failures=("wrong_value",) * 60)
    right = Probe(scores=(1.0,) * 60, failures=(None,) * 60)
    return diagnose(
        {"closed_book": wrong, "bm25": right, "gold": right},
        targets=[f"a{i}" for i in range(60)],
        train_targets=[],
        groups=[None] * 60,
    )


def test_where_nothing_works_the_base_model_is_diagnosed_and_then_the_task_is_read() -> None:
    advice = step(PROMPT, kind="nothing_works")
    assert advice.command == "harness diagnose t"
    assert "25 % of the answers of few_shot are valid" in advice.evidence[0]
    assert any("token limit" in line and "labels" in line for line in advice.evidence)
    called = step(PROMPT, kind="nothing_works", triage=facts())
    assert called.command == "harness run t.yaml --recipes few_shot,bm25_rag", "what the diagnosis calls for"
    assert step(PROMPT, RETRIEVE, kind="nothing_works", triage=facts()).command == "harness validate t"


def test_a_diagnosis_is_not_asked_for_where_finetunes_have_failed_as_well() -> None:
    """It could only say to finetune."""
    assert step(PROMPT, TUNED, kind="nothing_works").command == "harness validate t"


def test_a_finetune_on_few_of_the_labels_that_does_not_work_is_given_more_of_them() -> None:
    few = summary("lora", "finetune", lessons=100)
    typed = Invocation(target="t", task="t", labels=(100,), limit=20, examples=500, train=2000)
    advice = step(few, PROMPT, kind="nothing_works", invocation=typed)
    assert advice.command == "harness run t --limit 20 --labels 400"
    assert advice.evidence[0].startswith("trained on 100 of 2,000 labels")
    nearly = dataclasses.replace(typed, train=150)
    assert "--labels 150" in step(few, PROMPT, kind="nothing_works", invocation=nearly).command
    everything = dataclasses.replace(typed, train=100)
    assert step(few, kind="nothing_works", invocation=everything).command == "harness validate t"


def test_prompts_that_hardly_lead_the_constant_answer_are_given_a_finetune_before_more_examples() -> None:
    """170 more examples of what gets 1 in 10 right help nobody."""
    lead = pair("few_shot", "constant answer", 160)
    typed = Invocation(
        target="t", task="t", recipes=("zero_shot", "few_shot"), known=("zero_shot", "few_shot"), limit=10,
        labels=(100,), examples=500, train=2000,
    )  # fmt: skip
    unproven = {"kind": "nothing_works", "unproven": True, "over_constant": lead}
    other = summary("zero_shot", "prompt")
    advice = step(PROMPT, other, invocation=typed, **unproven)
    assert advice.command == "harness run t --recipes few_shot,zero_shot,lora --limit 10 --labels 100"
    assert step(PROMPT, TUNED, invocation=typed, **unproven).command.endswith("--limit 260 --labels 100")
    server = dataclasses.replace(typed, trainable=False)
    assert "--limit 260" in step(PROMPT, other, invocation=server, **unproven).command
    unlabeled = dataclasses.replace(typed, train=0)
    assert "--limit 260" in step(PROMPT, other, invocation=unlabeled, **unproven).command


def test_what_was_trained_once_is_trained_again_with_other_seeds() -> None:
    full = summary("full", "finetune")
    advice = step(TUNED, full, kind="inconclusive", open_pairs=[pair("lora", "full", 850)])
    assert advice.command == "harness run t.yaml --seeds 3"
    assert step(TUNED, PROMPT, provisional=True).command == "harness run t.yaml --seeds 3"


def test_what_decides_which_examples_are_asked_is_kept_in_the_next_command() -> None:
    options = RunOptions("t.yaml", tune="12", stop_when_sure=True)
    typed = Invocation(target="t.yaml", task="t", kept=options.kept_words())
    advice = step(TUNED, PROMPT, provisional=True, invocation=typed)
    assert advice.command == "harness run t.yaml --seeds 3 --stop-when-sure --tune 12"


def test_training_noise_that_no_example_settles_asks_for_more_seeds_than_there_were() -> None:
    tuned, full = (summary(name, "finetune", seeds=3) for name in ("lora", "full"))
    open_ = pair("lora", "full", None, training_se=0.03)
    assert "--seeds 5" in step(tuned, full, kind="inconclusive", open_pairs=[open_]).command


def test_more_examples_are_asked_where_there_are_some() -> None:
    other = summary("zero_shot", "prompt")
    open_ = {"kind": "inconclusive", "open_pairs": [pair("few_shot", "zero_shot", 240)]}
    limited = Invocation(target="t", task="t", limit=100, examples=1000)
    advice = step(PROMPT, other, invocation=limited, **open_)
    assert advice.command == "harness run t --limit 340"
    assert advice.evidence[0] == (
        "about 240 more test examples would settle it: 340 with the 100 answered so far"
    )
    short = dataclasses.replace(limited, examples=150)
    advice = step(PROMPT, other, invocation=short, **open_)
    assert advice.command == "harness run t"
    assert "the task has 150: this runs all" in advice.evidence[0]
    near = step(PROMPT, other, invocation=dataclasses.replace(limited, examples=400), **open_)
    assert near.command == "harness run t", "340 of 400 might as well be all"
    none = step(PROMPT, other, invocation=dataclasses.replace(limited, limit=None, examples=100), **open_)
    assert none.command == "harness run t"
    assert "about 240 more test examples would settle it: label that many first" in none.evidence[0]


def test_prompts_alone_are_given_a_finetune_to_be_held_against() -> None:
    advice = step(PROMPT, summary("zero_shot", "prompt"))
    assert advice.command == "harness run t.yaml --recipes few_shot,lora"
    assert advice.evidence[0] == "no finetune was run for comparison"
    assert step(TUNED).command == "harness run t.yaml --recipes lora,zero_shot,few_shot"
    server = Invocation(target="t", task="t", trainable=False)
    assert step(PROMPT, invocation=server).command == "harness export t-few_shot-s0 exported/few_shot"


def test_a_recipe_of_the_users_own_is_named_by_what_the_command_line_knows() -> None:
    mine = summary("house prompt", "prompt", {"malformed": 3})
    assert step(mine).command == "harness run t.yaml --recipes few_shot,lora"


def test_retrieval_that_fails_is_tried_with_finetuning_and_facts_are_not_taught_by_labels() -> None:
    assert step(RETRIEVE, TUNED).command == "harness run t.yaml --recipes bm25_rag,lora,rag_lora"
    assert (
        step(TUNED, PROMPT, triage=facts()).command == "harness run t.yaml --recipes lora,few_shot,bm25_rag"
    )
    advice = step(TUNED, PROMPT, RETRIEVE, triage=facts())
    assert advice.command == "harness run t.yaml --recipes lora,few_shot,bm25_rag,rag_lora"
    assert facts().sentence in advice.evidence


def test_a_triage_of_facts_calls_for_retrieval_beside_a_prompt_and_not_for_labels() -> None:
    assert step(PROMPT, triage=facts()).command == "harness run t.yaml --recipes few_shot,bm25_rag"
    assert step(PROMPT).command == "harness run t.yaml --recipes few_shot,lora"
    both = summary("rag_lora", "both")
    assert "--labels" not in step(TUNED, RETRIEVE, both, triage=facts()).command
    assert "rag_lora" not in step(RETRIEVE, TUNED, triage=facts()).command, "no form or skill is missing"


def test_examples_of_one_group_ask_for_other_groups_and_not_for_seeds() -> None:
    one = dataclasses.replace(pair("few_shot", "lora", None), sampling_se=math.inf)
    asked = Invocation(target="t", task="t", limit=100, examples=1000)
    advice = step(PROMPT, TUNED, kind="no_difference", open_pairs=[one], invocation=asked)
    assert advice.command == "harness run t"
    assert "examples from more groups are needed; this runs all 1,000" in advice.evidence[0]
    advice = step(PROMPT, TUNED, kind="no_difference", open_pairs=[one])
    assert advice.command == "harness run t.yaml"
    assert "add them first" in advice.evidence[0]


def test_a_finetune_that_leads_and_fails_is_held_against_fewer_labels() -> None:
    assert step(TUNED, PROMPT).command == "harness run t.yaml --labels 30,60,120"
    few = dataclasses.replace(TUNED, lessons=12)
    assert step(few, PROMPT).command == "harness export t-lora-s0 exported/lora"


def test_a_task_elsewhere_and_other_options_stay_in_every_command() -> None:
    asked = Invocation(
        target="my tasks/t", task="my tasks/t", models=("tiny",), model="tiny", recipes=("lora", "few_shot"),
        settings=("weights.lora_r=4",), limit=20, results="out here", known=("lora", "few_shot"), examples=20,
    )  # fmt: skip
    more = {"invocation": asked}
    assert shlex.split(step(TUNED, PROMPT, provisional=True, **more).command) == [
        *("harness", "run", "my tasks/t", "--model", "tiny", "--recipes", "lora,few_shot"),
        *("--set", "weights.lora_r=4", "--seeds", "3", "--limit", "20", "--results", "out here"),
    ]
    perfect = summary("lora", "finetune")
    assert shlex.split(step(perfect, PROMPT, **more).command) == [
        *("harness", "export", "t-lora-s0", "exported/lora", "--task", "my tasks/t", "--results", "out here")
    ]
    assert "--model tiny" in step(PROMPT, TUNED, kind="nothing_works", **more).command


def test_nothing_to_mend_is_said_and_the_winner_is_exported() -> None:
    advice = step(summary("lora", "finetune"), PROMPT)
    assert advice == NextStep(
        "harness export t-lora-s0 exported/lora",
        ("lora has no failures to fix",),
    )


@pytest.mark.parametrize(
    ("mode", "asked", "trained"),
    [
        ("truncated", "max_new_tokens", "max_new_tokens"),
        ("malformed", "constrained", "train longer"),
        ("refused", "instructions", "training answers"),
        ("copied_from_shot", "other examples", "without examples"),
        ("unsupported_by_passages", "passages", "passages"),
        ("wrong_value", "content", "labels"),
        ("wrong_fields", "finetuning", "labels"),
        ("no_stop", "where to stop", "end token"),
        ("repeats_itself", "where to stop", "train longer"),
        ("dressed_up", "constrained", "constrain"),
    ],
)
def test_the_commonest_failure_comes_with_its_remedy(mode: str, asked: str, trained: str) -> None:
    failures = {mode: 30, "other": 2}
    first = step(summary("few_shot", "prompt", failures), TUNED).evidence[0]
    second = step(summary("lora", "finetune", failures), PROMPT).evidence[0]
    assert first.startswith(f"30 of 32 failures of few_shot are {mode} (")
    assert asked in first
    assert trained in second


def test_the_weak_field_is_named_instead_of_wrong_value() -> None:
    fields = {"priority": 0.41, "queue": 0.85, "action": 0.93}
    weak = "priority is right in 41 %, everything else in 85 % or more"
    assert weak_fields(fields) == weak
    advice = step(dataclasses.replace(TUNED, fields=fields), PROMPT)
    assert advice.evidence[0] == f"lora: {weak}"
    assert weak_fields({"a": 0.5, "b": 0.52, "c": 0.55, "d": 0.58}).startswith("right least often: a 50 %")
    assert weak_fields({"a": 1.0, "b": 1.0}) == ""
    assert weak_fields({"a": 0.1}) == ""
    assert weak_fields({"a": 0.4, "b": 1.0}) == "a is right in 40 %, everything else in every answer"
    assert weak_fields({"a": 0.4, "b": 0.996}) == "a is right in 40 %, everything else in 99 % or more"


def test_what_a_triage_expects_to_be_worth_trying_is_one_command() -> None:
    asked = Invocation(target="t", task="t")
    assert after_triage(facts(), asked).command.startswith("harness run t --recipes zero_shot,")
    assert "bm25_rag" in after_triage(facts(), asked).command
    server = dataclasses.replace(asked, trainable=False)
    assert "lora" not in after_triage(facts(), server).command
    assert "bm25_rag" not in after_triage(facts(), asked, without=("bm25_rag",)).command


def test_a_diagnosis_does_not_call_for_what_was_run() -> None:
    asked = Invocation(target="t", task="t")
    advice = after_triage(facts(), asked, done=("zero_shot", "few_shot"))
    assert advice.command == "harness run t --recipes zero_shot,few_shot,bm25_rag"
    advice = after_triage(facts(), asked, done=("zero_shot", "bm25_rag"))
    assert advice.command == "harness validate t"
    assert advice.evidence[0] == "what the probes call for has been run already: bm25_rag"


FAMILIES: dict[str, Family] = {
    "zero_shot": "prompt",
    "few_shot": "prompt",
    "bm25_rag": "retrieve",
    "lora": "finetune",
    "rag_lora": "both",
}


@pytest.mark.parametrize("kind", ["winner", "tie", "no_difference", "inconclusive", "nothing_works"])
@pytest.mark.parametrize("leads", [*FAMILIES])
@pytest.mark.parametrize("diagnosed", [False, True])
@pytest.mark.parametrize("start", [("zero_shot",), ("lora",), ("zero_shot", "few_shot", "bm25_rag", "lora")])
def test_following_the_next_steps_ends(
    kind: str, leads: str, diagnosed: bool, start: tuple[str, ...]
) -> None:
    """Each command is read and obeyed while the verdict stays as unsettled as it is, and `leads` leads where it was
    run: what comes is always something new, until an end is reached."""
    words: dict[str, str] = {"--recipes": ",".join(start), "--limit": "100"}
    typed = f"harness run t --recipes {words['--recipes']} --limit 100"
    triage = facts() if diagnosed else None
    commands = [typed]
    for _ in range(30):
        command, triage = _obeyed(commands[-1], words, kind, leads, triage)
        if command.split(" ")[1] in ("export", "validate") or command == commands[-1]:
            return
        assert command not in commands, f"a circle: {[*commands, command]}"
        commands.append(command)
    raise AssertionError(f"no end: {commands}")


def _obeyed(
    command: str, words: dict[str, str], kind: str, leads: str, triage: Triage | None
) -> tuple[str, Triage | None]:
    """What is next after `command`, and the triage that is known by then; `words` are the options of the last run."""
    verb, *rest = shlex.split(command)[1:]
    if verb == "diagnose":
        asked = Invocation(target="t", task="t")
        return after_triage(facts(), asked, done=words["--recipes"].split(",")).command, facts()
    words.clear()
    words.update(zip(rest[1::2], rest[2::2], strict=True))
    seeds, limit = int(words.get("--seeds", 1)), int(words.get("--limit", 1000))
    names = words["--recipes"].split(",")
    rows = [
        summary(name, FAMILIES[name], {"wrong_value": 9}, n=limit, seeds=seeds)
        for name in sorted(names, key=lambda name: name != leads)
    ]
    unsettled = kind in ("no_difference", "inconclusive")
    open_ = [dataclasses.replace(pair(rows[0].recipe, row.recipe, 50), n=limit) for row in rows[1:]]
    following = step(
        rows[0], *rows[1:], kind=kind if len(rows) > 1 else "nothing_to_compare", triage=triage,
        provisional=seeds < 3, open_pairs=open_ if unsettled else (),
        invocation=Invocation(
            target="t", task="t", recipes=tuple(names), seeds=seeds if "--seeds" in words else None,
            limit=limit if limit < 1000 else None, examples=1000, known=tuple(FAMILIES),
            labels=tuple(map(int, words["--labels"].split(","))) if "--labels" in words else (),
        ),
    )  # fmt: skip
    return following.command, triage


def test_a_run_of_before_commands_were_recorded_is_asked_by_the_name_of_its_task() -> None:
    old = RunRecord.of({"task": {"name": "tickets"}})
    assert invocation(old, "results").run() == "harness run tickets"
    asked = Invocation(target="demo.yaml", task="tickets", limit=80, examples=200)
    assert invocation(old.changed(invocation=asked.to_json()), "out") == dataclasses.replace(
        asked, results="out"
    )
