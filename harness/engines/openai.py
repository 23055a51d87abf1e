"""Any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, hosted models."""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from harness.core.errors import ConfigError, EngineError, nearest
from harness.core.protocols import Engine
from harness.core.secrets import HIDDEN, refuse_in_model
from harness.core.values import Completion, Request

_SPEC = re.compile(r"openai:(?P<name>.+)@(?P<url>https?://[^\s#]+)(?:#(?P<limits>\S*))?")
KEYS = ("HARNESS_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; it is written nowhere."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How hard a server may be asked. `budget_tokens` counts prompt and answer tokens of this engine."""

    concurrency: PositiveInt = 8
    max_retries: NonNegativeInt = 5
    timeout: PositiveFloat = 120.0
    """Seconds for one attempt."""
    requests_per_minute: PositiveFloat | None = None
    budget_tokens: PositiveInt | None = None


class OpenAIEngine:
    """`openai:NAME@URL`: concurrent requests with retries, back-off, a rate limit and a budget.

    Limits may follow the address: `openai:NAME@URL#concurrency=4,budget_tokens=100000`.

    The client waits as long as `Retry-After` says, else exponentially with jitter, on 408, 409,
    429, 5xx, timeouts and cut connections. A request that still fails becomes a completion with
    finish_reason `error`. A server that refuses everybody (no connection, bad key, unknown model)
    raises at once.
    """

    name = "openai"
    context = None
    answers_in_context = True
    notes: tuple[str, ...] = ()
    model = None

    def __init__(self, spec: str, limits: Limits | None = None) -> None:
        refuse_in_model(spec)
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise ConfigError(
                f"model '{spec}' is not openai:NAME@URL", remedy="e.g. openai:qwen@http://127.0.0.1:8000/v1"
            )
        import openai

        self.limits = limits or _limits(found["limits"] or "")
        self.batch_size = self.limits.concurrency
        self.spent = 0
        self._model, self._url = found["name"], found["url"]
        key = next((os.environ[name] for name in KEYS if os.environ.get(name)), "none")
        retries, timeout = self.limits.max_retries, self.limits.timeout
        self._client = openai.OpenAI(base_url=self._url, api_key=key, max_retries=retries, timeout=timeout)
        weakref.finalize(self, self._client.close)
        self._pace = _Pace(self.limits.requests_per_minute)

    @property
    def uncached(self) -> Engine:
        return self

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for position in range(len(requests)):
            waiting.put(position)
        done: queue.SimpleQueue[tuple[int, Completion | BaseException]] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    position = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    done.put((position, self._ask(requests[position])))
                except BaseException as error:
                    done.put((position, error))

        threads = [
            threading.Thread(target=work, daemon=True)
            for _ in range(min(self.limits.concurrency, len(requests)))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in requests:
                position, found = done.get()
                if isinstance(found, BaseException):
                    raise found
                yield position, found
        finally:
            stop.set()

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """Not offered over this wire.

        Raises:
            EngineError: always.
        """
        raise EngineError(
            f"{self._url} does not give log-likelihoods of token ids; load the model here instead"
        )

    def count(self, request: Request) -> int:
        """A rough length, four characters a token: the server's tokenizer is not known here."""
        return sum(len(message.content) for message in request.messages) // 4

    def _ask(self, request: Request) -> Completion:
        import openai

        budget = self.limits.budget_tokens
        if budget is not None and self.spent >= budget:
            return _failed(request, f"not asked: the budget of {budget} tokens is spent")
        self._pace.wait()
        clock = time.monotonic()
        try:
            answer = self._client.chat.completions.create(**self._body(request))
            return self._read(request, answer, time.monotonic() - clock)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise EngineError(f"{self._url} refuses model '{self._model}': {_short(error)}") from None
        except openai.APITimeoutError:
            seconds = f"{self.limits.timeout:g} s, {self.limits.max_retries + 1} times"
            return _failed(request, f"no answer within {seconds}")
        except openai.APIConnectionError as error:
            if isinstance(_root(error), ConnectionRefusedError):
                raise EngineError(f"no server at {self._url}: connection refused") from None
            return _failed(request, f"connection failed: {_short(_root(error))}")
        except (openai.OpenAIError, ValueError, TypeError, LookupError, AttributeError) as error:
            return _failed(request, f"{type(error).__name__}: {_short(error)}")

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if (constraint := request.constraint) is not None:
            body |= _constrained(constraint.kind, constraint.value)
        return body

    def _read(self, request: Request, answer: Any, seconds: float) -> Completion:
        choice, usage = answer.choices[0], answer.usage
        tokens_in = usage.prompt_tokens if usage else self.count(request)
        tokens_out = usage.completion_tokens if usage else len(choice.message.content or "") // 4
        self.spent += tokens_in + tokens_out
        return Completion(
            text=choice.message.content or "",
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            seconds=seconds,
            prompt=_show(request),
        )


def without_limits(spec: str) -> str:
    """The part of a spec that says who answers, not how hard they may be asked."""
    return spec.partition("#")[0]


def _limits(text: str) -> Limits:
    """`name=value,name=value` → Limits.

    Raises:
        ConfigError: an unknown limit (names the nearest), or a value out of range.
    """
    given = dict(part.partition("=")[::2] for part in text.split(",") if part)
    known = [field.name for field in fields(Limits)]
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown limit '{name}' in the model's address", remedy=nearest(name, known))
    try:
        return TypeAdapter(Limits).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"limit {first['loc'][0]}: {first['msg']} (got {first['input']!r})",
            remedy="e.g. #concurrency=4,requests_per_minute=60,budget_tokens=100000",
        ) from None


class _Pace:
    """Spaces requests evenly under a rate; shared by the threads of an engine."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self) -> None:
        if self._gap:
            with self._lock:
                start = max(self._next, time.monotonic())
                self._next = start + self._gap
            time.sleep(max(0.0, start - time.monotonic()))


def _constrained(kind: Literal["json_schema", "regex", "choice"], value: Any) -> dict[str, Any]:
    """OpenAI's own form for a schema; vLLM's names for the other two."""
    if kind == "json_schema":
        schema = {"name": "answer", "schema": json.loads(json.dumps(value)), "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    extra = {"guided_regex": value} if kind == "regex" else {"guided_choice": list(value)}
    return {"extra_body": extra}


def _failed(request: Request, why: str) -> Completion:
    return Completion(
        text="",
        tokens_in=0,
        tokens_out=0,
        finish_reason="error",
        seconds=0.0,
        prompt=_show(request),
        error=why,
    )


def _show(request: Request) -> str:
    return "\n".join(f"{message.role}: {message.content}" for message in request.messages)


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _short(error: BaseException) -> str:
    """One line of an error; a server may repeat the key in it."""
    said = str(error)
    for key in filter(None, map(os.environ.get, KEYS)):
        said = said.replace(key, HIDDEN)
    return said.splitlines()[0][:200] if said else type(error).__name__
