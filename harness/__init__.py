"""Prompt, retrieve or finetune? The same task, the same split, every method, one verdict.

    import harness

    done = harness.run("support_tickets", recipes=["zero_shot", "few_shot", "lora"], limit=50)
    done                                            # in a notebook: the verdict and its pictures
    harness.load("results").table("runs").df()      # also .arrow() and .pl()

Every name of `dir(harness)` is imported when it is first asked for: importing this package imports
neither torch nor DuckDB.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import import_logs, load, run
    from harness.core.protocols import Format, Program, Scorer, Task, Weights
    from harness.core.recipes import Recipe

    __version__: str

_PROTOCOLS = "harness.core.protocols"
_HOMES = {
    **dict.fromkeys(("import_logs", "load", "run"), "harness.api"),
    **dict.fromkeys(("Format", "Program", "Scorer", "Task", "Weights"), _PROTOCOLS),
    "Recipe": "harness.core.recipes",
}
"""Public name -> the module that holds it."""

__all__ = [
    "Format",
    "Program",
    "Recipe",
    "Scorer",
    "Task",
    "Weights",
    "__version__",
    "import_logs",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("finetune-or-prompt-harness")
        except metadata.PackageNotFoundError:  # source files that were never installed
            return "unknown"
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
