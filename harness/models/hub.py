"""The model hub: whether it can be reached at all."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

from harness.core.errors import ConfigError, nearest


def check_reachable(spec: str, bundled: tuple[str, ...]) -> None:
    """Raise at once if the hub's address does not resolve. The hub's own library tries for 40 seconds, which
    is long for a misspelled name on a machine without a network.

    Behind a proxy, names are not resolved here, so nothing is checked.

    Args:
        spec: what the user named.
        bundled: names that need no hub.

    Raises:
        ConfigError: there is neither a way to the hub nor a copy in its cache.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if isinstance(try_to_load_from_cache(spec, "config.json"), str):
            return
    except HFValidationError:
        return  # not a hub id: the code that loads it says so
    address = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or urllib.request.getproxies():
        return
    try:
        socket.getaddrinfo(address.hostname, address.port or 443)
    except OSError:
        raise ConfigError(
            f"'{spec}' is not a model on this machine, and the hub at {address.hostname} cannot be reached",
            remedy=f"{nearest(spec, bundled)}; or a folder, gguf:FILE, a server: openai:NAME@URL",
        ) from None
