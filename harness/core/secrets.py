"""Keys and passwords: what looks like one in an address or a command line is recorded nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.core.errors import ConfigError

HIDDEN = "***"
_NAMED = re.compile(r"(?i)((?:^|[-_?&#,])[\w.-]*(?:key|token|secret|password|passwd)=)[^&#,\s]+")
_IN_ADDRESS = re.compile(r"(\w+://)[^/@\s]+@")


def hidden(text: str) -> str:
    """`text` with passwords in addresses and values of secret names replaced by ***."""
    return _NAMED.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text))


def refuse_in_model(spec: str) -> None:
    """A model's address becomes part of every run, so it must hold no password and no key.

    Raises:
        ConfigError: it does; the message does not repeat it.
    """
    if spec.startswith("openai:") and hidden(spec) != spec:
        raise ConfigError(
            f"the address of '{hidden(spec)}' holds a password or key, which every run would record",
            remedy="leave it out and give it in the environment: HARNESS_API_KEY",
        )


def refuse_in_models(value: object) -> None:
    """The same for every text of a recipe or scorer, whichever field names a model.

    Raises:
        ConfigError: as `refuse_in_model`.
    """
    if isinstance(value, str):
        refuse_in_model(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            refuse_in_models(item)
    elif isinstance(value, Sequence):
        for item in value:
            refuse_in_models(item)
