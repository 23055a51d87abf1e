"""A run against a pin: every metric of the task's rules, the examples that must pass, one verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.core.errors import ConfigError
from harness.regression import config_diff, metric_check
from harness.regression import example_flips as flips
from harness.regression.gate_rules import PRIMARY, RELATIVE, VALIDITY, Rules
from harness.regression.metric_check import MetricCheck, Pairs
from harness.results.pins import Sample, Snapshot

Verdict = Literal["passed", "regression", "error", "inconclusive"]
CODES: Mapping[str, int] = {"passed": 0, "regression": 1, "error": 3, "inconclusive": 4}
_MACHINE = ("cpu", "cores", "gpu")


@dataclass(frozen=True, kw_only=True)
class MustPass:
    """One example that must not break: it must score no lower than in the pin."""

    id: str
    state: Literal["passed", "regression", "error"]
    before: float | None
    after: float | None
    failure: str | None = None
    flaky: bool = False
    """Whether reruns of the pinned recipe gave it different scores."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The verdict of one gate, with everything that it rests on."""

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

    @property
    def sentence(self) -> str:
        return {
            "passed": f"{self.run} is not worse than {self.pin}",
            "regression": f"{self.run} is worse than {self.pin}: {', '.join(self._in('regression'))}",
            "error": f"{self.run} could not be judged: {', '.join(self._in('error')) or 'answers failed'}",
            "inconclusive": f"cannot tell whether {self.run} is worse than {self.pin}: "
            f"{', '.join(self._in('inconclusive'))}",
        }[self.verdict]

    def _in(self, state: str) -> list[str]:
        checks = [c.metric for c in self.checks if c.state == state]
        return checks + [m.id for m in self.must_pass if m.state == state]

    def to_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        return plain | {"sentence": self.sentence}


def judge(
    run: Snapshot,
    pin: Snapshot,
    rules: Rules,
    *,
    forgotten: Mapping[str, Any] | None = None,
    allow_inconclusive: bool = False,
) -> Gate:
    """Hold a run against a pin.

    `forgotten` maps a benchmark task to its `harness.benchmarks.forgetting.Forgetting`.

    Raises:
        ConfigError: other examples, or an example to pass that the pin does not have.
    """
    shared = _shared(run, pin)
    noise = run.noise or pin.noise
    flaky = tuple(item["id"] for item in (noise or {}).get("flaky", ()))
    metrics = [m for m in rules.margins if m != pin.primary or PRIMARY not in rules.margins]
    total = len(metrics) + len(rules.benchmarks) + len(rules.forgetting)
    found = [_metric(name, rules.margins[name], shared, run, pin, noise, total) for name in metrics]
    found += [_benchmark(task, margin, run, pin, total) for task, margin in rules.benchmarks.items()]
    found += [
        _forgetting(task, margin, (forgotten or {}).get(task)) for task, margin in rules.forgetting.items()
    ]
    must = tuple(_must_pass(rules, run, pin, flaky))
    errors = tuple(new.id for _, new in shared if new.values.get(pin.primary) is None)
    states = {check.state for check in found} | {item.state for item in must}
    states |= {"error"} if errors or not shared else set()
    order: tuple[Verdict, ...] = ("regression", "error", "inconclusive")
    verdict: Verdict = next((state for state in order if state in states), "passed")
    allowed = verdict == "inconclusive" and allow_inconclusive
    return Gate(
        run=run.name,
        pin=pin.name,
        verdict=verdict,
        exit_code=0 if allowed else CODES[verdict],
        checks=tuple(found),
        must_pass=must,
        errors=errors,
        flips=flips.between(pin, run),
        changed=config_diff.between(pin, run),
        flaky=flaky,
        notes=tuple(_notes(pin, shared, noise)),
    )


Shared = list[tuple[Sample, Sample]]


def _shared(run: Snapshot, pin: Snapshot) -> Shared:
    """(pinned, new) of every example that both have."""
    for what in ("name", "primary"):
        if run.head["task"][what] != pin.head["task"][what]:
            raise ConfigError(
                f"the pin's task {what} is {pin.head['task'][what]}, the run's {run.head['task'][what]}",
                remedy="gate a run of the pinned task, or pin again",
            )
    if run.head["split"] != pin.head["split"]:
        raise ConfigError(f"the pin is of {pin.head['split']}, the run of {run.head['split']}")
    old = {sample.id: sample for sample in pin.samples}
    shared = [(old[sample.id], sample) for sample in run.samples if sample.id in old]
    other = [new.id for before, new in shared if before.example != new.example]
    if other or not shared:
        what = f"{len(other)} examples changed, {other[0]} first" if other else "no example in common"
        raise ConfigError(f"{what}: scores on other data say nothing", remedy="pin a run on the new data")
    return shared


def _metric(
    name: str,
    margin: float,
    shared: Shared,
    run: Snapshot,
    pin: Snapshot,
    noise: Mapping[str, Any] | None,
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
    pairs = Pairs(
        metric=name,
        before=np.array([a for a, _, _ in known], dtype=float),
        after=np.array([b for _, b, _ in known], dtype=float),
        groups=[group for _, _, group in known],
        binary=name in VALIDITY or pin.binary(scorer),
        relative=relative,
        noise=metric_check.noise_of(dict(noise or {})) if name == PRIMARY else None,
    )
    return metric_check.check(pairs, margin, comparisons=total)


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
    old, new = pin.head.get("machine") or {}, run.head.get("machine") or {}
    differing = [name for name in _MACHINE if old.get(name) != new.get(name)]
    return f"other machine ({', '.join(differing)}): seconds cannot be compared" if differing else ""


def _benchmark(task: str, margin: float, run: Snapshot, pin: Snapshot, total: int) -> MetricCheck:
    """The first metric of a benchmark that both measured in the same way, paired by document."""
    name = f"benchmarks.{task}"
    same = ("task", "metric", "num_fewshot", "example_limit")
    new = {tuple(row[k] for k in same): row for row in run.benchmarks if row["task"] == task}
    old = {tuple(row[k] for k in same): row for row in pin.benchmarks if row["task"] == task}
    key = next((key for key in old if key in new), None)
    if key is None:
        missing = run.name if not new else pin.name if not old else "the same metric and settings"
        remedy = f"not measured by {missing}: harness benchmark RUN --tasks {task}"
        return MetricCheck(metric=name, state="error", margin=margin, reason=remedy)
    before, after = old[key]["values"], new[key]["values"]
    ids = [document for document in before if document in after]
    sign = -1.0 if old[key].get("higher_is_better") is False else 1.0
    a = sign * np.array([before[id] for id in ids], dtype=float)
    b = sign * np.array([after[id] for id in ids], dtype=float)
    binary = bool(np.isin(np.concatenate([a, b]), (0.0, 1.0)).all())
    pairs = Pairs(metric=name, before=a, after=b, groups=[None] * len(ids), binary=binary)
    return metric_check.check(pairs, margin, comparisons=total)


def _forgetting(task: str, margin: float, found: Any) -> MetricCheck:
    name = f"forgetting.{task}"
    if found is None:
        remedy = f"not measured on run and base: harness benchmark RUN --tasks {task}"
        return MetricCheck(metric=name, state="error", margin=margin, reason=remedy)
    state: metric_check.State = (
        "passed" if found.low > -margin else "regression" if found.high < 0 else "inconclusive"
    )
    return MetricCheck(
        metric=name,
        state=state,
        margin=margin,
        before=found.before,
        after=found.after,
        change=found.change,
        low=found.low,
        high=found.high,
        n=found.n,
        examples_needed=None if state == "inconclusive" else 0,
    )


def _must_pass(rules: Rules, run: Snapshot, pin: Snapshot, flaky: tuple[str, ...]) -> Iterator[MustPass]:
    old = {sample.id: sample for sample in pin.samples}
    new = {sample.id: sample for sample in run.samples}
    for id in rules.must_pass:
        if id not in old:
            raise ConfigError(f"must_pass example '{id}' is not in pin '{pin.name}'", remedy="pin again")
        before, sample = old[id].values.get(pin.primary), new.get(id)
        after = None if sample is None else sample.values.get(pin.primary)
        state: Literal["passed", "regression", "error"] = "error"
        if after is not None:
            state = "regression" if after < (before or 0.0) else "passed"
        failure = None if sample is None else sample.failure
        yield MustPass(id=id, state=state, before=before, after=after, failure=failure, flaky=id in flaky)


def _notes(pin: Snapshot, shared: Shared, noise: Mapping[str, Any] | None) -> Iterator[str]:
    if len(shared) < len(pin.samples):
        yield f"{len(shared)} of the pin's {len(pin.samples)} examples were asked"
    if noise is None:
        yield "no noise floor measured (--aa N): only the sampling of examples is allowed for"
    else:
        yield f"noise floor: {100 * noise['sd']:.2f} points from run to run ({noise['runs']} runs)"
