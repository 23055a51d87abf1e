"""What `harness run --tune` checks before anything is spent: budget, arms, dev split and proposer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.core import recipes as catalog
from harness.core.activity import working
from harness.core.errors import ConfigError, EngineError
from harness.core.keys import digest
from harness.core.options import repeated
from harness.core.protocols import Task
from harness.core.secrets import hidden, refuse_in_model
from harness.evidence.cost import load as load_prices
from harness.results.folder import ResultsFolder
from harness.runner.database_sync import open_index
from harness.runner.experiment import Experiment, with_overrides
from harness.runner.model_pool import fingerprint, forget_servers
from harness.runner.suitable import LeftOut
from harness.search.shared_base_pool import SearchWorkbench
from harness.search.tuning import affordable, arms, evolved, sealed
from harness.search.tuning.arms import Arm, ArmStudy, Setting, is_prompt_search
from harness.search.tuning.budget import ArmBudget, parsed
from harness.search.tuning.candidates import Candidates
from harness.search.tuning.proposer import Proposer, RubbishError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is checked before anything is spent."""

    experiment: Experiment
    task: Task
    setting: Setting
    budget: ArmBudget
    arms: tuple[Arm, ...]
    workbench: SearchWorkbench
    proposer: Proposer | None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The same for a command that is repeated, whatever its budget."""
        decides = [self.setting.fingerprint, [[s.config() for s in arm.starts] for arm in self.arms]]
        return f"{self.task.name}-{digest(decides)[:8]}"


def planned(experiment: Experiment, results: Path) -> Plan:
    """Everything checked; the proposer is asked once.

    Raises:
        ConfigError: what does not fit, with the remedy.
    """
    from harness.tasks.load import load

    settings = experiment.settings
    _require_one(experiment)
    prices = None if settings.prices is None else load_prices(Path(settings.prices))
    budget = parsed(settings.tune or "", prices)
    target, model = experiment.tasks[0], experiment.models[0]
    forget_servers()
    open_index(results)
    task, notes = sealed.sealed(load(target))
    overrides = repeated(settings.settings)
    defaults = [with_overrides(catalog.load(name), overrides) for name in arms.DEFAULT_STARTS]
    starts = defaults if experiment.defaults else experiment.recipes
    known, left_out = arms.arms(task, model, starts, is_default=experiment.defaults)
    if settings.together and not {"prompt", "finetune"} <= {arm.name for arm in known}:
        raise ConfigError(
            "--together composes a prompt and a finetuning arm, and one of them is missing",
            remedy="leave out --together, or name recipes of both",
        )
    setting = Setting(
        target=target,
        task=task,
        dev_cut=bool(notes),
        model=model,
        fingerprint=fingerprint(model),
        proposes=any(is_prompt_search(start) for arm in known for start in arm.starts),
        results=results,
        evolves=settings.proposer is not None and evolved.is_installed(),
        limit=experiment.limit,
        labels=experiment.labels[0] if experiment.labels else None,
    )
    plan = Plan(
        experiment=experiment,
        task=task,
        setting=setting,
        budget=budget,
        arms=tuple(known),
        workbench=SearchWorkbench(ResultsFolder(results).answers),
        proposer=None,
        left_out=tuple(left_out),
        notes=(*notes, *arms.not_as_named(starts)),
    )
    for arm in plan.arms:
        for study in arms.studies(arm, setting, budget):
            affordable.require(study, task)
    return _with_proposer(plan, settings.proposer) if setting.proposes else plan


def _require_one(experiment: Experiment) -> None:
    """
    Raises:
        ConfigError: several tasks, models or label counts, each of which would need a budget of its own.
    """
    counts = {"tasks": experiment.tasks, "models": experiment.models, "numbers of labels": experiment.labels}
    for what, given in counts.items():
        if len(given) > 1:
            raise ConfigError(
                f"--tune takes one of each, and there are {len(given)} {what}",
                remedy="run the command for each",
            )


def _with_proposer(plan: Plan, named: str | None) -> Plan:
    """The plan with a proposer that was asked once; without one if the model itself is not useful as a
    proposer.

    Raises:
        ConfigError: the proposer that the user named does not answer, or gives nothing usable.
    """
    spec = named or plan.setting.model
    refuse_in_model(spec)
    start = next(one for arm in plan.arms for one in arm.starts if is_prompt_search(one))
    try:
        with working(f"asking the proposer {hidden(spec)}"):
            proposer = Proposer(hidden(spec), plan.workbench.plain(spec, start))
            for study in _prompt_studies(plan):
                Candidates(
                    plan=study, task=plan.task, workbench=plan.workbench, proposer=proposer
                ).first_proposal()
    except (RubbishError, EngineError) as error:
        if named is not None:
            raise ConfigError(
                str(error), remedy="name another model with --proposer, or leave it out"
            ) from None
        note = f"{error}: instructions come from the task file alone; --proposer MODEL names a stronger one"
        setting = replace(plan.setting, proposes=False)
        return replace(plan, setting=setting, notes=(*plan.notes, note))
    return replace(plan, proposer=proposer)


def _prompt_studies(plan: Plan) -> list[ArmStudy]:
    known = [study for arm in plan.arms for study in arms.studies(arm, plan.setting, plan.budget)]
    return [study for study in known if is_prompt_search(study.default())]
