"""A model that writes instructions: given the task, labeled examples and what went wrong, it proposes better
ones.

Sources: Zhou et al. 2022, Large Language Models Are Human-Level Prompt Engineers, https://arxiv.org/abs/2211.01910;
failures in the request: Pryzant et al. 2023, Automatic Prompt Optimization, https://arxiv.org/abs/2305.03495.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import thoughts
from harness.core.errors import EngineError, RunError
from harness.core.protocols import Engine
from harness.core.secrets import beginning
from harness.core.values import Completion, Message, Request

LONGEST = 4_000
"""Characters of the longest instruction that is accepted."""
SHOWN = 400
"""Characters of an example's question or answer that the proposer is shown."""
ANSWER_TOKENS = 300
TRIES = 3
TEMPERATURE = 0.7
_STYLES = (
    "Be concise.",
    "Name every possible answer, and how it is written.",
    "Give the steps to decide, but ask for the answer alone.",
    "Warn of the mistakes shown above.",
)
"""What each proposal in turn is asked to do, so that they differ."""


class RubbishError(RunError):
    """The proposer's answers cannot serve as instructions."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An example that the best prompt so far got wrong."""

    question: str
    expected: str
    answered: str


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """A proposer's input."""

    instructions: str
    """The best so far."""
    form: str
    """How an answer is written, in words."""
    examples: Sequence[tuple[str, str]]
    """Questions of train with their answers."""
    failures: Sequence[Failure] = ()
    score: float | None = None
    """The score of `instructions` on dev; None: not known."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What asking a model took."""

    seconds: float
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Instructions as plain text, and what asking for them cost."""

    text: str
    cost: Cost


@dataclass(frozen=True)
class Proposer:
    """Asks `engine`, the model `spec`."""

    spec: str
    engine: Engine

    def propose(self, briefing: Briefing, number: int) -> Proposal:
        """The `number`-th proposal, counted from 1; the same number gives the same proposal if the engine is
        deterministic.

        Raises:
            RubbishError: none of a few answers can serve as instructions.
            EngineError: the model does not answer.
        """
        clock, tokens_in, tokens_out, fault = time.monotonic(), 0, 0, ""
        for attempt in range(TRIES):
            completion = self._ask(briefing, number, attempt)
            tokens_in, tokens_out = tokens_in + completion.tokens_in, tokens_out + completion.tokens_out
            text = instruction_in(completion.text)
            fault = complaint(text, briefing, cut_off=completion.finish_reason == "length")
            if not fault:
                seconds = time.monotonic() - clock
                return Proposal(
                    text=text, cost=Cost(seconds=seconds, tokens_in=tokens_in, tokens_out=tokens_out)
                )
        raise RubbishError(f"proposer '{self.spec}' writes no usable instructions in {TRIES} tries: {fault}")

    def _ask(self, briefing: Briefing, number: int, attempt: int) -> Completion:
        request = Request(
            id=f"proposal-{number}-{attempt}",
            messages=(Message("user", asked(briefing, _STYLES[(number - 1) % len(_STYLES)])),),
            max_new_tokens=ANSWER_TOKENS,
            temperature=TEMPERATURE,
            seed=number * TRIES + attempt,
        )
        return self.answer(request)

    def answer(self, request: Request) -> Completion:
        """
        Raises:
            EngineError: the model does not answer.
        """
        for _, completion in self.engine.generate([request]):
            if completion.finish_reason == "error":
                raise EngineError(f"proposer '{self.spec}' does not answer: {completion.error}")
            return completion
        raise EngineError(f"proposer '{self.spec}' does not answer")


def asked(briefing: Briefing, style: str) -> str:
    """The request, as one message: models without a system prompt understand it too."""
    parts = [
        "You write the instructions of another language model. These are its instructions now:",
        _fenced(briefing.instructions or "(none)"),
    ]
    if briefing.score is not None:
        parts.append(f"With them it scores {briefing.score:.2f} of 1.")
    if briefing.form:
        parts.append(f"How its answer must be written:\n{_fenced(briefing.form)}")
    if briefing.examples:
        shown = [
            f"Input: {_short(question)}\nAnswer: {_short(answer)}" for question, answer in briefing.examples
        ]
        parts.append("Right answers:\n" + "\n\n".join(shown))
    if briefing.failures:
        wrong = [
            f"Input: {_short(one.question)}\nIt answered: {_short(one.answered)}\nRight: {_short(one.expected)}"
            for one in briefing.failures
        ]
        parts.append("It got these wrong:\n" + "\n\n".join(wrong))
    parts.append(
        f"Write better instructions for the task in general. Do not copy the inputs above. {style} "
        "Reply with the new instructions between <instructions> and </instructions>, and nothing else."
    )
    return "\n\n".join(parts)


def instruction_in(answer: str) -> str:
    """The instructions in an answer: between the tags, else in a code fence, else the whole answer without a
    heading."""
    text, _ = thoughts.split(answer, thoughts.TAGS)
    if tagged := re.search(r"<instructions?>(.*?)(?:</instructions?>|\Z)", text, re.S | re.I):
        text = tagged[1]
    elif fenced := re.search(r"```\w*\n(.*?)```", text, re.S):
        text = fenced[1]
    text = re.sub(r"\A\s*(?:new |improved |better )?instructions?\s*:\s*", "", text, flags=re.I)
    return text.strip().strip('"').strip()


def complaint(text: str, briefing: Briefing, *, cut_off: bool = False) -> str:
    """Why a text cannot serve as instructions; empty if it can."""
    words = text.split()
    if not text:
        return "an empty answer"
    if cut_off:
        return f"longer than {ANSWER_TOKENS} tokens"
    if len(text) > LONGEST:
        return f"{len(text):,} characters, at most {LONGEST:,} are taken"
    if len(words) < 3 and len(text) < 12:
        return f"too short to be instructions: {text!r}"
    if any(not (char.isprintable() or char in "\n\t") or char == "\ufffd" for char in text):
        return "characters that cannot be printed"
    if len(words) > 20 and len(set(words)) < len(words) / 5:
        return "the same words over and over"
    if text == briefing.instructions.strip():
        return "the instructions that it was given"
    if any(text == answer.strip() for _, answer in briefing.examples):
        return "the answer of an example"
    return ""


def _short(text: str) -> str:
    return beginning(text, SHOWN)


def _fenced(text: str) -> str:
    return f'"""\n{text}\n"""'
