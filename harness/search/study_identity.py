"""A study's identity: its trials are comparable only with the same task, data, scoring, model and recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.leaves import leaves
from harness.core.secrets import shortened
from harness.search import samplers
from harness.search.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

OF = "of"
"""The study attribute that holds it."""
SHOWN = 3


def claim(study: optuna.Study, of: JsonObject, space: Space) -> None:
    """Record the identity of a new study, or check that of an existing one.

    A study with trials from before it was recorded is accepted as is.

    Raises:
        ConfigError: the study has another identity, or a knob takes other values; the message names what differs.
    """
    trials = study.get_trials(deepcopy=False)
    before = study.user_attrs.get(OF)
    if before is None and not trials:
        study.set_user_attr(OF, dict(of))
    elif before is not None:
        _refuse(study.study_name, _differences(before, of))
    _refuse(study.study_name, _other_choices(trials, space))


def _refuse(study: str, differences: list[str]) -> None:
    if not differences:
        return
    more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    raise ConfigError(
        f"study '{study}' was created for something else: {'; '.join(differences[:SHOWN])}{more}",
        remedy="start another one with --study NAME, and --warm-start from this one; or give the options it was created with",
    )


def _differences(before: JsonObject, now: JsonObject) -> list[str]:
    old, new = dict(leaves(before)), dict(leaves(now))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [
        f"{name.removeprefix('$.')} {_shown(old.get(name))}, now {_shown(new.get(name))}" for name in names
    ]


def _other_choices(trials: list[optuna.trial.FrozenTrial], space: Space) -> list[str]:
    """Knobs whose values Optuna cannot hold beside those of earlier trials, each with both."""
    from optuna.distributions import check_distribution_compatibility

    earlier = {name: known for trial in trials for name, known in trial.distributions.items()}
    differences = []
    for name, now in samplers.distributions(space).items():
        if name not in earlier:
            continue
        try:
            check_distribution_compatibility(earlier[name], now)
        except ValueError:
            differences.append(f"{name} had {_values(earlier[name])}, now {_values(now)}")
    return differences


def _values(known: BaseDistribution) -> str:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(known, CategoricalDistribution):
        return f"the choices {', '.join(map(str, known.choices))}"
    assert isinstance(known, FloatDistribution | IntDistribution)
    return f"{known.low:g}..{known.high:g}{':log' if known.log else ''}"


def _shown(value: str | None) -> str:
    return shortened(None if value is None else value.strip('"'))
