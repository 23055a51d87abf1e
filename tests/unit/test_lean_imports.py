"""What a training does not need is not in memory beside it."""

from __future__ import annotations

import subprocess
import sys

import torch

from harness.models.layers.deferred_compile import compiled_when_called


def imported(code: str) -> set[str]:
    """The modules of a fresh process that has run `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_a_run_imports_neither_arrow_nor_statistics_before_it_trains() -> None:
    modules = imported("import harness.workflows.run, harness.report.build")
    assert not {"pyarrow", "pandas", "scipy.stats", "scipy.optimize"} & modules
    assert "harness.evidence.stats.paired" in modules


def test_adapters_are_imported_without_the_compiler_that_nothing_calls() -> None:
    code = (
        "from harness.models.layers.deferred_compile import compiled_when_called as c\nwith c(): import peft"
    )
    modules = imported(code)
    assert "bitsandbytes" in modules
    assert "torch._inductor.compile_fx" not in modules


def test_a_function_is_compiled_when_it_is_first_called() -> None:
    original = torch.compile
    with compiled_when_called():
        doubled = torch.compile(lambda x: 2 * x, backend="eager")

        @torch.compile(backend="eager")
        def tripled(x: torch.Tensor) -> torch.Tensor:
            return 3 * x

    assert torch.compile is original
    assert float(doubled(torch.ones(()))) == 2.0
    assert float(tripled(torch.ones(()))) == 3.0
    assert tripled.__name__ == "tripled"
