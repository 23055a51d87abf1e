"""The benchmarked model: one that a run trained, or a published one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.names import file_part
from harness.core.protocols import LanguageModel
from harness.core.recipes import Recipe
from harness.results.folder import ResultsFolder
from harness.results.remote import mirror
from harness.results.run_files import Head, read_head


@dataclass(frozen=True, kw_only=True)
class Target:
    """`folder` is where its benchmarks are kept; `run` is None for a model as published.

    `identity` says which weights answer: equal identities give equal answers.
    """

    name: str
    folder: Path
    model: str
    fingerprint: str
    recipe: Recipe
    identity: str
    run: str | None = None

    @property
    def trained(self) -> bool:
        return self.run is not None and bool(self.recipe.weights)

    def head(self) -> dict[str, object]:
        """The contents of `model.json` in an untrained model's folder."""
        return {"model": self.model, "fingerprint": self.fingerprint, "base": self.recipe.base.config()}


def find(results: Path, name: str, dtype: str | None = None) -> Target:
    """The run with that id (or whose id starts with it; of several, the only one on test), else the model of that spec.

    `dtype` loads an unquantized base in another number format.

    Raises:
        ConfigError: several runs, a run without its weights, no such run or model, or a base whose
            number format is its own.
    """
    heads = [
        read_head(folder) for folder in ResultsFolder(results).run_folders() if folder.name.startswith(name)
    ]
    readable = {head.id: head for head in heads if isinstance(head, Head)}
    if name in readable:
        target = _of_run(results, readable[name])
    elif readable:
        id = ResultsFolder(results).meant(name, {id: head.record.split for id, head in readable.items()})
        target = _of_run(results, readable[id])
    else:
        target = of_model(results, name)
    return target if dtype is None else _in(results, target, dtype)


def of_model(results: Path, spec: str, recipe: Recipe | None = None) -> Target:
    """An untrained model: as published, or as `recipe`'s base loads it.

    Raises:
        ConfigError: no such model, or one behind an API.
    """
    if spec.startswith(("openai:", "fake")):
        raise ConfigError(
            f"'{spec}' cannot be benchmarked: log-likelihoods of given answers need a loaded model",
            remedy="name a run, a hub id, a folder, gguf:FILE or a bundled model",
        )
    from harness.models.fingerprint import fingerprint

    plain = recipe or recipes.from_config({}, name="base")
    untrained = replace(plain, name="base", weights=())
    print_ = fingerprint(spec)
    identity = digest([print_, untrained.base.identity()])
    part = file_part(spec.rstrip("/").rpartition("/")[2])[:60]
    return Target(
        name=spec,
        folder=ResultsFolder(results).benchmarks / f"{part}-{identity[:8]}",
        model=spec,
        fingerprint=print_,
        recipe=untrained,
        identity=identity,
    )


def base_of(results: Path, target: Target) -> Target:
    """The untuned base of a target: the same model as the same `base` loads it."""
    return of_model(results, target.model, target.recipe)


def load(target: Target) -> LanguageModel:
    """The model with the run's trained weights.

    Raises:
        ConfigError: the base's files changed since training, or the run's weights are missing.
    """
    from harness.models.fingerprint import fingerprint

    if fingerprint(target.model) != target.fingerprint:
        raise ConfigError(
            f"{target.name}: '{target.model}' is no longer the model that was trained",
            remedy="its files have changed since; train again",
        )
    stages = [mirror.weights(target.folder) / str(index) for index in range(len(target.recipe.weights))]
    missing = [stage for stage in stages if not stage.is_dir()]
    if missing:
        raise ConfigError("the run's weights are not there", file=missing[0], remedy="run it again")
    model = target.recipe.base.load(target.model)
    for stage, folder in zip(target.recipe.weights, stages, strict=True):
        model = stage.load(model, folder)
    return model


def _of_run(results: Path, head: Head) -> Target:
    record = head.record
    if record.status != "done":
        raise ConfigError(
            f"{head.id} is {record.status}, not done", remedy="finish it with the same `harness run`"
        )
    recipe = recipes.from_config(record.recipe.raw, name=record.recipe.name, file=head.folder / "run.json")
    base = of_model(results, record.model.spec, recipe)
    mirror.weights(head.folder)
    return Target(
        name=head.id,
        folder=head.folder,
        model=base.model,
        fingerprint=str(record.model.fingerprint),
        recipe=recipe,
        identity=str(record.key) if recipe.weights else base.identity,
        run=head.id,
    )


def _in(results: Path, target: Target, dtype: str) -> Target:
    base = target.recipe.base
    if not hasattr(base, "dtype"):
        raise ConfigError(f"--dtype does not apply to the base '{base.name()}'", remedy="omit it")
    recipe = replace(target.recipe, base=base.replace(dtype=dtype))
    if target.run is None:
        return of_model(results, target.model, recipe)
    return replace(target, recipe=recipe, identity=digest([target.identity, dtype]))
