"""The gate: what passes, what is red, what cannot be told, on data whose truth is known."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.evidence.verdict_text import round_up
from harness.regression import config_diff, example_flips, gate_text, junit, noise_floor
from harness.regression.gate import judge
from harness.regression.gate_rules import Rules
from harness.results import pins
from tests.unit.regress_kit import snapshot

RULES = Rules(margins={"primary": 0.02})


def _pair(
    rng: np.random.Generator, n: int, flip: float, loss: float = 0.0
) -> tuple[list[float], list[float]]:
    """0/1 scores of two runs that agree except on a share `flip`, with a true loss on top."""
    before = (rng.random(n) < 0.7).astype(float)
    other = (rng.random(n) < 0.7).astype(float)
    after = np.where(rng.random(n) < flip, other, before)
    after = np.where((rng.random(n) < loss / 0.7) & (after == 1.0), 0.0, after)
    return before.tolist(), after.tolist()


def test_a_against_a_passes_95_of_100_times_on_resampled_data() -> None:
    """Reruns that differ by chance alone, resampled from one pool of answers, with enough examples."""
    rng = np.random.default_rng(1)
    first, second = (np.array(side) for side in _pair(rng, 2000, 0.03))
    # Each pair both ways round: a pool in which the two are exactly equal on average.
    before, after = np.concatenate([first, second]), np.concatenate([second, first])
    passed = 0
    for _ in range(100):
        drawn = rng.integers(0, 4000, 800)
        gate = judge(snapshot(after[drawn].tolist()), snapshot(before[drawn].tolist()), RULES)
        passed += gate.exit_code == 0
    assert passed >= 95


@pytest.mark.parametrize("n", [30, 200])
def test_a_against_a_is_red_at_most_5_of_100_times_at_any_size(n: int) -> None:
    rng = np.random.default_rng(n)
    verdicts = []
    for _ in range(100):
        before, after = _pair(rng, n, 0.3)
        verdicts.append(judge(snapshot(after), snapshot(before), RULES).verdict)
    assert verdicts.count("regression") <= 5
    assert verdicts.count("inconclusive") >= 50, "so noisy a pair of so few examples cannot be told"


def test_a_loss_of_two_points_that_n_cannot_resolve_is_inconclusive_with_a_number() -> None:
    before = [1.0] * 140 + [0.0] * 60
    after = [0.0] * 10 + [1.0] * 130 + [1.0] * 6 + [0.0] * 54  # 10 lost, 6 gained: −2 points
    gate = judge(snapshot(after), snapshot(before), RULES)
    check = gate.checks[0]
    assert (gate.verdict, gate.exit_code) == ("inconclusive", 4)
    assert check.change == pytest.approx(-0.02)
    assert check.examples_needed is not None
    assert check.examples_needed > 100
    assert check.examples_needed < round_up(check.examples_needed) <= 1.1 * check.examples_needed
    assert f"about {round_up(check.examples_needed):,} more examples would settle it" in gate_text.text(gate)
    allowed = judge(snapshot(after), snapshot(before), RULES, allow_inconclusive=True)
    assert (allowed.verdict, allowed.exit_code) == ("inconclusive", 0)


def test_a_gate_says_why_compare_shows_a_wider_interval_for_the_same_pair() -> None:
    gate = judge(snapshot([0.0] * 10 + [1.0] * 50), snapshot([1.0] * 50 + [0.0] * 10), RULES)
    assert "brackets are 95 % intervals" in gate_text.text(gate)
    assert "computed at 97 %" in gate_text.markdown(gate)


def test_with_the_examples_it_asks_for_the_loss_is_found() -> None:
    before = ([1.0] * 140 + [0.0] * 60) * 20
    after = ([0.0] * 10 + [1.0] * 130 + [1.0] * 6 + [0.0] * 54) * 20
    assert judge(snapshot(after), snapshot(before), RULES).exit_code == 1


def test_a_planted_regression_is_found_and_its_category_named() -> None:
    rng = np.random.default_rng(3)
    meta = [
        {"trouble": ["slow", "charged", "broken"][i % 3], "line": ["VD", "KX"][i % 2]} for i in range(300)
    ]
    before = (rng.random(300) < 0.8).astype(float).tolist()
    after = [0.0 if item["trouble"] == "charged" else v for v, item in zip(before, meta, strict=True)]
    gate = judge(snapshot(after, meta=meta), snapshot(before), RULES)
    assert gate.exit_code == 1
    assert [(c.field, c.value) for c in gate.flips.categories] == [("trouble", "charged")]
    assert gate.flips.categories[0].others_lost == 0
    assert "trouble = charged" in gate_text.markdown(gate)


def test_losses_spread_evenly_name_no_category() -> None:
    rng = np.random.default_rng(5)
    named = 0
    for _ in range(40):
        meta = [{"kind": f"k{k}"} for k in rng.integers(0, 6, 200)]
        after = (rng.random(200) < 0.85).astype(float).tolist()
        named += bool(example_flips.between(snapshot([1.0] * 200), snapshot(after, meta=meta)).categories)
    assert named <= 4


def test_the_noise_floor_makes_a_difference_between_seeds_no_regression() -> None:
    before, after = [1.0] * 900 + [0.0] * 100, [1.0] * 860 + [0.0] * 140
    assert judge(snapshot(after), snapshot(before), RULES).exit_code == 1
    floor = {"variance": 0.03**2, "df": 4.0, "sd": 0.03, "runs": 5, "flaky": [{"id": "e3"}]}
    floored = judge(snapshot(after), snapshot(before, noise=floor), RULES)
    assert floored.exit_code == 4
    assert floored.flaky == ("e3",)


def test_noise_is_measured_from_seeds_and_flaky_examples_are_named() -> None:
    rng = np.random.default_rng(0)
    base = (rng.random(400) < 0.7).astype(float)
    runs = [
        snapshot(np.where(rng.random(400) < p, 0.0, base).tolist(), seed=i) for i, p in enumerate((0, 0.2))
    ]
    record = noise_floor.summarise(runs[0], runs[1:], [runs[0]])
    means = [np.mean([s.values["exact"] for s in run.samples]) for run in runs]
    assert record.variance >= float(np.var(means, ddof=1)) / 2
    assert record.deterministic is True
    changed = {f"e{i}" for i in range(400) if runs[0].samples[i].values != runs[1].samples[i].values}
    assert {item.id for item in record.flaky} == changed
    odd = noise_floor.summarise(runs[0], [], [runs[1]])
    assert odd.deterministic is False
    assert odd.flaky[0].where == "same seed"


def test_an_execution_error_is_code_3_and_never_a_wrong_answer() -> None:
    before = [1.0] * 200
    gate = judge(snapshot([None, *before[1:]]), snapshot(before), RULES)
    assert (gate.exit_code, gate.errors, gate.checks[0].state) == (3, ("e0",), "passed")
    assert gate.checks[0].after == 1.0


def test_must_pass_examples_gate_one_by_one() -> None:
    before = [1.0] * 400
    rules = Rules(margins={"primary": 0.2}, must_pass=("e7", "e8"))
    gate = judge(snapshot([*before[:7], 0.0, *before[8:]]), snapshot(before), rules)
    assert gate.checks[0].state == "passed"
    assert [(m.id, m.state) for m in gate.must_pass] == [("e7", "regression"), ("e8", "passed")]
    assert gate.exit_code == 1


def test_latency_and_cost_are_relative_and_latency_is_not_compared_across_machines() -> None:
    rules = Rules(margins={"latency": 0.2, "cost": 0.1})
    old = snapshot([1.0] * 50)
    slow = judge(snapshot([1.0] * 50, seconds=0.15, tokens=105), old, rules)
    assert [(c.metric, c.state) for c in slow.checks] == [("latency", "regression"), ("cost", "passed")]
    assert slow.checks[0].change == pytest.approx(-0.5)
    elsewhere = snapshot([1.0] * 50, seconds=0.15, machine={"cpu": "other", "cores": 2, "gpu": None})
    assert judge(elsewhere, old, rules).checks[0].state == "skipped"


def test_benchmarks_are_paired_by_document_and_a_missing_one_is_an_error() -> None:
    def row(values: list[float]) -> dict[str, object]:
        return {
            **{"task": "arc", "metric": "acc", "num_fewshot": 0, "example_limit": None},
            **{"higher_is_better": True, "values": {str(i): v for i, v in enumerate(values)}},
        }

    rules = Rules(margins={"primary": 0.02}, benchmarks={"arc": 0.05})
    old = snapshot([1.0] * 200, benchmarks=[row([1.0] * 100)])
    worse = judge(snapshot([1.0] * 200, benchmarks=[row([0.0] * 30 + [1.0] * 70)]), old, rules)
    assert [c.state for c in worse.checks] == ["passed", "regression"]
    missing = judge(snapshot([1.0] * 200), old, rules)
    assert missing.exit_code == 3
    assert "harness benchmark" in missing.checks[1].reason


def test_other_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match="no example in common"):
        judge(snapshot([]), snapshot([1.0]), RULES)


def test_groups_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    before, after = _pair(rng, 300, 0.3)
    alone = judge(snapshot(after), snapshot(before), RULES).checks[0]
    # Every answer ten times: ten times the rows, no more information.
    groups = [f"g{i}" for i in range(300) for _ in range(10)]
    old = [v for v in before for _ in range(10)]
    new = [v for v in after for _ in range(10)]
    tenfold = judge(snapshot(new, groups=groups), snapshot(old, groups=groups), RULES).checks[0]
    assert alone.low is not None
    assert tenfold.low is not None
    assert tenfold.low == pytest.approx(alone.low, abs=0.006)


def test_junit_keeps_failures_and_errors_apart() -> None:
    before = [1.0] * 300
    rules = Rules(margins={"primary": 0.02}, must_pass=("e0",))
    gate = judge(snapshot([0.0] * 40 + [None] + [1.0] * 259), snapshot(before), rules)
    root = ET.fromstring(junit.document(gate))
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "1")
    assert [case.get("name") for case in suite if case.find("error") is not None] == ["e40"]
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["primary", "e0"]


def test_what_changed_names_the_model_first() -> None:
    old = snapshot([1.0], versions={"torch": "2.12"}, runtime={"dtype": "bfloat16"})
    new = snapshot([0.0], versions={"torch": "2.13"}, runtime={"dtype": "int8"}, model={"spec": "m2"})
    facts = [difference.fact for difference in config_diff.between(old, new)]
    assert facts[0].startswith("model.")
    assert {"versions.torch", "runtime.dtype", "prompts.answers"} <= set(facts)


def test_a_recorded_null_is_not_called_unrecorded() -> None:
    """No limit means all examples; a fact that one side never wrote down is another thing."""
    old = snapshot([1.0], limit=54, machine={"gpu": "H200"})
    new = snapshot([1.0], limit=None, machine={"gpu": None}, git={"sha": "ab"})
    sentences = [difference.sentence for difference in config_diff.between(old, new)]
    assert "run.limit: 54 → all examples" in sentences
    assert "machine.gpu: H200 → none" in sentences
    assert "git.sha: not recorded → ab" in sentences
    unwritten = {name: value for name, value in new.head.raw.items() if name != "limit"}
    silent = dataclasses.replace(new, head=type(new.head).of(unwritten))
    assert not [item for item in config_diff.between(new, silent) if item.fact == "run.limit"]


def test_a_pin_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    old = snapshot([1.0, 0.0, None], noise={"variance": 0.1})
    path = pins.write(old, "p", tmp_path)
    assert pins.read("p", tmp_path) == pins.Snapshot(**(vars(old) | {"name": "p", "details": {}}))
    assert len(path.read_text().splitlines()) < 90
    pins.write(old, "p1", tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'p1'"):
        pins.read("p11", tmp_path)
