"""A prompt whose parts a search chooses: instructions, a hint on the form, and demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.probes import ProgramProbe
from harness.core.protocols import Program, Prompter, Task
from harness.core.values import Example
from harness.methods.programs.few_shot import FewShot
from harness.methods.programs.zero_shot import ZeroShot
from harness.tasks.templates import literal


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A train example that is shown, by its id. `answer` is a model's own accepted answer; empty: the target."""

    id: str
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class PromptOpt(Program):
    """The task's prompt with other words and chosen demonstrations, all of it readable text in the recipe.

    With nothing set it is the plain prompt. `instructions` is a Jinja2 template that takes the place of the task's, and
    `hint` plain text behind it. `demonstrations` are the same for every question; `nearest` shows so many train
    examples that are most like the question (BM25) instead.
    """

    paper = (
        "Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations (MIPRO), https://arxiv.org/abs/2406.11695; "
        "bootstrapped demonstrations: Khattab et al. 2023, DSPy, https://arxiv.org/abs/2310.03714"
    )

    instructions: str = knob("", doc="in place of the task's instructions; empty: the task's")
    hint: str = knob("", doc="plain text behind the instructions: how the answer is written")
    demonstrations: tuple[Demonstration, ...] = field(default=())
    nearest: int = knob(0, doc="train examples shown that are most like the question; 0: none")

    def __post_init__(self) -> None:
        if self.nearest < 0:
            raise ConfigError(f"prompt_opt: nearest {self.nearest} must be at least 0")
        if self.nearest and self.demonstrations:
            raise ConfigError("prompt_opt: give demonstrations or nearest, not both")

    @classmethod
    def probe(cls) -> ProgramProbe:
        return ProgramProbe(settings={"nearest": 4})

    @property
    def shows_examples(self) -> bool:
        return bool(self.nearest or self.demonstrations)

    def identity(self) -> dict[str, object]:
        """`nearest` ranks as few-shot does, and changes with it."""
        ranking = {"ranking": FewShot(choose="nearest").identity()["version"]} if self.nearest else {}
        return {**super().identity(), **ranking}

    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        """
        Raises:
            ConfigError: a demonstration is not among the train examples. Those of another seed's `--labels` are: the
                text of a tuned prompt does not change with the seed.
        """
        task = replace(task, instructions=self._instructions(task))
        if self.nearest:
            return FewShot(k=self.nearest, choose="nearest").prepare(task, pool, seed)
        if not self.demonstrations:
            return ZeroShot().prepare(task, pool, seed)
        train = task.splits.get("train", ())
        by_id = {example.id: example for example in (*train, *pool)}
        for one in self.demonstrations:
            if one.id not in by_id:
                raise ConfigError(
                    f"prompt_opt: demonstration '{one.id}' is not among the {len(train)} train examples",
                    remedy="the task's rows differ from when the prompt was searched: search again",
                )
        shown = [by_id[one.id] for one in self.demonstrations]
        answers = {one.id: one.answer for one in self.demonstrations if one.answer}
        return _Shown(k=len(shown), choose="first", answers=answers).prepare(task, shown, seed)

    def _instructions(self, task: Task) -> str:
        """The template of the system message."""
        written = self.instructions or task.instructions
        return "\n\n".join(part for part in (written.rstrip(), literal(self.hint)) if part)


@dataclass(frozen=True, kw_only=True)
class _Shown(FewShot):
    """Few-shot with the given answers in place of the targets where there are any."""

    answers: Mapping[str, str] = field(default_factory=dict)

    def _answer(self, task: Task, shot: Example) -> str:
        return self.answers.get(shot.id) or super()._answer(task, shot)
