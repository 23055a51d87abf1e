"""The search space: the knobs that a recipe's kinds declare, and the user's changes to them.

A dimension is named `slot.field` (`weights.learning_rate`, `program.k`, `program.retriever.k1`); with
several stages of training, `weights.0.learning_rate`.
"""

from __future__ import annotations

import dataclasses
import random
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from harness.core import recipes
from harness.core.errors import ConfigError, nearest
from harness.core.kinds import Kind, build
from harness.core.recipes import Recipe
from harness.search.dimension import HELP, Dimension, parsed

TRIES = 200
"""Random points to try before a space counts as unsatisfiable."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A recipe and the dimensions to vary."""

    recipe: Recipe
    dimensions: tuple[Dimension, ...]

    @property
    def free(self) -> tuple[Dimension, ...]:
        """The dimensions a search chooses, those that others depend on first."""
        free = [dimension for dimension in self.dimensions if dimension.free]
        return tuple(sorted(free, key=lambda dimension: dimension.active_if is not None))

    @property
    def size(self) -> int | None:
        """How many configurations there are; None if a range makes them uncountable."""
        size = 1
        for dimension in self.free:
            if not dimension.choices:
                return None
            size *= len(dimension.choices)
        return size

    def defaults(self) -> dict[str, object]:
        """The recipe's own values, if the space contains them; a knob whose default it does not contain is
        left to the sampler."""
        return {d.name: d.default for d in self.free if d.holds(d.default)}

    def active(self, dimension: Dimension, params: Mapping[str, object]) -> bool:
        """Whether a knob's condition holds given the values of the others."""
        if dimension.active_if is None:
            return True
        other, wanted = dimension.active_if
        fixed = {d.name: d.choices[0] for d in self.dimensions if len(d.choices) == 1}
        current = {knob.name: knob.value for knob in _knobs(self.recipe)}
        value = (current | fixed | dict(params))[other]
        return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)

    def complete(self, params: Mapping[str, object]) -> dict[str, object]:
        """The chosen values with the fixed and the tied ones, without those whose condition fails."""
        asleep = {d.name for d in self.dimensions if not self.active(d, params)}
        values = {name: value for name, value in params.items() if name not in asleep}
        for dimension in self.dimensions:
            if len(dimension.choices) == 1:
                values[dimension.name] = dimension.choices[0]
        current = {knob.name: knob.value for knob in _knobs(self.recipe)}
        for dimension in self.dimensions:
            if dimension.tied_to is not None:
                base = cast(float, values.get(dimension.tied_to, current[dimension.tied_to]))
                product = dimension.factor * base
                values[dimension.name] = round(product) if dimension.whole else product
        return values

    def apply(self, params: Mapping[str, object], name: str | None = None) -> Recipe:
        """The recipe with these values.

        Raises:
            ConfigError: values that a kind refuses.
        """
        config: dict[str, Any] = self.recipe.config()
        known = {dimension.name: dimension for dimension in self.dimensions}
        for path, value in self.complete(params).items():
            *parents, field = path.split(".")
            node = config
            if parents[0] == "weights":
                index = int(parents[1]) if len(parents) > 1 else 0
                node = config["weights"][index]
            else:
                for part in parents:
                    node = node[part]
            node[field] = known[path].written(value) if path in known else value
        recipe = recipes.from_config(config, name=name or self.recipe.name, about=self.recipe.about)
        if any(stage.packing and stage.neftune_noise_alpha for stage in recipe.weights):
            raise ConfigError("packing and neftune_noise_alpha cannot be combined")
        return recipe


def space(recipe: Recipe, settings: Sequence[str] = (), only: Sequence[str] = ()) -> Space:
    """The space of a recipe: its kinds' knobs, changed by `settings`; only those in `only` vary.

    Raises:
        ConfigError: an unknown knob, an empty range, nothing to search, or no point that makes a valid recipe.
    """
    known = {knob.name: knob for knob in _knobs(recipe)}
    dimensions = {
        name: _with_start(Dimension(name=name, default=knob.value, **knob.declared))
        for name, knob in known.items()
        if knob.declared and (not only or name in only)
    }
    for name in only:
        if name not in known:
            raise ConfigError(f"unknown knob '{name}'", remedy=nearest(name, known))
        if name not in dimensions and not any(s.startswith(f"{name}=") for s in settings):
            raise ConfigError(
                f"knob '{name}' has no range of its own", remedy=f"give one with --space, {HELP}"
            )
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not text:
            raise ConfigError(f"--space {setting!r} is not knob=range", remedy=HELP)
        if name not in known:
            raise ConfigError(f"--space: unknown knob '{name}'", remedy=nearest(name, known))
        knob = known[name]
        dimension = parsed(name, knob.value, text, {name: knob.value for name, knob in known.items()})
        dimensions[name] = dataclasses.replace(
            dimension, active_if=knob.declared.get("active_if"), integer=knob.is_integer
        )
    made = Space(recipe=recipe, dimensions=tuple(dimensions.values()))
    if not made.free:
        raise ConfigError(
            f"recipe '{recipe.name}' leaves nothing to search",
            remedy=f"give a range with --space, {HELP}",
        )
    _check_satisfiable(made)
    return made


def _with_start(declared: Dimension) -> Dimension:
    """A declared range, widened to include the recipe's own value: a search begins at the recipe."""
    start = declared.default
    if declared.holds(start):
        return declared
    if declared.choices:
        return dataclasses.replace(declared, choices=(*declared.choices, start))
    if declared.low is None or declared.high is None or not isinstance(start, int | float):
        return declared
    if declared.log and start <= 0:
        return declared
    return dataclasses.replace(declared, low=min(declared.low, start), high=max(declared.high, start))


@dataclass(frozen=True, kw_only=True)
class _Knob:
    """A field of a kind in the recipe: `declared` holds what a `Dimension` is made of, if it has a range."""

    name: str
    kind: Kind
    declared: Mapping[str, Any]
    value: Any

    @property
    def is_integer(self) -> bool:
        """Whether the field holds whole numbers, or null."""
        hint = typing.get_type_hints(type(self.kind)).get(self.name.rpartition(".")[2])
        union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        return (set(typing.get_args(hint)) if union else {hint}) - {type(None)} == {int}


def _knobs(recipe: Recipe) -> Iterator[_Knob]:
    """Every field of every kind in the recipe."""
    for index, stage in enumerate(recipe.weights):
        prefix = "weights" if len(recipe.weights) == 1 else f"weights.{index}"
        yield from _of(stage, prefix)
    yield from _of(recipe.program, "program")
    if (retriever := recipe.program.retriever) is not None:
        yield from _of(build("retrieval", retriever), "program.retriever")
    yield from _of(recipe.base, "base")
    yield from _of(recipe.data, "data")


def _of(kind: Kind, prefix: str) -> Iterator[_Knob]:
    for field in dataclasses.fields(kind):
        declared = (field.metadata.get("space") if field.metadata.get("in_key", True) else None) or {}
        if declared and (condition := field.metadata.get("active_if")):
            other, value = condition
            declared = {**declared, "active_if": (f"{prefix}.{other}", value)}
        yield _Knob(
            name=f"{prefix}.{field.name}", kind=kind, declared=declared, value=getattr(kind, field.name)
        )


def _check_satisfiable(made: Space) -> None:
    """Reject a space in which no recipe can be built, with the first reason."""
    first: ConfigError | None = None
    for params in random_points(made, TRIES):
        try:
            made.apply(params)
            return
        except ConfigError as error:
            first = first or error
    raise ConfigError(f"no trial can satisfy this space: {first}", remedy="change the ranges with --space")


def random_points(space: Space, count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """The defaults first, then points drawn evenly (in the logarithm where a range is logarithmic)."""
    rng = random.Random(seed)
    yield _filled(space, space.defaults(), rng)
    for _ in range(count):
        yield _filled(space, {}, rng)


def _filled(space: Space, known: Mapping[str, object], rng: random.Random) -> dict[str, object]:
    drawn = {d.name: known[d.name] if d.name in known else _draw(d, rng) for d in space.free}
    return {d.name: drawn[d.name] for d in space.free if space.active(d, drawn)}


def _draw(dimension: Dimension, rng: random.Random) -> object:
    if dimension.choices:
        return rng.choice(dimension.choices)
    low, high = dimension.low or 0.0, dimension.high or 0.0
    value: float = low * (high / low) ** rng.random() if dimension.log else rng.uniform(low, high)
    return min(max(round(value), round(low)), round(high)) if dimension.whole else value
