"""Keys and passwords: anything that looks like one, or is one of this process, is never recorded.

Everything that writes text for later (records, reports, logs, tracebacks, the recorded command) calls
`hidden` or `masked`, and whatever a server says goes through `masked` before anything else sees it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

from harness.core.errors import ConfigError

HIDDEN = "***"
KEYS = ("HARNESS_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold a server's key; the first one that is set is used."""
OTHERS = (
    *(
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "WANDB_API_KEY",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
    ),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
    *("AZURE_STORAGE_CONNECTION_STRING", "GITHUB_TOKEN"),
)
"""Environment variables with secrets of libraries that run here and may repeat them in an error."""
SHORTEST = 8
"""Characters of the shortest value that is searched for in texts: `none` and `EMPTY` are words, not
secrets."""
_NAMES = r"(?:key|token|secret|password|passwd)"
_NAMED = re.compile(rf"(?i)((?:^|[-_?&#,;\s\"'{{(\[])[\w.-]*{_NAMES}=)[^&#,\s]+")
_IN_JSON = re.compile(rf"(?i)([\"'][\w.-]*{_NAMES}\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+")
_IN_ADDRESS = re.compile(r"(\w+://)(?:[^/\s:@?#\"']*:(?!\d+(?:/|$))[^\s\"']*|[^/\s?#]*)@")
_SIGNED = re.compile(
    r"(?i)([?&](?:[\w.-]*signature|[\w.-]*credential|sig|code|auth|sas|authorization|awsaccesskeyid|googleaccessid)=)"
    r"[^&#\s\"']+"
)
_SPACED = re.compile(rf"(?i)([\w.-]*{_NAMES}\s*[=:]\s+)\S+")


def api_key() -> str:
    """The key for servers, from the environment, without the line break that files of secrets end in; `none`
    if there is none.

    Raises:
        ConfigError: it holds a character that no header may hold. The message does not repeat it.
    """
    for name in KEYS:
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise ConfigError(
                    f"{name} holds a line break or another character that no key has",
                    remedy="set it to the key alone, on one line",
                )
            return key
    return "none"


def masked(text: str) -> str:
    """`text` without the secrets in the environment of this process, in whatever form: as they are, as Python, JSON
    or a URL writes them, or in base64."""
    pattern = _forms(_values())
    return text if pattern is None else pattern.sub(HIDDEN, text)


def masked_json(lines: bytes) -> bytes:
    """`masked` for many lines of JSON at once: they are searched as bytes, and changed only where a secret is."""
    values = _values()
    pattern = _forms(values)
    if pattern is None or not any(form in lines for form in _byte_forms(values)):
        return lines
    return pattern.sub(HIDDEN, lines.decode("utf-8")).encode("utf-8")


def hidden(text: str) -> str:
    """`masked`, and passwords in addresses, signatures of signed addresses and values of secret names replaced."""
    return _SIGNED.sub(rf"\1{HIDDEN}", without_passwords(masked(text)))


def without_passwords(text: str) -> str:
    """`text` with passwords in addresses and values of secret names replaced."""
    for pattern, change in (
        (_IN_ADDRESS, rf"\1{HIDDEN}@"),
        (_NAMED, rf"\1{HIDDEN}"),
        (_IN_JSON, rf"\1{HIDDEN}"),
    ):
        text = pattern.sub(change, text)
    return text


def in_command(words: Sequence[str]) -> list[str]:
    """The words of a command line with secrets replaced, also if name and value are two words."""
    cleaned, hide = [], False
    for word in words:
        cleaned.append(HIDDEN if hide else _SPACED.sub(rf"\1{HIDDEN}", hidden(word)))
        hide = not hide and bool(_BEFORE_VALUE.search(word))
    return cleaned


_BEFORE_VALUE = re.compile(rf"(?i)(?:^-[\w.-]*{_NAMES}|(?:^|[\s\W]){_NAMES}\s*[=:]|^[\w.-]*{_NAMES}[=:])$")


def _values() -> tuple[str, ...]:
    return tuple(os.environ.get(name, "") for name in (*KEYS, *OTHERS))


@lru_cache(maxsize=4)
def _byte_forms(values: tuple[str, ...]) -> tuple[bytes, ...]:
    """Every form of every value, the longest first."""
    forms = {form for value in values for form in _forms_of(value) if len(form) >= SHORTEST}
    return tuple(form.encode("utf-8", "surrogatepass") for form in sorted(forms, key=len, reverse=True))


@lru_cache(maxsize=4)
def _forms(values: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern for all forms."""
    forms = [form.decode("utf-8", "surrogatepass") for form in _byte_forms(values)]
    return re.compile("|".join(map(re.escape, forms))) if forms else None


def _forms_of(value: str) -> Iterator[str]:
    secret = value.strip()
    if len(secret) < SHORTEST or secret.isalpha():
        return  # a word, such as `placeholder`, which answers may hold
    yield from (value, secret, repr(secret)[1:-1], repr(secret.encode())[2:-1])
    yield from (json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret), quote(secret))
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):  # base64 depends on how many bytes come before it
        start, end = (0, 2, 3)[before], (before + len(raw)) * 8 // 6
        for altchars in (b"+/", b"-_"):
            yield base64.b64encode(b"\0" * before + raw, altchars).decode()[start:end]


def refuse_in_model(spec: str) -> None:
    """A model's address becomes part of every run, so it must not hold a password or key.

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
        ConfigError: as in `refuse_in_model`.
    """
    if isinstance(value, str):
        refuse_in_model(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            refuse_in_models(item)
    elif isinstance(value, Sequence):
        for item in value:
            refuse_in_models(item)
