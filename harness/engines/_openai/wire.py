"""One request over the wire: sent, retried and timed by the official client, read as plain JSON.

Server mistakes are corrected on arrival: an error body sent with HTTP 200 gets the status that its code names,
so it is retried or refused like any other error.
"""

from __future__ import annotations

import json
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.json_types import JsonObject, JsonValue
from harness.core.secrets import beginning, masked
from harness.engines._openai import faults
from harness.engines._openai.limits import Limits

if TYPE_CHECKING:
    import httpx2

_STATUS = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
}
"""HTTP statuses of codes that OpenAI writes as words."""
_PASSING = re.compile(
    r"overload|rate.?limit|\bbusy\b|time[d ]?.?out|try again|temporar|capacity|unavailable|\bloading\b",
    re.IGNORECASE,
)
"""An error without a code is temporary if its text matches this; any other would recur."""
LIST_SECONDS = 10.0
"""How long a server may take to list its models."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A server's JSON, and how long it took.

    `seconds` covers the attempt that succeeded, `waited` everything before it: failed attempts and the pauses
    between them.
    """

    content: Mapping[str, Any]
    seconds: float
    waited: float
    retries: int


class Wire:
    """The connection to one server; shared by the threads of an engine."""

    def __init__(self, url: str, key: str, limits: Limits) -> None:
        import openai

        from harness.engines._openai import bounds

        self._url, self._limits = url, limits
        self._attempts = threading.local()
        self._deadline = bounds.Deadline()
        hooks: dict[str, list[Callable[..., None]]] = {
            "request": [self._note_attempt],
            "response": [self._bounded, _restate],
        }
        http_client = openai.DefaultHttpx2Client(event_hooks=hooks)
        bounds.bind(http_client, self._deadline)
        self._client = openai.OpenAI(
            base_url=url,
            api_key=key,
            max_retries=limits.max_retries,
            timeout=limits.timeout,
            http_client=http_client,
        )
        weakref.finalize(self, self._client.close)

    def close(self) -> None:
        self._client.close()

    def post(self, body: Mapping[str, Any]) -> Reply:
        """The answer to a chat completion.

        Raises:
            NoAnswerError: there is none, after all retries.
        """
        import openai

        self._attempts.starts = []
        began = time.monotonic()
        try:
            raw = self._client.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            raise faults.of_status(error) from None
        except openai.APITimeoutError:
            times = f"{self._limits.timeout:g} s, {self._limits.max_retries + 1} times"
            raise faults.NoAnswerError(f"no answer within {times}") from None
        except openai.APIConnectionError as error:
            raise faults.of_connection(error, self._url) from None
        except (openai.OpenAIError, ValueError, TypeError) as error:
            raise faults.NoAnswerError(f"{type(error).__name__}: {faults.short(str(error))}") from None
        end, starts = time.monotonic(), self._attempts.starts or [began]
        try:
            content = json.loads(raw.content)
        except (ValueError, RecursionError):
            raise faults.of_page(beginning(raw.text, 1000)) from None
        if not isinstance(content, dict):
            raise faults.of_page("")
        return Reply(
            content=content, seconds=end - starts[-1], waited=starts[-1] - began, retries=len(starts) - 1
        )

    def models(self) -> list[JsonValue] | None:
        """The entries of the server's model list: empty if it has no such list, None if it does not reply."""
        import openai

        self._attempts.starts = []
        client = self._client.with_options(max_retries=0, timeout=min(self._limits.timeout, LIST_SECONDS))
        try:
            content = json.loads(masked(client.models.with_raw_response.list().text))
        except openai.APIConnectionError:
            return None
        except (openai.OpenAIError, ValueError, TypeError, RecursionError):
            return []
        entries = content.get("data") if isinstance(content, dict) else content
        return entries if isinstance(entries, list) else []

    def _note_attempt(self, request: httpx2.Request) -> None:
        self._attempts.starts.append(time.monotonic())
        limit = request.extensions.get("timeout", {}).get("read")
        self._deadline.begin(self._limits.timeout if limit is None else limit)

    def _bounded(self, response: httpx2.Response) -> None:
        from harness.engines._openai import bounds

        bounds.read(response, self._deadline)


def _restate(response: Any) -> None:
    """Give an error body that came with HTTP 200 the status it should have had."""
    if response.status_code != 200:
        return
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        return
    if isinstance(content, dict) and (error := _error_in(content)) is not None:
        response.status_code = _status(error)


def _error_in(content: JsonObject) -> JsonValue:
    """The error in place of an answer, or beside an unfinished answer."""
    choices = content.get("choices")
    if content.get("error") and not choices:
        return content["error"]
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("error") if isinstance(first, dict) else None


def _status(error: JsonValue) -> int:
    names = [error.get(name) for name in ("code", "status", "type")] if isinstance(error, dict) else []
    for name in names:
        if isinstance(name, int | str) and re.fullmatch(r"[0-9]{3}", str(name)) and 400 <= int(name) < 600:
            return int(name)
        if isinstance(name, str) and name in _STATUS:
            return _STATUS[name]
    return 503 if _PASSING.search(json.dumps(error)) else 400
