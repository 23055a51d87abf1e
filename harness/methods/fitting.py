"""Prompts that fit the model's context: shots and passages are dropped until a prompt fits.

This rule lives only here, so that training prompts, evaluation prompts and a teacher's prompts are cut alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core.keys import canonical_json
from harness.core.protocols import Engine, LanguageModel, Prompter
from harness.core.values import Completion, Example, Message, Prompt, Request
from harness.results.context_fit import TOO_LONG


@dataclass(frozen=True, kw_only=True)
class Room:
    """How long a prompt may be. `context` is in tokens, None if it is not known; `answer` is the room that
    must stay free after the prompt; `count` gives a prompt's length in tokens."""

    context: int | None
    answer: int
    count: Callable[[Sequence[Message]], int]

    def fits(self, prompt: Prompt) -> bool:
        return self.context is None or self.count(prompt.messages) + self.answer <= self.context

    def complaint(self, prompt: Prompt) -> str:
        """Why a prompt cannot be asked; empty if it can."""
        if self.fits(prompt):
            return ""
        answer = f" + {self.answer} to answer" if self.answer else ""
        length = self.count(prompt.messages)
        return f"prompt of {length} tokens{answer} {TOO_LONG} of {self.context}"


def room_of_model(model: LanguageModel, max_new_tokens: int, learnt: int = 0) -> Room:
    """The room in a loaded model's context.

    Args:
        learned: tokens of a learned prompt that training will put in front of every prompt.
    """
    from harness.models.architecture import DECODER, of

    # Encoders return a label, and encoder-decoders answer in a separate context.
    answer = max_new_tokens if of(model.network.config) is DECODER else 0
    return Room(
        context=model.context, answer=answer + learnt, count=lambda messages: len(model.chat.encode(messages))
    )


def room_of_engine(engine: Engine, max_new_tokens: int) -> Room:
    """The room that an engine leaves; unlimited if it does not say."""
    return Room(
        context=engine.context,
        answer=max_new_tokens if engine.answers_in_context else 0,
        count=lambda messages: engine.count(Request(id="", messages=tuple(messages))),
    )


def fitted(prompter: Prompter, room: Room) -> Prompter:
    """`prompter`, with as many shots and passages dropped as the room demands, and no more.

    A prompt that does not fit without any comes back without any: `Room.complaint` says so.
    """

    known: dict[str, int] = {}

    def needed(example: Example) -> int:
        whole = prompter(example)
        parts = len(whole.shots) + len(whole.passages)
        if not parts or room.fits(whole):
            return 0
        fewer = range(1, parts)
        return 1 + bisect_left(fewer, True, key=lambda n: room.fits(prompter(example, dropped=n)))

    def prompt(example: Example, *, dropped: int = 0) -> Prompt:
        key = canonical_json([example.id, dict(example.input)])
        if key not in known:
            known[key] = needed(example)
        return prompter(example, dropped=max(dropped, known[key]))

    return prompt


def refused(request: Request, complaint: str, tokens: int) -> Completion:
    """The completion of a request that cannot be asked; it counts as an error, never as a wrong answer."""
    text = "\n".join(f"{message.role}: {message.content}" for message in request.messages)
    return Completion(
        text="",
        tokens_in=tokens,
        tokens_out=0,
        finish_reason="error",
        seconds=0.0,
        prompt=text,
        error=complaint,
    )
