"""`https:` for task files of strangers: it reaches the public internet, but not this machine or its network.

Names are looked up once for each connection, redirects included, and the connection goes to the very address
that was checked: a name that resolves differently the next time changes nothing.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: the same, within one network."""
SCHEMES = ("http", "https")


class PrivateAddressError(Exception):
    """An address of this machine, of a private network, or otherwise not public; a retry would not change
    that."""


def refuse_private(address: str) -> None:
    """
    Raises:
        PrivateAddressError: not an address of the public internet.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    plain = _within(ip) if isinstance(ip, ipaddress.IPv6Address) else ip
    if not plain.is_global or plain.is_multicast or (plain.version == 6 and plain in _NAT64_LOCAL):
        raise PrivateAddressError(f"it leads to {plain}, which is no address of the public internet")


def _within(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if any."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


async def client(**options: object) -> aiohttp.ClientSession:
    """The HTTP client that fsspec uses."""
    import aiohttp

    class Public(aiohttp.TCPConnector):
        async def _resolve_host(self, host: str, port: int, traces: object = None) -> list[ResolveResult]:
            addresses = await super()._resolve_host(host, port, traces)  # type: ignore[arg-type]
            for address in addresses:
                refuse_private(address["host"])
            return addresses

    return aiohttp.ClientSession(connector=Public(), **options)  # type: ignore[arg-type]
