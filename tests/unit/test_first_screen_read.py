"""The first screen as somebody reads it who has never seen the tool: what is the answer, and what is to be done?"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Mapping
from functools import cache

import click
import pytest
import typer
from rich.console import Console

from harness import cli
from harness.evidence.command import Invocation
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import CommonAnswer, Cost, RunScores, Verdict
from harness.evidence.works import CONSTANT
from harness.report.badges import badge
from harness.report.terminal.summary import print_verdict
from tests import screens
from tests.simulate.world import run

TRAINED = Cost(train_seconds=60, trainable_parameters=1_000, prompt_tokens=100)
SHOTS = Cost(prompt_tokens=900)
ANSWERS = (
    "Prompt", "Retrieve", "Finetune", "Retrieve and finetune", "Use ", "No measurable difference", "Nothing works yet",
    "Can't tell yet", "Nothing to compare",
)  # fmt: skip
"""What a headline may begin with: what to do, or that the examples do not say."""
JARGON = re.compile(
    r"\b(p [=<]|p-values?|Holm|Bonferroni|BCa|bootstrap|McNemar|Student|TOST|heteroscedastic|icc|CR2|null hypothesis"
    r"|[Ss]ignifican\w+|[Ii]nconclusive|nan|inf|None)\b"
)


def rates(count: int, right: int, shift: int = 0) -> list[float]:
    """`right` of every 100 examples."""
    return [float((i * 37 + shift) % 100 < right) for i in range(count)]


def world(*runs: RunScores, constant: int | None = None, examples: int = 1_000) -> Verdict:
    floor = None if constant is None else run(CONSTANT, rates(len(runs[0].values), constant, 50))
    asked = Invocation(
        target="tickets",
        task="tickets",
        known=("zero_shot", "few_shot", "lora", "full"),
        examples=examples,
        train=500,
    )
    return decide("tickets", "a model", "exact", 0.02, runs, constant=floor, invocation=asked)


ONE = CommonAnswer(text="1", count=195, n=200, wanted=100)
SCREENS: Mapping[str, Callable[[], Verdict]] = {
    "demo": screens.demo,
    "handbook": screens.handbook,
    "ahead": lambda: world(run("few_shot", rates(200, 30), SHOTS), run("lora", rates(200, 80), TRAINED)),
    "provisional": lambda: world(run("few_shot", rates(200, 30), SHOTS), run("lora", rates(200, 38), TRAINED)),
    "open": lambda: world(run("few_shot", rates(200, 50), SHOTS), run("lora", rates(200, 52, 5), TRAINED), run("zero_shot", rates(200, 0))),
    "level": lambda: world(run("few_shot", rates(4_000, 70), SHOTS), run("lora", rates(4_000, 70), TRAINED), run("zero_shot", rates(4_000, 0))),
    "tie": lambda: world(run("zero_shot", rates(4_000, 70)), run("few_shot", rates(4_000, 70), SHOTS)),
    "no difference": lambda: world(run("zero_shot", rates(100, 50)), run("few_shot", rates(100, 53, 20), SHOTS)),
    "only prompts": lambda: world(run("zero_shot", rates(200, 10)), run("few_shot", rates(200, 80), SHOTS)),
    "nothing works": lambda: world(run("zero_shot", rates(200, 0)), run("few_shot", rates(200, 2), SHOTS)),
    "one answer": lambda: world(
        run("zero_shot", rates(200, 20)),
        RunScores(**{**vars(run("few_shot", rates(200, 50), SHOTS)), "common_answer": ONE}),
        constant=50,
    ),
    "can't tell": lambda: world(run("few_shot", rates(200, 56), SHOTS), run("lora", rates(200, 5), TRAINED), constant=50),
    "one recipe": lambda: world(run("zero_shot", rates(200, 50))),
}  # fmt: skip


@cache
def decided(name: str) -> Verdict:
    return SCREENS[name]()


def screen(verdict: Verdict) -> list[str]:
    stream = io.StringIO()
    print_verdict(verdict, Console(file=stream, width=2_000, color_system=None))
    return [line for line in stream.getvalue().splitlines() if line.strip()]


@pytest.fixture(scope="module")
def commands() -> Mapping[str, click.Command]:
    """The command line's own commands, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", typer.Typer())
        cli.register()
        group = typer.main.get_command(cli.app)
    return dict(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SCREENS)
def test_the_headline_answers_in_plain_words(name: str) -> None:
    verdict = decided(name)
    about, headline, *rest = screen(verdict)
    assert about.count(" · ") == 3
    candidates = [family.replace("_", " ") for family in verdict.families.candidates]
    opens = (
        verdict.families.state == "open"
        and verdict.kind == "inconclusive"
        and verdict.recommended is not None
    )
    assert headline.startswith(ANSWERS) or (opens and all(word[:5] in headline for word in candidates)), (
        headline
    )
    assert not JARGON.search(" ".join([headline, *rest])), "no statistics but intervals"
    assert not JARGON.search(badge(verdict))
    if verdict.recommended is not None:
        assert verdict.recommended in headline or any(f"Use {verdict.recommended}" in line for line in rest)


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_ends_with_one_command_that_runs_and_why(
    name: str, commands: Mapping[str, click.Command]
) -> None:
    lines = screen(decided(name))
    (last,) = [number for number, line in enumerate(lines) if line.startswith("next: ")]
    program, *words = shlex.split(lines[last].removeprefix("next: "))
    assert program == "harness"
    assert commands[words[0]].make_context(words[0], words[1:]) is not None, "the command line reads it"
    reasons = lines[last + 1 :]
    assert reasons, "why"
    assert all(line.startswith("  · ") for line in reasons)


@pytest.mark.parametrize("name", [name for name in SCREENS if name != "one recipe"])
def test_every_bracket_is_explained_and_what_is_open_says_what_to_use_meanwhile(name: str) -> None:
    verdict = decided(name)
    text = " ".join(screen(verdict))
    assert "Brackets show the range in which the value would lie" in text
    assert "A point is a hundredth of the score." in text
    if verdict.kind in ("inconclusive", "no_difference") and verdict.recommended is not None:
        assert f"Use {verdict.recommended} for now." in text or f"{verdict.recommended}, for now." in text
    if verdict.recommended is None:
        assert "use the cheapest" not in text.lower()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("provisional", "another training may reverse a small lead: this trains each 3 times"),
        ("only prompts", "whether retrieval or finetuning does better is not known"),
        ("nothing works", "check the token limit, the prompt and the labels"),
        ("one answer", "gives one answer, “1”, to 195 of 200 questions"),
        ("no difference", "more test examples would settle it"),
        ("level", "is cheaper and not worse than the best finetune, lora"),
    ],
)
def test_each_kind_says_what_its_reader_needs(name: str, words: str) -> None:
    assert words in " ".join(screen(decided(name)))
