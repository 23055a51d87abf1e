"""Any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, hosted models."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core.errors import ConfigError, EngineError
from harness.core.json_types import JsonValue
from harness.core.protocols import Engine
from harness.core.secrets import KEYS, api_key, masked, refuse_in_model
from harness.core.tools import offered
from harness.core.values import Completion, Request
from harness.engines._openai import limits as limits_of
from harness.engines._openai.answer import (
    answer,
    is_count,
    model_name,
    reasoning,
    reasoning_tokens,
    with_calls,
)
from harness.engines._openai.dialect import dialect
from harness.engines._openai.faults import NOT_OURS, STREAK, NoAnswerError, Outage, short
from harness.engines._openai.limits import Limits, Pace
from harness.engines._openai.tokens import Estimate
from harness.engines._openai.wire import Reply, Wire

__all__ = ["KEYS", "Limits", "OpenAIEngine", "without_limits"]

_SPEC = re.compile(r"openai:(?P<name>.+)@(?P<url>https?://[^\s#]+)(?:#(?P<limits>\S*))?")
_WAYS = 5
"""How many forms of one request are tried before giving up."""


class OpenAIEngine:
    """`openai:NAME@URL`: concurrent requests with retries, back-off, a rate limit and a budget.

    Limits may follow the address: `openai:NAME@URL#concurrency=4,budget_tokens=100000`.

    The client waits as long as `Retry-After` says, else exponentially with jitter, on 408, 409,
    429, 5xx, timeouts and cut connections. A request that still fails becomes a completion with
    finish_reason `error`. A server that refuses every request (no connection, bad key, unknown model, the
    same refusal `STREAK` times in a row) raises. A server that expects another name for the token limit, or
    accepts no system message or temperature, gets requests in its own form from then on; `notes` says so.
    """

    name = "openai"
    context = None
    answers_in_context = True
    model = None

    def __init__(self, spec: str, limits: Limits | None = None) -> None:
        refuse_in_model(spec)
        address = _SPEC.fullmatch(spec)
        if address is None:
            raise ConfigError(
                f"model '{spec}' is not openai:NAME@URL", remedy="e.g. openai:qwen@http://127.0.0.1:8000/v1"
            )
        self.limits = limits or limits_of.parse(address["limits"] or "")
        self.batch_size = self.limits.concurrency
        self.spent = 0
        self._model, self._url = address["name"], address["url"]
        self._wire = Wire(self._url, api_key(), self.limits)
        self._dialect = dialect(self._url, self._model)
        self._estimate = Estimate(self._model)
        self._pace = Pace(self.limits.requests_per_minute)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the run's record on how requests were adapted to this server."""
        return self._dialect.notes + self._estimate.notes

    def close(self) -> None:
        """Close the connections, which otherwise close with the engine."""
        self._wire.close()

    @property
    def uncached(self) -> Engine:
        return self

    def models(self) -> list[Any] | None:
        """The entries of the server's model list; empty if it has none, None if it does not reply."""
        return self._wire.models()

    def try_once(self, request: Request) -> Completion:
        """One answer outside any run; a refusal of any kind is a completion with finish_reason `error`."""
        try:
            return self._ask(request, Outage())
        except EngineError as error:
            return self._failed(request, str(error))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """See the protocol.

        Raises:
            EngineError: the server refuses every request, with its reason.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for position in range(len(requests)):
            waiting.put(position)
        done: queue.SimpleQueue[tuple[int, float, Completion | BaseException]] = queue.SimpleQueue()
        stop, outage = threading.Event(), Outage()

        def work() -> None:
            while not stop.is_set():
                try:
                    position = waiting.get_nowait()
                except queue.Empty:
                    return
                answer: Completion | BaseException
                try:
                    answer = self._ask(requests[position], outage)
                except BaseException as error:
                    answer = error
                    stop.set()
                done.put((position, time.monotonic(), answer))

        threads = [
            threading.Thread(target=work, daemon=True)
            for _ in range(min(self.limits.concurrency, len(requests)))
        ]
        clock = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            for _ in requests:
                position, now, answer = done.get()
                if isinstance(answer, BaseException):
                    raise answer
                # Time since the previous answer: all shares add up to wall time, however many requests were in
                # flight.
                yield position, replace(answer, clock=max(now - clock, 0.0))
                clock = max(clock, now)
        finally:
            stop.set()

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """Not supported by this API.

        Raises:
            EngineError: always.
        """
        raise EngineError(
            f"{self._url} does not give log-likelihoods of token ids; load the model here instead"
        )

    def count(self, request: Request) -> int:
        """A rough length, four characters a token: the server's tokenizer is not known here."""
        return sum(len(message.content) for message in request.messages) // 4

    def _ask(self, request: Request, outage: Outage) -> Completion:
        budget = self.limits.budget_tokens
        if budget is not None and self.spent >= budget:
            return self._failed(request, f"not sent: the budget of {budget} tokens is spent")
        began = time.monotonic()
        self._pace.wait()
        paced = time.monotonic() - began
        try:
            reply = self._post(request)
            completion = self._understood(request, replace(reply, waited=reply.waited + paced))
        except NoAnswerError as fault:
            if outage.hopeless(fault):
                raise EngineError(self._refusal(fault)) from None
            return self._failed(request, fault.reason, waited=time.monotonic() - began)
        outage.answered()
        return completion

    def _post(self, request: Request) -> Reply:
        """The server's reply to the request, in a form that it accepts."""
        began = time.monotonic()
        for attempt in range(_WAYS):
            body = self._dialect.body(self._model, request)
            asked = time.monotonic()
            try:
                reply = self._wire.post(body)
            except NoAnswerError as fault:
                if attempt + 1 == _WAYS or not self._dialect.learn(fault, body):
                    raise
            else:
                return replace(reply, retries=reply.retries + attempt, waited=reply.waited + asked - began)
        raise AssertionError("the last way raises")

    def _refusal(self, fault: NoAnswerError) -> str:
        """Why no further request is sent."""
        if not fault.reason.startswith("HTTP"):
            return fault.reason
        if fault.everybody:
            return f"{self._url} refuses model '{self._model}': {fault.reason}"
        return f"{self._url} refuses every request: {fault.reason} ({STREAK} in a row)"

    def _understood(self, request: Request, reply: Reply) -> Completion:
        """As `_read`, but an answer with parts of unexpected types counts as no answer and does not end the run."""
        try:
            return self._read(request, reply)
        except (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            what = f"{type(error).__name__}: {short(str(error))}"
            raise NoAnswerError(f"not an OpenAI-compatible answer ({what})", permanent=True) from None

    def _read(self, request: Request, reply: Reply) -> Completion:
        """A completion from a server's reply, in which no key is repeated.

        Raises:
            NoAnswerError: there is no answer in it.
        """
        choices = reply.content.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise NoAnswerError(
                f"not an OpenAI-compatible answer, it has no choices: {NOT_OURS}", permanent=True
            )
        text, finish_reason, error = answer(with_calls(choice) if offered(request.messages) else choice)
        thoughts = reasoning(choice["message"])
        tokens_in, tokens_out = self._usage(request, reply.content.get("usage"), text)
        self.spent += tokens_in + tokens_out
        return Completion(
            text=masked(text),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            finish_reason=finish_reason,
            seconds=reply.seconds,
            waited=reply.waited,
            retries=reply.retries,
            thoughts=masked(thoughts),
            thought_tokens=reasoning_tokens(reply.content.get("usage")),
            prompt=self._show(request),
            error=None if error is None else masked(error),
            model=model_name(reply.content.get("model")),
        )

    def _usage(self, request: Request, usage: JsonValue, text: str) -> tuple[int, int]:
        """Tokens in and out: the server's counts, or estimates where it sends none."""
        known = usage if isinstance(usage, Mapping) else {}
        counts = [known.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if any(not is_count(count) for count in counts):
            self._estimate.answer()
        texts = ("\n".join(message.content for message in self._dialect.messages(request)), text)
        tokens_in, tokens_out = (
            count if is_count(count) else self._estimate(estimated)
            for count, estimated in zip(counts, texts, strict=True)
        )
        return tokens_in, tokens_out

    def _failed(self, request: Request, why: str, waited: float = 0.0) -> Completion:
        return Completion(
            text="",
            tokens_in=0,
            tokens_out=0,
            finish_reason="error",
            seconds=0.0,
            waited=waited,
            prompt=self._show(request),
            error=why,
        )

    def _show(self, request: Request) -> str:
        return "\n".join(f"{message.role}: {message.content}" for message in self._dialect.messages(request))


def without_limits(spec: str) -> str:
    """The part of a spec that identifies the model, without the limits."""
    return spec.partition("#")[0]
