"""A run against a pin: every metric of the task's rules, the examples that must pass, one verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.regression import (
    benchmark_checks,
    config_diff,
    examples,
    floor,
    metric_check,
    recipe_comparison,
)
from harness.regression import (
    example_flips as flips,
)
from harness.regression.examples import ExampleChanges, Shared
from harness.regression.gate_rules import PRIMARY, RELATIVE, VALIDITY, Rules
from harness.regression.metric_check import MetricCheck, Pairs
from harness.regression.recipe_comparison import RecipeComparison
from harness.results import likeness
from harness.results.pins import Sample, Snapshot

if TYPE_CHECKING:
    from harness.benchmarks.forgetting import Forgetting


Verdict = Literal["passed", "regression", "error", "inconclusive"]
CODES: Mapping[str, int] = {"passed": 0, "regression": 1, "error": 3, "inconclusive": 4}
IN_PART = "missing or changed in the run; run them all, or judge those that both have: --allow-missing"
_MACHINE = ("cpu", "cores", "gpu")


@dataclass(frozen=True, kw_only=True)
class MustPass:
    """One example that must not break: its score must be no lower than in the pin."""

    id: str
    state: Literal["passed", "regression", "error"]
    before: float | None
    after: float | None
    failure: str | None = None
    flaky: bool = False
    """Whether reruns of the pinned recipe gave it different scores."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The verdict of one gate, with all its evidence."""

    run: str
    pin: str
    verdict: Verdict
    exit_code: int
    checks: tuple[MetricCheck, ...]
    must_pass: tuple[MustPass, ...]
    errors: tuple[str, ...]
    """Ids of examples that ended in an execution error: they count as neither right nor wrong."""
    flips: flips.Flips
    changed: tuple[config_diff.Difference, ...]
    flaky: tuple[str, ...]
    notes: tuple[str, ...]
    examples: ExampleChanges
    """Which pinned examples are not in the run, which of the run are not pinned, and which have other contents."""
    allow_missing: bool = False
    recipes: RecipeComparison | None = None
    """Set if the pin is of another recipe than the run."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Id → what another tool's log calls the example; for lines that people read."""
    short: str = ""
    """The run's id without its hash, where no other run begins like that; for lines that people read."""

    @property
    def provisional(self) -> bool:
        """Whether the verdict depends on a metric whose training noise was not measured."""
        return any(check.provisional for check in self.checks)

    @property
    def sentence(self) -> str:
        run = self.short or self.run
        outcome = {
            "passed": f"{run} is not worse than {self.pin}",
            "regression": f"{run} is worse than {self.pin}: {', '.join(self._in('regression'))}",
            "error": f"{run} could not be judged: {', '.join(self._in('error')) or self._missing()}",
            "inconclusive": f"cannot tell whether {run} is worse than {self.pin}: "
            f"{', '.join(self._in('inconclusive'))}",
        }[self.verdict]
        return (
            f"{outcome} (provisional: one seed, training noise not measured)" if self.provisional else outcome
        )

    def _missing(self) -> str:
        if self.errors or self.allow_missing or not self.examples.not_judged:
            return "answers failed"
        count = self.examples.not_judged
        return f"{counted(count, 'pinned example')} {'is' if count == 1 else 'are'} {IN_PART}"

    def _in(self, state: str) -> list[str]:
        checks = [c.metric for c in self.checks if c.state == state]
        return checks + [self.labels.get(m.id, m.id) for m in self.must_pass if m.state == state]

    def to_json(self) -> dict[str, object]:
        plain = dataclasses.asdict(self)
        return plain | {"sentence": self.sentence, "provisional": self.provisional}


def judge(
    run: Snapshot,
    pin: Snapshot,
    rules: Rules,
    *,
    forgotten: Mapping[str, Forgetting] | None = None,
    allow_inconclusive: bool = False,
    allow_missing: bool = False,
    notes: tuple[str, ...] = (),
) -> Gate:
    """Compare a run with a pin.

    Args:
        forgotten: benchmark task → its `harness.benchmarks.forgetting.Forgetting`.
        allow_missing: judge the shared examples even if pinned ones are missing or have other contents.
        notes: what is already known about the two sides, to be repeated in the result.

    Raises:
        ConfigError: no example in common, another task, split or scoring, or an example to pass that the
            pin does not have.
    """
    _require_alike(run, pin, rules)
    shared, moved = examples.match(pin.samples, run.samples)
    if not shared:
        raise ConfigError(
            f"no example in common with pin '{pin.name}': scores on other data say nothing",
            remedy="pin a run on the new data",
        )
    flaky = floor.flaky(pin, run)
    recipes = recipe_comparison.between(pin, run)
    metrics = [m for m in rules.margins if m != pin.primary or PRIMARY not in rules.margins]
    total = len(metrics) + len(rules.benchmarks) + len(rules.forgetting)
    checks = [_metric(name, rules.margins[name], shared, run, pin, total) for name in metrics]
    checks += [
        benchmark_checks.against_pin(task, margin, run, pin, total)
        for task, margin in rules.benchmarks.items()
    ]
    checks += [
        benchmark_checks.forgetting(task, margin, (forgotten or {}).get(task), total)
        for task, margin in rules.forgetting.items()
    ]
    must = tuple(_must_pass(rules, run, pin, flaky))
    errors = tuple(new.id for _, new in shared if new.values.get(pin.primary) is None)
    states = {check.state for check in checks} | {item.state for item in must}
    states |= {"error"} if errors or (moved.not_judged and not allow_missing) else set()
    order: tuple[Verdict, ...] = ("regression", "error", "inconclusive")
    verdict: Verdict = next((state for state in order if state in states), "passed")
    allowed = verdict == "inconclusive" and allow_inconclusive
    return Gate(
        run=run.name,
        pin=pin.name,
        verdict=verdict,
        exit_code=0 if allowed else CODES[verdict],
        checks=tuple(checks),
        must_pass=must,
        errors=errors,
        flips=flips.between(pin, run),
        changed=config_diff.between(pin, run),
        flaky=flaky,
        notes=(*notes, *_notes(run, pin, checks, rules, recipes)),
        examples=moved,
        allow_missing=allow_missing,
        recipes=recipes,
        labels={sample.id: sample.label for sample in (*pin.samples, *run.samples) if sample.label},
    )


def _require_alike(run: Snapshot, pin: Snapshot, rules: Rules) -> None:
    """Raise if the scores of the two sides measure different things."""
    for what in ("name", "primary"):
        if getattr(run.head.task, what) != getattr(pin.head.task, what):
            raise ConfigError(
                f"the pin's task {what} is {getattr(pin.head.task, what)}, "
                f"the run's {getattr(run.head.task, what)}",
                remedy="gate a run of the pinned task, or pin again",
            )
    if run.head.split != pin.head.split:
        raise ConfigError(f"the pin is of {pin.head.split}, the run of {run.head.split}")
    unlike = [item for item in likeness.scored(pin.head.task, run.head.task, rules.margins) if item.known]
    if unlike:
        raise ConfigError(
            f"the run was scored in another way than pin '{pin.name}': "
            + "; ".join(item.sentence for item in unlike),
            remedy="pin again: repeat the pinned run's command (its stored answers are scored again) and pin it",
        )


def _metric(
    name: str,
    margin: float,
    shared: Shared,
    run: Snapshot,
    pin: Snapshot,
    total: int,
) -> MetricCheck:
    relative = name in RELATIVE
    if name == "latency" and (reason := _other_machine(run, pin)):
        return MetricCheck(metric=name, state="skipped", margin=margin, relative=True, reason=reason)
    scorer = pin.primary if name == PRIMARY else name
    rows = [(_value(a, scorer), _value(b, scorer), a.group) for a, b in shared]
    known = [(a, b, group) for a, b, group in rows if a is not None and b is not None]
    if name == "latency" and len(known) < 2:
        return MetricCheck(
            metric=name, state="skipped", margin=margin, relative=True, reason="answers came from the cache"
        )
    varies = name == PRIMARY and not floor.same_weights(run, pin)
    pairs = Pairs(
        metric=name,
        before=np.array([a for a, _, _ in known], dtype=float),
        after=np.array([b for _, b, _ in known], dtype=float),
        groups=[group for _, _, group in known],
        binary=name in VALIDITY or pin.binary(scorer),
        relative=relative,
        noise=floor.pooled(pin, run) if varies else None,
        bound=math.inf if relative else 1.0,
        identical=not relative and all(a.output == b.output for a, b in shared) and _unchanged(known),
        trained=varies and (floor.trained(run) or floor.trained(pin)),
    )
    return metric_check.check(pairs, margin, comparisons=total)


def _unchanged(rows: list[tuple[float, float, str | None]]) -> bool:
    return bool(rows) and all(before == after for before, after, _ in rows)


def _value(sample: Sample, scorer: str) -> float | None:
    if scorer == "latency":
        return sample.seconds
    if scorer == "cost":
        return float(sample.tokens)
    if sample.status == "error":
        return None
    if scorer in VALIDITY:
        return float(getattr(sample, scorer))
    return sample.values.get(scorer)


def _other_machine(run: Snapshot, pin: Snapshot) -> str:
    old, new = pin.head.machine, run.head.machine
    differing = [name for name in _MACHINE if getattr(old, name) != getattr(new, name)]
    return f"another machine ({', '.join(differing)}): seconds cannot be compared" if differing else ""


def _must_pass(rules: Rules, run: Snapshot, pin: Snapshot, flaky: tuple[str, ...]) -> Iterator[MustPass]:
    old = {sample.id: sample for sample in pin.samples}
    new = {sample.id: sample for sample in run.samples}
    for id in rules.must_pass:
        if id not in old:
            raise ConfigError(f"must_pass example '{id}' is not in pin '{pin.name}'", remedy="pin again")
        before, sample = old[id].values.get(pin.primary), new.get(id)
        sample = None if sample is None or sample.example != old[id].example else sample
        after = None if sample is None else sample.values.get(pin.primary)
        state: Literal["passed", "regression", "error"] = "error"
        if after is not None:
            state = "regression" if after < (before or 0.0) else "passed"
        failure = None if sample is None else sample.failure
        yield MustPass(id=id, state=state, before=before, after=after, failure=failure, flaky=id in flaky)


def _notes(
    run: Snapshot,
    pin: Snapshot,
    checks: Sequence[MetricCheck],
    rules: Rules,
    recipes: RecipeComparison | None,
) -> Iterator[str]:
    if run.head.id and run.head.id == pin.head.id:
        yield "this is the pinned run itself: nothing new was judged"
    for item in likeness.answered(pin.head.versions, run.head.versions):
        if item.known:
            yield f"made with other library versions: {item.sentence}"
    unlike = likeness.scored(pin.head.task, run.head.task, rules.margins)
    unknown = [item.fact for item in unlike if not item.known]
    if unknown:
        yield f"not recorded on one side, assumed to be the same: {', '.join(unknown)}"
    if floor.same_weights(run, pin):
        yield "both use the same trained weights: training noise affects both equally"
    if recipes is not None:
        yield recipes.noise
    for record in floor.known(pin, run) if recipes is None else ():
        yield f"noise floor: {100 * record.variance**0.5:.2f} points between runs ({record.runs or '?'} runs)"
    if any(check.provisional for check in checks):
        yield (
            "no noise floor measured: training varies from seed to seed, so the verdict is provisional; "
            "measure it with --aa 3, or run the recipe with --seeds 3"
        )
    groups = [check.reason for check in checks if check.state == "passed" and "groups:" in check.reason]
    yield from dict.fromkeys(groups)
