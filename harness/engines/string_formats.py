"""The `format` names of JSON Schema as regular expressions, one for each: the validator and the grammar share them.

Both ignore other names, as the specification allows.
"""

from __future__ import annotations

_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = (
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP}-02-29)"
)
_TIME = (
    r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_HEX = "[0-9A-Fa-f]{1,4}"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DAYS = "[0-9]+D"
_SECONDS = r"[0-9]+(\.[0-9]{1,9})?S"
_CLOCK = f"T([0-9]+H([0-9]+M)?({_SECONDS})?|[0-9]+M({_SECONDS})?|{_SECONDS})"
_CALENDAR = f"([0-9]+Y([0-9]+M)?({_DAYS})?|[0-9]+M({_DAYS})?|{_DAYS})"


def _ipv6() -> str:
    """RFC 4291's forms: eight groups, or fewer around one `::`, the last two optionally as IPv4."""
    tail = f"({_HEX}:{_HEX}|{_IPV4})"
    forms = [f"({_HEX}:){{6}}{tail}"]
    for before in range(8):
        head = f"({_HEX}(:{_HEX}){{0,{before - 1}}})?" if before else ""
        after = 5 - before
        if after >= 0:
            groups = f"({_HEX}:){{{after}}}{tail}"
            forms.append(f"{head}::{groups}")
        else:
            forms.append(f"{head}::" + (_HEX if after == -1 else ""))
    return f"({'|'.join(forms)})"


FORMATS = {
    "date": _DATE,
    # The offset, which RFC 3339 requires, is optional: isoformat() and pydantic omit it for naive times.
    "date-time": f"{_DATE}[Tt ]{_TIME}",
    "time": _TIME,
    # A sign and fractions of a second are allowed: pydantic writes them.
    "duration": f"-?P({_CALENDAR}({_CLOCK})?|{_CLOCK}|[0-9]+W)",
    "email": rf"{_ATOM}(\.{_ATOM})*@{_HOST}",
    "hostname": _HOST,
    "ipv4": _IPV4,
    "ipv6": _ipv6(),
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*",
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
"""RFC 3339 (dates and times), ISO 8601 as RFC 3339 writes it (durations), RFC 5321, 1123, 2673, 4291, 3986, 9562."""


def pattern(name: str) -> str | None:
    """The anchored regular expression of a format; None for a name that is not checked."""
    return f"^({FORMATS[name]})$" if name in FORMATS else None
