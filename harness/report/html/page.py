"""Turning values into HTML: one Jinja environment that escapes everything.

Two things besides escaping keep text from models harmless and visible: characters that no
page can show are replaced by their control pictures, and direction marks are spelled out, because they can
make a line read differently from its text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from harness.core.finite import finite_json
from harness.core.text import pictured

_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def visible(text: str) -> str:
    """`text` with control characters, direction marks and lone surrogates made visible."""
    text = pictured(_SURROGATE.sub("\ufffd", text))
    return _DIRECTION.sub(lambda m: f"⟦U+{ord(m[0]):04X}⟧", text)


def html(template: str, **values: object) -> Markup:
    """Render a template; every value that is not Markup is escaped."""
    return Markup(_compiled(template).render(**values))


def embedded_json(value: object) -> Markup:
    """JSON that is safe inside `<script type="application/json">`; NaN and infinities become null.

    No character in it can end the element or start a comment in it; a script reads it with
    `JSON.parse`.
    """
    text = _SURROGATE.sub("\ufffd", finite_json(value, compact=True))
    return Markup(re.sub("[<>&\u2028\u2029]", lambda m: _UNSAFE_IN_SCRIPT[m[0]], text))


def policy(css: str, js: str = "") -> str:
    """Content-Security-Policy: nothing is loaded, and only this style and this script run."""
    script = _hash(js) if js else "'none'"
    return (
        f"default-src 'none'; script-src {script}; style-src {_hash(css)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(value: object) -> object:
    """What `{{ }}` prints: Markup as it is, text made visible, nothing for None."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    from harness.core import formatting

    made = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= formatting.FILTERS
    return made


@cache
def _compiled(template: str) -> Template:
    return _environment().from_string(template)


def asset(kind: str) -> str:
    """All files of `assets/` with this suffix, by name, as one text without a final newline."""
    folder = resources.files("harness.report.html") / "assets"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(f".{kind}"))
    return "\n".join((folder / name).read_text(encoding="utf-8").strip() for name in names)
