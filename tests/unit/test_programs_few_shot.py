"""Which examples are shown, in which order, and that prompts share all they can."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.values import Example
from harness.methods.retrieval._lucene import LuceneBm25
from harness.methods.retrieval._words import words
from harness.tasks.formats.json_schema import JsonSchema
from tests.contract.test_programs import example, task

TOPICS = {
    "boat": "the boat sails past the harbour wall",
    "bread": "the bread rises in a warm kitchen",
    "harbour": "a harbour wall keeps storm waves away",
    "violin": "the violin needs four new strings",
    "storm": "storm waves broke the wall at night",
}


def pool() -> tuple[Example, ...]:
    return tuple(example(name, question=text) for name, text in TOPICS.items())


def few_shot(**settings: Any) -> Any:
    return build("programs", {"kind": "few_shot", **settings})


def test_nearest_are_bm25s_best_with_the_closest_last() -> None:
    asked = example("x", question="which wall did the storm waves break")
    prompt = few_shot(k=3, choose="nearest").prepare(task(), pool(), 0)(asked)
    ordered = sorted(pool(), key=lambda shot: shot.id)
    texts = [words(f"Q: {shot.input['question']}", keep_stop_words=False) for shot in ordered]
    query = words(f"Q: {asked.input['question']}", keep_stop_words=False)
    scores = LuceneBm25(texts).get_scores(query)
    best = sorted(range(len(ordered)), key=lambda i: -scores[i])[:3]
    assert list(prompt.shots) == [ordered[i].id for i in reversed(best)]
    assert prompt.shots[-1] == "storm"


def test_nearest_does_not_depend_on_the_pools_order() -> None:
    program = few_shot(k=3, choose="nearest")
    asked = example("x", question="what does a boat do")
    forward = program.prepare(task(), pool(), 0)(asked)
    backward = program.prepare(task(), pool()[::-1], 1)(asked)
    assert forward == backward


def test_a_long_example_is_found_as_one() -> None:
    long = example("long", question="filler " * 3000 + "walrus")
    prompt = few_shot(k=1, choose="nearest").prepare(task(), (*pool(), long), 0)(
        example("x", question="walrus")
    )
    assert prompt.shots == ("long",)


@pytest.mark.parametrize("choose", ["first", "random", "nearest"])
@pytest.mark.parametrize("k", [1, 4, 8])
def test_k_different_shots_or_all_that_there_are(choose: str, k: int) -> None:
    program = few_shot(k=k, choose=choose)
    outsider = program.prepare(task(), pool(), 0)(example("x"))
    insider = program.prepare(task(), pool(), 0)(pool()[0])
    assert len(set(outsider.shots)) == len(outsider.shots) == min(k, 5)
    assert len(set(insider.shots)) == len(insider.shots) == min(k, 4)


@pytest.mark.parametrize("choose", ["first", "random"])
def test_all_questions_share_everything_before_their_own(choose: str) -> None:
    it = task()
    ask = few_shot(k=8, choose=choose).prepare(it, it.splits["train"], 5)
    starts = {ask(asked).messages[:-1] for asked in it.splits["test"]}
    assert len(starts) == 1
    assert len(starts.pop()) == 1 + 2 * 8


def test_first_keeps_the_pools_order() -> None:
    shown = few_shot(k=2, choose="first").prepare(task(), pool(), 9)(example("x")).shots
    assert shown == ("boat", "bread")


def test_shots_answer_in_the_tasks_format() -> None:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}}
    it = task(format=JsonSchema(schema=schema))
    shot = Example(id="s", input={"question": "sky"}, target={"colour": "blue"})
    messages = few_shot(k=1).prepare(it, (shot,), 0)(example("x")).messages
    assert messages[2].content == it.format.render({"colour": "blue"})
    assert messages[1].content == "Q: sky"
