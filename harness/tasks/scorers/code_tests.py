"""Whether a Python answer passes the tests that are its target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.core.kinds import knob
from harness.core.probes import ScorerProbe
from harness.core.protocols import Format, Scorer
from harness.core.values import Example
from harness.tasks.scorers import _sandbox

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class CodeTests(Scorer):
    """1 where the answer's code, followed by the example's tests (asserts), runs to its end.

    The tests are in the column `tests` of the example's meta data, so that the target can be a solution to learn from;
    without one the target is the tests.

    The last code fence of an answer is its code, else the whole answer. The user must allow it (`HARNESS_ALLOW_CODE=1`),
    because the code runs on this machine, in a process with limits on time, memory and files.
    """

    paper = "Chen et al. 2021, Evaluating Large Language Models Trained on Code (HumanEval)"
    binary = True

    tests: str = knob("tests", key_default="tests", doc="the meta column that holds the tests")
    seconds: float = knob(5.0, key_default=5.0, doc="the longest time of one answer's tests")
    megabytes: int = knob(1024, key_default=1024, doc="the most address space of one answer's tests")

    @classmethod
    def probe(cls) -> ScorerProbe:
        return ScorerProbe(
            takes="code",
            right=("def double(x):\n    return 2 * x", "assert double(2) == 4"),
            wrong=("def double(x):\n    return x", "assert double(2) == 4"),
            several_targets=False,
        )

    def for_task(self, form: Format, folder: Path) -> Scorer:
        _sandbox.check_allowed()
        return self

    def score(self, value: object, target: object, example: Example) -> tuple[float, str]:
        _sandbox.check_allowed()
        fences = _FENCE.findall(str(value))
        reason = _result(
            f"{fences[-1] if fences else value}\n\n{example.meta.get(self.tests, target)}",
            self.seconds,
            self.megabytes,
        )
        return float(not reason), reason


@lru_cache(maxsize=1000)
def _result(program: str, seconds: float, megabytes: int) -> str:
    return _sandbox.run_python(program, seconds, megabytes)
