"""From `--executor` to an executor: `local`, `processes:4`, `ray:ADDRESS`, or a YAML mapping."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from harness.core.errors import ConfigError
from harness.core.execution import Executor
from harness.core.kinds import Spec, build, lookup


def executor(spec: Spec) -> Executor:
    """The executor that a user names; every setting can be given as `{kind: ray, gpus: 1}`.

    Raises:
        ConfigError: unknown kind or setting, or a value that does not fit.
    """
    chosen: Executor = build("executors", _fields(spec) if isinstance(spec, str) else spec, file="--executor")
    return chosen


def _fields(text: str) -> Mapping[str, object]:
    if text.lstrip().startswith("{"):
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            first = str(error).splitlines()[0]
            raise ConfigError(
                f"not YAML: {first}", file="--executor", remedy="{kind: ray, gpus: 1}"
            ) from None
        return dict(value)
    kind, colon, value = text.partition(":")
    if not colon:
        return {"kind": kind}
    cls: type[Executor] = lookup("executors", kind)
    argument = cls.argument
    if not argument:
        raise ConfigError(f"'{kind}' takes no '{value}'", file="--executor", remedy=f"write: {kind}")
    return {"kind": kind, argument: value}
