"""A task file's `gate:` is checked by `harness validate`: what is wrong, on which line, and the nearest name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness import cli
from harness.core.errors import ConfigError
from harness.regression.gate_rules import of_task, parse
from harness.tasks.load import load


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("  primery: 0.02", "did you mean 'primary'"),
        ("  exakt: 0.02", "did you mean 'exact'"),
        ("  primary: 2", "less than 1"),
        ("  latency: fast", "gate.latency"),
        ("  benchmarks: {arc_easy: 0}", "gate.benchmarks.arc_easy"),
        ("  must_pass: [test-1, test-99]", "'test-99' is no test example"),
        ("  must_pass: test-1", "gate.must_pass"),
    ],
)
def test_validate_refuses_with_the_line(
    tiny_task: Path,
    gate: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tiny_task / "task.yaml"
    above = file.read_text().rstrip("\n").count("\n") + 1
    with file.open("a") as stream:
        stream.write(f"gate:\n{gate}\n")
    monkeypatch.setattr(sys, "argv", ["harness", "validate", str(tiny_task)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    output = capsys.readouterr().err
    assert left.value.code == 2
    assert message in output
    assert f"task.yaml:{above + 2}" in output


def test_a_good_gate_is_read(tiny_task: Path) -> None:
    with (tiny_task / "task.yaml").open("a") as stream:
        stream.write("gate: {primary: 0.05, exact: 0.1, forgetting: {piqa: 0.02}, must_pass: [test-1]}\n")
    rules = of_task(load(str(tiny_task)))
    assert rules.margins == {"primary": 0.05, "exact": 0.1}
    assert (dict(rules.forgetting), rules.must_pass) == ({"piqa": 0.02}, ("test-1",))
    assert of_task(load(str(tiny_task)), 0.2).margins["primary"] == 0.2


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"primery": 0.02}, "did you mean 'primary'"),
        ({"primary": True}, "between 0 and 1"),
        ({"must_pass": "e1"}, "list of example ids"),
        ({"benchmarks": 0.1}, "must map tasks"),
    ],
)
def test_rules_made_in_python_are_checked_too(gate: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(gate, scorers=["exact"], default=0.02)
