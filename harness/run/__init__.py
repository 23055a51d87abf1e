"""Running experiments. `harness.run` is this package and, from Python, also the function of that name."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """`harness.run(...)` must go on to mean `harness.api.run` once `harness.run.session` was imported."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        from harness.api import run

        return run(*given, **named)


sys.modules[__name__].__class__ = _Callable
