"""The prompt arm's space: instructions x hint x demonstrations x constraint, each choice with a readable name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.runner import suitable
from harness.search.dimension import Dimension
from harness.search.space import Space
from harness.tasks import instructions, templates

INSTRUCTIONS, HINT = "program.instructions", "program.hint"
DEMONSTRATIONS, NEAREST, CONSTRAIN = "program.demonstrations", "program.nearest", "program.constrain"
PROPOSED, BOOTSTRAPPED, EVOLVED = "proposed", "bootstrapped", "evolved"
PROPOSALS = 4
"""Instructions that a proposer may write, each informed by how the best earlier ones failed."""
SETS = ((8, 0), (4, 1), (4, 2))
"""Numbers of demonstrations in a labeled set, and the seed that draws them."""
BARE = "Reply with the answer alone: no explanation and nothing around it."
LONGEST_HINT = 4_000


def as_prompt_opt(recipe: Recipe, name: str) -> Recipe:
    """A prompt recipe as the search's starting point: the plain prompt over the recipe's base, data and weights."""
    return replace(recipe, name=name, program=build("programs", "prompt_opt"))


def is_plain(recipe: Recipe) -> bool:
    """Whether the arm's default asks what the recipe asks."""
    plain = (build("programs", "zero_shot"), build("programs", "prompt_opt"))
    return recipe.program.identity() in [program.identity() for program in plain]


def prompt_space(recipe: Recipe, task: Task, model: str, *, proposes: bool, evolves: bool = False) -> Space:
    """What the prompt arm may choose from.

    Args:
        recipe: its program is `prompt_opt` with nothing set, the arm's default.
        proposes: whether there is a model that writes instructions.
        evolves: whether gepa may drive it.
    """
    texts: dict[str, JsonValue] = {"task": ""}
    texts |= {f"given {number}": text for number, text in enumerate(task.prompts, 1)}
    proposed = [f"{PROPOSED} {number}" for number in range(1, PROPOSALS + 1)] if proposes else []
    proposed += [EVOLVED] if proposes and evolves else []
    hints: dict[str, JsonValue] = {"none": "", "form": form_of(task), "bare": BARE}
    dimensions = [
        _named(INSTRUCTIONS, texts, extra=proposed),
        _named(HINT, {name: text for name, text in hints.items() if text or name == "none"}),
    ]
    train = task.splits.get("train", ())
    if len(train) > 1:
        sets: dict[str, JsonValue] = {"none": []}
        for count, seed in SETS:
            drawn = random.Random(seed).sample(train, min(count, len(train)))
            sets[f"{len(drawn)} labeled, seed {seed}"] = [{"id": example.id} for example in drawn]
        accepted = [f"4 {BOOTSTRAPPED}, seed {seed}" for seed in (0, 1)]
        dimensions.append(Dimension(name=NEAREST, default=0, choices=(0, 4, 8)))
        dimensions.append(replace(_named(DEMONSTRATIONS, sets, extra=accepted), active_if=(NEAREST, 0)))
    if constrains(task, model, recipe):
        dimensions.append(Dimension(name=CONSTRAIN, default=False, choices=(False, True)))
    return Space(recipe=recipe, dimensions=tuple(d for d in dimensions if d.free))


def first_tries(space: Space) -> list[Mapping[str, object]]:
    """What is tried after the default and before the sampler chooses: each part by itself, the most promising
    first."""
    default = space.defaults()
    choices = {dimension.name: dimension.choices for dimension in space.free}
    changes: list[dict[str, object]] = []
    if "form" in choices.get(HINT, ()):
        held = {CONSTRAIN: True} if CONSTRAIN in choices else {}
        changes.append({HINT: "form", **held})
    if DEMONSTRATIONS in choices:
        changes.append({DEMONSTRATIONS: choices[DEMONSTRATIONS][1]})
    if (first := f"{PROPOSED} 1") in choices.get(INSTRUCTIONS, ()):
        changes.append({INSTRUCTIONS: first})
    return [{**default, **change} for change in changes]


def constrains(task: Task, model: str, recipe: Recipe) -> bool:
    """Whether answers can be held to the task's format."""
    if task.format.constraint() is None:
        return False
    held = replace(recipe, program=recipe.program.replace(constrain=True))
    return suitable.misfit(task, model, held) is None


def form_of(task: Task) -> str:
    """How an answer is written, in words, as `harness init` would say it; empty if that is too long to
    show."""
    targets = [example.target for example in task.splits.get("train", ())]
    try:
        text = templates.render(instructions.written(task.format.config(), targets), {})
    except (ConfigError, ValueError, KeyError, TypeError):
        return ""  # a plugin's format whose targets these words do not fit
    return text if len(text) <= LONGEST_HINT else ""


def _named(name: str, texts: Mapping[str, JsonValue], *, extra: list[str] | None = None) -> Dimension:
    """A dimension of named values, the first the default; what the `extra` names stand for is found during
    the search."""
    return Dimension(
        name=name, default=next(iter(texts)), choices=(*texts, *(extra or ())), stands_for=dict(texts)
    )
