"""Functions that a model may call: the template's or the server's own where it has one, text where it has none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness.core import tools
from harness.core.values import Message, Request
from harness.engines import answer_cache
from harness.engines.openai import OpenAIEngine
from harness.models.chat import TemplateChat, load_chat
from harness.models.plain_chat import plain_text
from tests.e2e.server_kit import Body, Reply, Server, completion

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"day": {"type": "integer"}}}}
OFFERED = [{"type": "function", "function": WEATHER}]
ASKED = (Message("system", "Be kind."), Message("user", "Rain on day 3?"))
PROMPT = tools.offering(ASKED, tools.written(OFFERED))
LISTED = (
    f"Be kind.\n\nYou can call these functions:\n{json.dumps(WEATHER)}\nTo call one, answer with JSON alone: "
)


@pytest.mark.parametrize("given", [OFFERED, [WEATHER], json.dumps(OFFERED), WEATHER])
def test_functions_are_understood_however_rows_hold_them(given: Any) -> None:
    assert tools.offered(tools.offering(ASKED, tools.written(given))) == OFFERED


@pytest.mark.parametrize("given", [None, "", [], "[]"])
def test_no_functions_leave_a_prompt_as_it_is(given: Any) -> None:
    assert tools.offering(ASKED, tools.written(given)) == ASKED == tools.as_text(ASKED)


def native() -> TemplateChat:
    """The chat of `tiny` with a template that shows functions, as most templates of today do."""
    chat = load_chat("tiny")
    assert isinstance(chat, TemplateChat)
    functions = (
        "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif %}"
    )
    chat.template = functions + chat.template
    return chat


def test_a_template_with_functions_gets_them_and_no_text() -> None:
    chat = native()
    assert chat.takes_tools
    whole = chat.show(chat.encode(PROMPT))
    assert whole.startswith(f"<tools>{json.dumps(OFFERED[0])}</tools>")
    assert whole.removeprefix(f"<tools>{json.dumps(OFFERED[0])}</tools>") == chat.show(chat.encode(ASKED))


def test_a_template_without_functions_gets_text() -> None:
    chat = load_chat("tiny")
    assert not chat.takes_tools
    assert LISTED in chat.show(chat.encode(PROMPT))
    assert chat.encode(PROMPT) == chat.encode(tools.as_text(PROMPT))
    assert LISTED in plain_text(PROMPT)


def test_functions_without_a_system_message_are_one() -> None:
    (listed, asked) = tools.as_text(tools.offering(ASKED[1:], tools.written(OFFERED)))
    assert (listed.role, asked) == ("system", ASKED[1])
    assert listed.content.startswith("You can call these functions:")


def test_cached_answers_know_the_functions_and_keep_their_keys_without() -> None:
    with_functions, without = (Request(id="a", messages=messages) for messages in (PROMPT, ASKED))
    assert answer_cache._key(with_functions) != answer_cache._key(without)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def called(*days: int) -> Body:
    calls = [
        {
            "id": f"c{day}",
            "type": "function",
            "function": {"name": "weather", "arguments": json.dumps({"day": day})},
        }
        for day in days
    ]
    return completion(None, "tool_calls", tool_calls=calls)


@pytest.mark.parametrize("days", [(3,), (3, 4)])
def test_a_server_is_offered_functions_and_its_calls_are_the_answer(
    server: Server, days: tuple[int, ...]
) -> None:
    server.reply = lambda body, _: (200, called(*days)) if body.get("tools") == OFFERED else (500, {})
    engine = OpenAIEngine(server.model(f"native{len(days)}"))
    ((_, answer),) = engine.generate([Request(id="a", messages=PROMPT)])
    calls = [{"name": "weather", "arguments": {"day": day}} for day in days]
    assert json.loads(answer.text) == (calls[0] if len(calls) == 1 else calls)
    assert (answer.finish_reason, engine.notes) == ("stop", ())


def test_a_server_that_refuses_functions_gets_them_as_text(server: Server) -> None:
    refusal = {"error": {"message": '"auto" tool choice requires --enable-auto-tool-choice to be set'}}

    def reply(body: Body, _: int) -> Reply:
        if "tools" in body:
            return 400, refusal
        return 200, completion('{"name": "weather", "arguments": {"day": 3}}')

    server.reply = reply
    engine = OpenAIEngine(server.model("refusing"))
    ((_, answer),) = engine.generate([Request(id="a", messages=PROMPT)])
    assert json.loads(answer.text)["arguments"] == {"day": 3}
    assert "the server does not accept tools: they are listed in the system message" in engine.notes
    assert server.bodies[-1]["messages"][0]["content"].startswith(LISTED)
