"""Keys and passwords: anything that looks like one, or is one of this process, is never recorded.

Everything that writes text for later (records, reports, logs, tracebacks, the recorded command) calls
`hidden` or `masked`, and whatever a server says goes through `masked` before anything else sees it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from harness.core.errors import ConfigError
from harness.core.secret_forms import base64_of, longest_plain, pattern_of

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
    *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_CLIENT_SECRET"),
    *("AZURE_CLIENT_SECRET", "GITHUB_TOKEN", "GH_TOKEN", "PGPASSWORD", "MYSQL_PWD"),
)
"""Environment variables with secrets of libraries that run here and may repeat them in an error."""
SHORTEST = 8
"""Characters of the shortest value that is searched for in texts: `none` and `EMPTY` are words, not
secrets."""
_NAMES = r"(?:key|token|secret|password|passwd)"
# Each pattern below begins where a word begins, or is bounded: none searches the rest of a text from every letter.
_NAMED = re.compile(
    rf"(?i)((?:(?:^|(?<=[?&#,;\s\"'{{(\[]))[\w.-]*|(?<![\w.-])(?:[^\W_]|\.)*[-_][\w.-]*){_NAMES}=)[^&#,\s]+"
)
_IN_JSON = re.compile(rf"(?i)([\"'][\w.-]*{_NAMES}\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+")
_PASSWORD = re.compile(r"(?<!\w)(\w+://)[^/\s:@?#\"']*:(?!\d+(?:/|$))[^\s\"']*@")
_USER = re.compile(r"(?<!\w)(\w+://)(?!\*\*\*@)[^/\s?#]*@")
_PIECE = re.compile(r"[^\s\"']+")
"""What may hold one address with a password."""
_IN_QUERY = r"(?:[?&;]|%3F|%26|%3B|\\u0026)"
"""Before a field of a query: as it is, in a query of another address, in JSON for HTML."""
_SIGNED = re.compile(
    rf"(?i)({_IN_QUERY}(?:[\w.-]*(?:signature|credential|authorization|ticket|session|auth)|"
    r"(?:[\w.-]*[._-])?(?:sig|sign|code|sas|jwt|hmac|hm|private_link|pass|pwd|policy|hdnts|hdnea|rlkey|verify|md5|st)|"
    r"awsaccesskeyid|googleaccessid|ossaccesskeyid|__token__)(?:=|%3D))"
    r"(?:[^&#;:\s\"'<>]|:(?!\s|$))+"
)
_OF_SIGNATURES = re.compile(r"(?i)\b(?:x-amz-security-token|rlkey|__token__)=[^&#]*")
"""Fields of signed addresses that are called tokens or keys."""
_SPACED = re.compile(rf"(?i)(?<![\w.-])([\w.-]*{_NAMES}\s*[=:]\s+)\S+")


LONGEST_FACT, FACT_BEGINS = 40, 12
"""Characters up to which a fact is shown whole, and how many are shown of a longer one."""


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
    """`text` without the secrets in the environment of this process, in whatever form: as they are, as Python, JSON,
    HTML or a URL writes them, or in base64."""
    if not any(mark in text for mark in marks()):
        return text
    return _forms(_values()).sub(HIDDEN, text)


def marks() -> tuple[str, ...]:
    """Letters and digits, at least one text of which is part of every form of a secret: a quick check for whether a
    full search is needed. Empty without secrets."""
    return _marks(_values())


def beginning(text: str, length: int) -> str:
    """The first characters of a text, masked before it is cut: nothing recognizes a part of a secret."""
    whole = masked(text)
    return whole if len(whole) <= length else f"{whole[: length - 1]}…"


def shortened(value: object) -> str:
    """A recorded fact as a line that names a change shows it: masked, of a long text or hash the beginning, and None, which
    an older version did not record."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "not recorded" if value is None else masked(str(value))
    return text if len(text) <= LONGEST_FACT else f"{text[:FACT_BEGINS]}…"


def masked_values(value: object) -> object:
    """A value of JSON with every text in it masked: a format that breaks long texts over lines may break a secret."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked_values(key): masked_values(item) for key, item in value.items()}
    return [masked_values(item) for item in value] if isinstance(value, list | tuple) else value


def masked_json(lines: bytes) -> bytes:
    """`masked` for many lines of JSON at once: they are searched as bytes, and read only where a secret may be."""
    if not any(mark.encode() in lines for mark in marks()):
        return lines
    return masked(lines.decode("utf-8")).encode("utf-8")


def hidden(text: str) -> str:
    """`masked`, and passwords in addresses, signatures of signed addresses and values of secret names replaced."""
    return _SIGNED.sub(rf"\1{HIDDEN}", without_passwords(masked(text)))


def in_addresses(text: str) -> str:
    """`masked`, and passwords and signatures of addresses replaced; all else stays, such as `key=value` in a remedy."""
    return _SIGNED.sub(rf"\1{HIDDEN}", _without_users(masked(text)))


def holds_password(url: str) -> bool:
    """Whether an address holds a password, or a key that is no part of a signed address."""
    unsigned = _OF_SIGNATURES.sub("", url)
    return without_passwords(unsigned) != unsigned


def without_passwords(text: str) -> str:
    """`text` with passwords in addresses and values of secret names replaced."""
    return _IN_JSON.sub(rf"\1{HIDDEN}", _NAMED.sub(rf"\1{HIDDEN}", _without_users(text)))


def _without_users(text: str) -> str:
    """`text` with users and passwords in addresses replaced."""
    if "@" not in text or "://" not in text:
        return text
    return _USER.sub(rf"\1{HIDDEN}@", _PIECE.sub(_without_password, text))


def _without_password(piece: re.Match[str]) -> str:
    """A password ends at the last `@`; what stands behind it is not searched, again and again, for another."""
    head, at, tail = piece[0].rpartition("@")
    return _PASSWORD.sub(rf"\1{HIDDEN}@", head + at) + tail if at else tail


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
def _forms(values: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all forms of all values, the longest value first."""
    secrets = _searched_for(values)
    patterns = map(pattern_of, [*secrets, *_encoded(secrets)])
    return re.compile("|".join(patterns))


@lru_cache(maxsize=4)
def _marks(values: tuple[str, ...]) -> tuple[str, ...]:
    secrets = _searched_for(values)
    return tuple(sorted(set(map(longest_plain, [*secrets, *_encoded(secrets)]))))


def _searched_for(values: tuple[str, ...]) -> list[str]:
    stripped = {value.strip() for value in values}
    # A word, such as `placeholder`, may stand in answers.
    secrets = {value for value in stripped if len(value) >= SHORTEST and not value.isalpha()}
    return sorted(secrets, key=lambda secret: (-len(secret), secret))


def _encoded(secrets: Sequence[str]) -> list[str]:
    texts = {text for secret in secrets for text in base64_of(secret) if len(text) >= SHORTEST}
    return sorted(texts, key=lambda text: (-len(text), text))


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
