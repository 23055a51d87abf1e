"""Arms: families of recipes that compete, each with the recipes that its search starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core import recipes as catalog
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.evidence import families
from harness.evidence.verdict_types import Family
from harness.results.folder import ResultsFolder
from harness.runner import suitable
from harness.runner.cells import describe_task, limited
from harness.runner.suitable import LeftOut
from harness.search.dimension import Dimension
from harness.search.space import Space
from harness.search.space import space as declared_space
from harness.search.study_config import StudyConfig
from harness.search.tuning import prompts, retrieval
from harness.search.tuning.budget import ArmBudget
from harness.search.tuning.labeled import labeled

DEFAULT_STARTS = ("prompt_opt", "bm25_rag", "lora")
"""Recipes that the arms start from if the user names none."""
PROMPT_THEN_FINETUNE, FINETUNE_THEN_PROMPT = "prompt_then_finetune", "finetune_then_prompt"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What is tuned with one budget. An arm's default is its first start, unchanged."""

    name: str
    family: Family
    starts: tuple[Recipe, ...]
    others: tuple[Recipe, ...] = ()
    """Recipes that lend their retrievers to a retrieval arm's space."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all arms share. `task` has no test split."""

    target: str
    """The task as the command names it."""
    task: Task
    dev_cut: bool
    """Whether its dev split was cut from train."""
    model: str
    fingerprint: str
    proposes: bool
    """Whether a model writes instructions."""
    results: Path
    evolves: bool = False
    """Whether gepa drives that model."""
    limit: int | None = None
    labels: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ArmStudy(StudyConfig):
    """One of an arm's studies: a start and the dimensions to vary."""

    arm: str
    dimensions: tuple[Dimension, ...]
    dev_cut: bool = False

    @property
    def study(self) -> str:
        decides = [self.arm, [dimension.to_json() for dimension in self.dimensions], self.dev_cut]
        return f"tune-{super().study}-{digest(decides)[:6]}"

    def space(self) -> Space:
        return Space(recipe=self.default(), dimensions=self.dimensions)


def arms(
    task: Task, model: str, starts: Sequence[Recipe], *, is_default: bool
) -> tuple[list[Arm], list[LeftOut]]:
    """The arms of a task under a model, and the default starts that it does not allow.

    Args:
        is_default: the starts are the defaults, not ones that the user named.

    Raises:
        ConfigError: a recipe that was named does not fit or is an upper bound, or there is no arm.
    """
    fitting: dict[Family, list[Recipe]] = {}
    left_out = []
    for recipe in starts:
        if recipe.oracle:
            raise ConfigError(
                f"recipe '{recipe.name}' is an upper bound: it sees what no user has", remedy="leave it out"
            )
        reason = suitable.misfit(task, model, recipe)
        if reason is None:
            fitting.setdefault(families.of_recipe(recipe.config()), []).append(recipe)
        elif not is_default:
            raise ConfigError(f"recipe '{recipe.name}': {reason.reason}", remedy=reason.remedy)
        else:
            where = {"task": task.name, "model": model, "recipe": recipe.name}
            left_out.append(LeftOut(**where, reason=reason.reason, remedy=reason.remedy))
    if not fitting:
        raise suitable.nothing_fits(left_out)
    return [_arm(family, own, is_default=is_default) for family, own in fitting.items()], left_out


def not_as_named(starts: Sequence[Recipe]) -> list[str]:
    """A sentence if the prompt arm begins elsewhere than the recipes that were named."""
    of_prompt = [one for one in starts if families.of_recipe(one.config()) == "prompt"]
    other = [one.name for one in of_prompt if not prompts.is_plain(one)]
    if not other:
        return []
    return [
        f"the prompt arm's default is the plain prompt, not the program of {', '.join(dict.fromkeys(other))}: the search "
        "varies instructions, hint, demonstrations and decoding by itself"
    ]


def _arm(family: Family, own: Sequence[Recipe], *, is_default: bool) -> Arm:
    if family == "prompt":
        starts = {str(one.base.identity()): prompts.as_prompt_opt(one, "prompt_opt") for one in own}
        return Arm(name=family, family=family, starts=tuple(starts.values()))
    if family != "retrieve":
        return Arm(name=family, family=family, starts=tuple(own))
    searching = [one for one in own if one.program.retriever is not None]
    whole = [one for one in own if one.program.retriever is None]
    others = [*searching[1:], *(retrieval.alternatives() if is_default else ())]
    return Arm(name=family, family=family, starts=(*searching[:1], *whole), others=tuple(others))


def studies(arm: Arm, setting: Setting, budget: ArmBudget) -> list[ArmStudy]:
    """A study for each of the arm's starts; they share its budget.

    Raises:
        ConfigError: the budget is too small for a first trial of each.
    """
    share = budget.divided(len(arm.starts))
    return [_study(arm, limited(start, setting.labels), setting, share) for start in arm.starts]


def _study(arm: Arm, start: Recipe, setting: Setting, share: ArmBudget) -> ArmStudy:
    task = setting.task
    return ArmStudy(
        arm=arm.name,
        dimensions=_space(arm, start, setting).dimensions,
        dev_cut=setting.dev_cut,
        task=setting.target,
        task_name=task.name,
        data_hash=task.data_hash,
        recipe=start.config(),
        model=setting.model,
        fingerprint=setting.fingerprint,
        pruner="hyperband" if start.weights else "wilcoxon",
        seed=setting.seed,
        limit=setting.limit,
        labels=setting.labels,
        budget=share.of_study(),
        results=setting.results,
        scoring=describe_task(task).raw,
    )


def _space(arm: Arm, start: Recipe, setting: Setting) -> Space:
    if is_prompt_search(start):
        writes = {"proposes": setting.proposes, "evolves": setting.evolves}
        task = labeled(setting.task, start, setting.labels, setting.seed)
        return prompts.prompt_space(start, task, setting.model, **writes)
    if start.weights:
        return declared_space(start)
    if start.program.retriever is not None:
        return retrieval.retrieval_space(start, arm.others)
    return Space(recipe=start, dimensions=())


def is_prompt_search(start: Recipe) -> bool:
    """Whether the search varies a start's prompt."""
    return not start.weights and start.program.name() == "prompt_opt"


def composed(prompt: Recipe | None, finetune: Recipe | None, run: str | None, results: Path) -> list[Arm]:
    """BetterTogether's two orders, if both stages have a champion: the weights tuned under the tuned prompt,
    and the prompt searched over the tuned weights.

    Source: Soylu, Potts, Khattab 2024, https://arxiv.org/abs/2407.10930.

    Args:
        prompt: the prompt arm's champion.
        finetune: the finetuning arm's champion.
        run: id of the run on dev that trained that champion.
    """
    if prompt is None or finetune is None or run is None:
        return []
    first = replace(finetune, name=PROMPT_THEN_FINETUNE, program=prompt.program)
    merged: Mapping[str, object] = {
        "base": {"kind": "merge", "runs": [str(ResultsFolder(results).run(run).path)]},
        "program": "prompt_opt",
    }
    second = catalog.from_config(merged, name=FINETUNE_THEN_PROMPT)
    return [
        Arm(name=PROMPT_THEN_FINETUNE, family="finetune", starts=(first,)),
        Arm(name=FINETUNE_THEN_PROMPT, family="finetune", starts=(second,)),
    ]
