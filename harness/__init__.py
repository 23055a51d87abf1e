"""Prompt, retrieve or finetune? The same task, the same split, every method, one verdict.

    import harness

    done = harness.run("support_tickets", recipes=["zero_shot", "few_shot", "lora"], limit=50)
    done                                            # in a notebook: the verdict and its pictures
    harness.load("results").table("runs").df()      # also .arrow() and .pl()

`run` and `load` come from `harness/api.py` when they are first asked for: importing this package
imports neither torch nor DuckDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import load, run

    __version__: str

__all__ = ["load", "run"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("finetune-or-prompt-harness")
        except metadata.PackageNotFoundError:  # source files that were never installed
            return "unknown"
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    from harness import api

    return getattr(api, name)
