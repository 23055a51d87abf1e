"""What every logger owes: it says before any work what is missing, and its settings are plain values."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build, names
from harness.runner.loggers._base import Logger


class NoPackages(MetaPathFinder):
    """A machine on which nothing but Python and the harness is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if top in sys.stdlib_module_names or top == "harness":
            return None
        raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)


@pytest.fixture(params=names("loggers"))
def logger(request: pytest.FixtureRequest) -> Logger:
    built: Logger = build("loggers", request.param)
    return built


def test_a_missing_package_is_an_error_of_configuration_with_the_command_that_installs_it(
    logger: Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if top in ("mlflow", "tensorboard", "trackio", "wandb"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoPackages(), *sys.meta_path])
    with pytest.raises(ConfigError, match=f"--log-to .*{logger.name()}.*pip install"):
        logger.check()


def test_importing_a_logger_imports_no_tracker(logger: Logger) -> None:
    assert importlib.util.find_spec(type(logger).__module__) is not None
    assert not [
        name for name, value in vars(sys.modules[type(logger).__module__]).items() if name == logger.name()
    ]


def test_the_resolved_configuration_builds_the_same(logger: Logger) -> None:
    again = build("loggers", json.loads(json.dumps(logger.config())))
    assert again == logger
