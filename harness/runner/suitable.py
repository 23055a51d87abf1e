"""Whether a recipe fits a task and a model, and if not, why and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.core.torch_types import Network
from harness.models import architecture, source
from harness.runner import gpu_memory
from harness.runner.model_pool import is_server
from harness.tasks.writable import writing

FLOAT16 = "float16 loses small gradients: training in it needs loss scaling, which is not supported"
LEAST_QUANTIZED = 0.5
"""Below this share of weights in few bits a quantized base is refused."""


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Why a recipe cannot be run on a task and a model, and what would change that."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason} — {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A default recipe that was not run, with the reason."""

    task: str
    model: str
    recipe: str
    reason: str
    remedy: str

    @property
    def sentence(self) -> str:
        return f"{self.recipe} left out: {self.reason}; {self.remedy}"

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def misfit(task: Task, model: str, recipe: Recipe) -> Misfit | None:
    """The first reason why `recipe` cannot be run; None if it can.

    Raises:
        ConfigError: no such model.
    """
    return of_model(model, recipe) or of_task(task, recipe)


def of_task(task: Task, recipe: Recipe) -> Misfit | None:
    """What the task lacks for a recipe."""
    if recipe.program.retrieves and not task.corpus:
        return Misfit(
            reason=f"task '{task.name}' has no corpus to retrieve from",
            remedy="add 'corpus:' to the task file",
        )
    if recipe.learns and not task.splits.get("train"):
        return Misfit(
            reason=f"task '{task.name}' has no train examples", remedy="add 'train:' to the task file's data"
        )
    return _of_language(task) if recipe.program.constrain else None


def _of_language(task: Task) -> Misfit | None:
    """Why decoding cannot be constrained to the task's format."""
    language = writing(task)
    if language.fault:
        has_one = task.format.constraint() is not None
        remedy = "change that part of it" if has_one else "choice, number, regex and json_schema have one"
        return Misfit(reason=language.fault, remedy=remedy)
    if language.refused:
        count = f"{len(language.unwritable):,} of {language.targets:,} targets"
        reason = f"{count} cannot be written under the schema's grammar ({language.examples})"
        return Misfit(
            reason=reason, remedy="make schema and targets agree: harness validate TASK shows where"
        )
    return None


def of_model(model: str, recipe: Recipe) -> Misfit | None:
    """What the model does not allow."""
    if not is_server(model):
        kind = source.architecture_of(model)
        if not architecture.suits(kind, recipe):
            return Misfit(reason=f"model '{model}' is {kind.says}", remedy=kind.remedy)
        return (
            _of_answers(model)
            or of_stages(recipe)
            or _of_number_format(recipe)
            or _of_network(model, recipe)
            or _of_quantization(model, recipe)
            or _of_memory(model, recipe)
        )
    if recipe.weights:
        return Misfit(
            reason=f"model '{hidden(model)}' is behind a server and cannot be trained",
            remedy="name a model that can be loaded here with --model",
        )
    return None


def of_stages(recipe: Recipe) -> Misfit | None:
    """The first stage that cannot follow those before it over the recipe's base."""
    for index, stage in enumerate(recipe.weights):
        if reason := stage.obstacle(recipe.base, recipe.weights[:index]):
            return Misfit(
                reason=reason, remedy="use base: plain, or stages of one kind such as weights: lora"
            )
    return None


def _of_answers(model: str) -> Misfit | None:
    """An architecture that no engine can ask, which shows only after it was downloaded and trained."""
    from harness.models.answerable import why_not
    from harness.models.dimensions import config

    if source.gguf_file(model) is not None:
        return None  # its configuration is read when it is converted
    reason = why_not(config(model))
    return None if reason is None else Misfit(reason=reason, remedy="choose another model with --model")


def _of_number_format(recipe: Recipe) -> Misfit | None:
    """Gradients smaller than 6e-8 are 0 in float16, which has no scale to hold them up here."""
    fields = [name for name in ("dtype", "compute_dtype") if getattr(recipe.base, name, None) == "float16"]
    if not recipe.weights or not fields:
        return None
    return Misfit(
        reason=FLOAT16,
        remedy=f"--set base.{fields[0]}=bfloat16, or float32 on a card without bfloat16 (V100, T4)",
    )


def _of_network(model: str, recipe: Recipe) -> Misfit | None:
    """The first stage that cannot train the model's architecture."""
    if not recipe.weights:
        return None
    from harness.models.answerable import why_not_taught
    from harness.models.dimensions import config

    configuration = config(model)
    if reason := why_not_taught(configuration):
        return Misfit(reason=reason, remedy="choose another model, or a recipe without weights")
    for stage in recipe.weights:
        if reason := stage.unsuited(configuration):
            return Misfit(reason=reason, remedy="change these settings, or choose other weights")
    return None


def _of_quantization(model: str, recipe: Recipe) -> Misfit | None:
    """A quantized base that would leave most weights as they are is refused: its memory and answers would not
    be those of a quantized model."""
    if not recipe.base.quantized:
        return None
    from harness.models.dimensions import quantizable_share

    share = quantizable_share(model)
    if share >= LEAST_QUANTIZED:
        return None
    return Misfit(
        reason=f"base {recipe.base.name()} can hold only {share:.0%} of the weights of '{model}' in few bits: the others "
        "are not in linear layers",
        remedy="use base: plain",
    )


def _of_memory(model: str, recipe: Recipe) -> Misfit | None:
    """A model that is larger than the GPUs of this machine, which shows only after it was downloaded."""
    if source.gguf_file(model) is not None:
        return None  # its configuration is read when it is converted
    misfit = gpu_memory.too_large(model, recipe)
    return None if misfit is None else Misfit(reason=misfit[0], remedy=misfit[1])


def require_quantized(network: Network, recipe: Recipe) -> None:
    """The same of a base that is loaded: what was measured counts, whatever its configuration promised.

    Raises:
        ConfigError: most of its weights are not in few bits.
    """
    from harness.models.layers.plain_layers import quantized_share

    share = (quantized_share(network) or 0.0) if recipe.base.quantized else 1.0
    if share < LEAST_QUANTIZED:
        raise ConfigError(
            f"base {recipe.base.name()} holds only {share:.0%} of the weights in few bits",
            remedy="use base: plain",
        )


def require(task: Task, model: str, recipe: Recipe) -> None:
    """
    Raises:
        ConfigError: the recipe does not fit; the message says why and what would help.
    """
    if reason := misfit(task, model, recipe):
        raise ConfigError(f"recipe '{recipe.name}': {reason.reason}", remedy=reason.remedy)


def nothing_fits(left_out: Sequence[LeftOut]) -> ConfigError:
    """The error if none of a command's default recipes can run."""
    first = left_out[0]
    reasons = dict.fromkeys(f"{item.reason}" for item in left_out)
    return ConfigError(f"no default recipe can be run: {'; '.join(reasons)}", remedy=first.remedy)
