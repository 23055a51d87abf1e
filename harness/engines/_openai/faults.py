"""Why a server gave no answer, in one line, and whether retrying can help."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from harness.core.secrets import masked

if TYPE_CHECKING:
    import openai

NOT_OURS = "is /v1 missing from the address?"
LONGEST = 4000
"""Characters of an error that are examined."""
STREAK = 5
"""After this many identical permanent faults in a row, no further request is sent."""

_EVERYBODY = (401, 403, 404, 405)
"""Statuses that are about the key, the model or the address, not about one request."""
_PASSING = (408, 409, 425, 429)
_TOO_LONG = re.compile(r"context.?(length|window|size)|(prompt|input|request) is too long", re.IGNORECASE)
_PAGE = re.compile(r"\s*<(!doctype|html|head|body)\b", re.IGNORECASE)
_QUOTA = "insufficient_quota"


class NoAnswerError(Exception):
    """One request without an answer.

    `permanent`: the same request would fail again. `everybody`: so would any other request.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        everybody: bool = False,
        parameter: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason, self.permanent, self.everybody = reason, permanent, everybody
        self.parameter = parameter
        """The request field that the server objects to, if it names one."""
        self.detail = detail
        """The server's full text; `reason` is its first line."""


class Outage:
    """Counts consecutive failures, to stop before every request of a run fails for the same reason.

    Shared by the threads of one call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered, self._reason, self._streak = False, "", 0

    def answered(self) -> None:
        with self._lock:
            self._answered, self._streak = True, 0

    def hopeless(self, fault: NoAnswerError) -> bool:
        """Whether to stop sending requests: at once for a bad key or an unknown model, after `STREAK`
        identical permanent faults for what may concern a single request."""
        with self._lock:
            if not fault.permanent:
                return False
            self._streak = self._streak + 1 if fault.reason == self._reason else 1
            self._reason = fault.reason
            if fault.everybody:
                return not self._answered or self._streak >= STREAK
            return not self._answered and self._streak >= STREAK


def of_status(error: openai.APIStatusError) -> NoAnswerError:
    """The fault that an HTTP status and its body describe."""
    status, body = error.status_code, error.body
    try:
        text = masked(_message(body))[:LONGEST]
    except (AttributeError, TypeError, RecursionError):
        text = ""  # not an error in any known form
    code, parameter = (
        masked(str(body.get(name) or ""))[:LONGEST] if isinstance(body, dict) else ""
        for name in ("code", "param")
    )
    if _PAGE.match(text):
        text = f"a web page, not an OpenAI-compatible answer: {NOT_OURS}"
    permanent = (400 <= status < 500 and status not in _PASSING) or status == 501
    permanent = (permanent or code == _QUOTA) and not _TOO_LONG.search(f"{text} {code}")
    return NoAnswerError(
        f"HTTP {status}: {short(text)}" if text else f"HTTP {status}",
        permanent=permanent,
        everybody=status in _EVERYBODY,
        parameter=parameter,
        detail=text,
    )


def of_connection(error: BaseException, url: str) -> NoAnswerError:
    """A failed connection. A proxy in between is named: the server was never reached."""
    cause = _root(error)
    refused = isinstance(cause, ConnectionRefusedError)
    proxy = proxy_of(url)
    if proxy and (refused or "proxy" in type(error.__cause__ or cause).__name__.lower()):
        what = "does not answer: connection refused" if refused else f"fails: {short(str(cause))}"
        return NoAnswerError(f"the proxy {proxy} {what}", permanent=True, everybody=True)
    if refused:
        return NoAnswerError(f"no server at {url}: connection refused", permanent=True, everybody=True)
    return NoAnswerError(f"connection failed: {short(str(cause) or type(cause).__name__)}")


def of_page(text: str) -> NoAnswerError:
    """An answer with HTTP 200 that is not JSON."""
    what = "a web page" if _PAGE.match(text) else "no JSON"
    return NoAnswerError(f"{what}, not an OpenAI-compatible answer: {NOT_OURS}", permanent=True)


def proxy_of(url: str) -> str:
    """The proxy that the environment sets for `url`, without its password; empty if there is none."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy_url = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy_url or proxy_bypass(parts.hostname or ""):
        return ""
    proxy = urlsplit(proxy_url if "://" in proxy_url else f"http://{proxy_url}")
    host = proxy.netloc.rpartition("@")[2]
    return urlunsplit((proxy.scheme, host, "", "", ""))


def short(text: str) -> str:
    """The first line of an error; a server may repeat the key in it."""
    lines = masked(text).strip().splitlines()
    return lines[0][:200] if lines else ""


def _message(body: object) -> str:
    """What servers put in an error's body: OpenAI's form, FastAPI's `detail`, or plain text."""
    if isinstance(body, dict) and isinstance(body.get("loc"), list):
        return f"{'.'.join(map(str, body['loc'][1:]))}: {body.get('msg', '')}"
    if isinstance(body, dict):
        if isinstance(choices := body.get("choices"), list) and choices:
            return _message(choices[0].get("error"))
        for name in ("message", "detail", "error", "msg"):
            if body.get(name):
                return _message(body[name])
        return str(body) if body else ""
    if isinstance(body, list):
        return "; ".join(filter(None, map(_message, body)))
    return "" if body is None else str(body)


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
