"""Commands to paste: the one that was typed, with a few words changed."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from typing import Any

from harness.evidence.task_origin import Origin
from harness.evidence.verdict_types import Jsonable

RESULTS = "results"
"""The results folder if none is named."""


@dataclass(frozen=True, kw_only=True)
class Invocation(Jsonable):
    """The arguments of a `harness run`; empty values mean the defaults."""

    target: str
    """A task's name or folder, or an experiment's YAML file, as typed."""
    task: str
    """The task as other commands accept it: its name or folder."""
    models: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    seeds: int | None = None
    limit: int | None = None
    labels: tuple[int, ...] = ()
    kept: tuple[str, ...] = ()
    """Words of further options that every follow-up keeps, such as `--stop-when-sure`."""
    results: str = RESULTS
    model: str = ""
    """The model of the verdict, unless it is the default one."""
    known: tuple[str, ...] = ()
    """Recipes of the experiment that `--recipes` can name: those of its file, and shipped ones."""
    trainable: bool = True
    """Whether the model can be trained on this task; a model behind a server cannot."""
    askable: bool = True
    """Whether the untrained model can answer; an encoder cannot."""
    examples: int | None = None
    """Labeled examples in the answered split; None if unknown."""
    train: int | None = None
    """Labeled examples in the train split; None if unknown."""
    origin: Origin | None = None
    """The data that `harness init` made the task of; None if it is not known."""

    def run(self, **changes: Any) -> str:
        """`harness run` as it was typed, with other `recipes`, `seeds`, `limit`, `labels` or `settings`."""
        new = dataclasses.replace(self, **changes)
        words = ["harness", "run", new.target]
        for model in new.models:
            words += ["--model", model]
        words += ["--recipes", ",".join(new.recipes)] if new.recipes else []
        for setting in new.settings:
            words += ["--set", setting]
        words += ["--seeds", str(new.seeds)] if new.seeds else []
        words += ["--limit", str(new.limit)] if new.limit else []
        words += ["--labels", ",".join(map(str, new.labels))] if new.labels else []
        words += new.kept
        return shlex.join([*words, *self._where()])

    def diagnose(self) -> str:
        model = ["--model", self.model] if self.model else []
        return shlex.join(["harness", "diagnose", self.task, *model, *self._where()])

    def validate(self) -> str:
        model = ["--model", self.model] if self.model and self.trainable else []
        return shlex.join(["harness", "validate", self.task, *model])

    def export(self, run: str, folder: str, task: str) -> str:
        """`harness export RUN FOLDER` for a run of the task named `task`, with its folder if the name alone
        does not lead to it."""
        option = ["--task", self.task] if self.task != task else []
        return shlex.join(["harness", "export", run, folder, *option, *self._where()])

    def _where(self) -> list[str]:
        return ["--results", self.results] if self.results != RESULTS else []
