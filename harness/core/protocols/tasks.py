"""Questions and how answers are judged: formats, scorers, and a task read from its folder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.core import deadline, thoughts
from harness.core.errors import is_panic
from harness.core.formatting import size
from harness.core.json_types import JsonObject, JsonValue
from harness.core.kinds import Kind, knob
from harness.core.probes import FormatProbe, ScorerProbe
from harness.core.secrets import masked
from harness.core.values import (
    Constraint,
    Document,
    Example,
    Invalid,
    Parsed,
    ParsedAnswer,
    Unread,
)

LONGEST_ANSWER = 1_000_000
"""Characters of the longest answer that is read."""
READING_SECONDS = 5.0
"""Processor seconds in which one answer is read; a usual one takes a few thousandths of one."""
ANSWER_MEMORY = 2**30
"""Bytes of memory that reading one answer, or scoring it, may take."""


@dataclass(frozen=True, kw_only=True)
class Format(Kind):
    """Text ↔ value. A format never repairs an answer; it only finds it.

    Thoughts in `thinking_tags` (`<think>…</think>`) are not part of an answer, strict or extracted.
    """

    thinking_tags: tuple[str, ...] = knob(
        thoughts.TAGS,
        key_default=thoughts.TAGS,
        doc="tags around a model's thoughts; [] keeps them in the answer",
    )

    def config(self) -> dict[str, object]:
        """The resolved configuration, without the tags if they are the default."""
        config = super().config()
        if self.thinking_tags == thoughts.TAGS:
            del config["thinking_tags"]
        return config

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Every possible answer, if the format is a choice among labels; else None."""
        return None

    @property
    def sql_dialect(self) -> str | None:
        """sqlglot's name of the dialect, if values are SQL statements; else None."""
        return None

    @classmethod
    def probe(cls) -> FormatProbe:
        """What the contract tests need to test it."""
        return FormatProbe()

    @abstractmethod
    def parse(self, text: str) -> Parsed | Invalid:
        """Parse `text` exactly as it is, without searching inside it.

        Args:
            text: the answer, without thoughts; any string.

        Returns:
            The value, or why there is none. It never raises.
        """

    def extract(self, text: str) -> str | Parsed | Invalid | None:
        """The answer inside a chatty text: a part of it, which is then parsed, or its value. None if there is no
        answer, `Invalid` if the reason is known (two candidates)."""
        return None

    def begun(self, text: str) -> bool:
        """Whether an answer that the token limit cut off had begun in this format."""
        return True

    def render(self, target: JsonValue) -> str:
        """A target as text: the answer that a model is trained to give."""
        return str(target)

    def in_order_of(self, targets: Sequence[JsonValue]) -> Format:
        """This format, with object keys written in the order that the train targets share."""
        return self

    def constraint(self) -> Constraint | None:
        """The language for constrained decoding; None if there is none."""
        return None

    def read(self, text: str) -> ParsedAnswer:
        """Read an answer strictly and after extraction, kept apart. Thoughts are split off first.

        It always returns and never raises: an answer that is too long, takes too long, or breaks a parser is
        `Unread` with the reason.
        """
        if len(text) > LONGEST_ANSWER:
            unread = Unread(f"{len(text):,} characters, at most {LONGEST_ANSWER:,} are read")
            return ParsedAnswer(strict=unread, extracted=unread)
        try:
            with deadline.within(READING_SECONDS, ANSWER_MEMORY):
                # As it is stored: no reason may cut a key, which nothing recognizes then.
                return self._read(masked(text))
        except deadline.TooLargeError:
            unread = Unread(f"reading it took more than {size(ANSWER_MEMORY)}")
        except deadline.TooLongError:
            unread = Unread(f"reading it took longer than {READING_SECONDS:g} s")
        except BaseException as error:  # a parser that gives up must not affect other answers
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            unread = Unread(f"cannot be read: {type(error).__name__}: {error}"[:200])
        return ParsedAnswer(strict=unread, extracted=unread)

    def holds(self, text: str) -> bool:
        """Whether `text`, exactly as it is, is a valid answer; bounded as `read` is."""
        if len(text) > LONGEST_ANSWER:
            return False
        try:
            with deadline.within(READING_SECONDS, ANSWER_MEMORY):
                return isinstance(self.parse(text), Parsed)
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            return False

    def _read(self, text: str) -> ParsedAnswer:
        answer, thought = thoughts.split(text, self.thinking_tags)
        strict = self.parse(answer)
        extracted = strict if isinstance(strict, Parsed) else self._extracted(answer, strict)
        return ParsedAnswer(strict=strict, extracted=extracted, thoughts=thought)

    def _extracted(self, answer: str, strict: Invalid) -> Parsed | Invalid:
        part = self.extract(answer)
        if isinstance(part, str):
            return self.parse(part)
        return strict if part is None else part


@dataclass(frozen=True, kw_only=True)
class Scorer(Kind):
    """Parsed value × target → a number in [0, 1], where 1 is best (subtract an error rate from 1).

    A crash becomes status `error` for that answer; any other number, or NaN, ends the run with an error that names
    the scorer.
    """

    binary: ClassVar[bool] = False
    """Whether every value is 0 or 1, so that exact tests for rates apply."""

    @classmethod
    def probe(cls) -> ScorerProbe:
        """What the contract tests need to test it."""
        return ScorerProbe()

    def reading(self, form: Format) -> Format:
        """The task's format as it reads answers for this scorer, which may know what a database rejects."""
        return form

    def for_task(self, form: Format, folder: Path) -> Scorer:
        """This scorer, prepared for a task's format; files that it names are in the task's folder.

        Raises:
            ConfigError: the scorer cannot judge this task.
        """
        return self

    @abstractmethod
    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
        """Score one answer.

        Args:
            value: the parsed answer, as the task's format returns it.
            target: the example's target.
            example: the whole example, e.g. for its input or context.

        Returns:
            The score in [0, 1], and a short reason (may be empty).
        """


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task folder, read and checked. `max_new_tokens` counts tokens of an answer, `margin` is in score units."""

    name: str
    version: int
    instructions: str
    """Jinja2 template of the instructions (system message)."""
    input: str
    """Jinja2 template of the user message; the example's input fields are in scope."""
    format: Format
    scorers: tuple[Scorer, ...]
    primary: str
    """Name of the scorer that decides."""
    splits: Mapping[str, tuple[Example, ...]]
    corpus: tuple[Document, ...]
    folder: Path
    data_hash: str
    max_new_tokens: int = 128
    margin: float = 0.02
    """A difference smaller than this does not matter: the non-inferiority margin."""
    gate: JsonObject = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    """Other instructions that a search may try, as Jinja2 templates; they have no effect by themselves."""
    licence: str = ""
    """The data's source and license; goes on model cards."""
