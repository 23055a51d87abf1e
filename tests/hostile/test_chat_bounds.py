"""Which chat templates are rendered in this process: those whose syntax bounds what they write."""

from __future__ import annotations

import contextlib

import pytest

from harness.core.errors import ConfigError
from harness.models import bounded_templates, chat_template
from harness.models.chat import load_chat
from harness.models.template_text import dated
from tests.unit.test_chat_templates import FAMILIES

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "three: \u00e9 <> " * 9}]
SETTINGS = {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": False}
LOOP = "{% for m in messages %}"
BOUNDED = [
    *(dated(family.template, "2026-01-01") for family in FAMILIES.values()),
    "{% set later = messages[1:] %}{% for m in later %}{% set c = '<' + m['role'] + '>' + m['content'] | trim %}"
    "{% if loop.index0 == 0 %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}",
    "{% set ns = namespace(n=0, last='') %}" + LOOP + "{% set ns.n = ns.n + 1 %}{% set ns.last = m.content %}{% endfor %}"
    "{{ ns.n }}{{ ns.last }}",
    LOOP + "{% for call in m.tool_calls %}{{ call }}{% endfor %}{{ m.content }}{% endfor %}",
    LOOP + "{% for letter in m.role %}{{ letter }}{% endfor %}{% endfor %}",
    LOOP + "{% set x = m.content ~ m.role %}{% set x = x ~ x %}{{ x }}{% endfor %}",
    "{% for m in messages | reverse %}{% if loop.index0 % 2 == 1 %}{% continue %}{% endif %}{{ m.content.strip() }}{% endfor %}",
    "{% set pair = [messages, messages] %}{{ pair | tojson }}",
    "{{ messages[-1].content.split(' ')[0] | upper }}",
]  # fmt: skip
UNBOUNDED = [
    "{% macro turn(m) %}{{ m.content }}{% endmacro %}" + LOOP + "{{ turn(m) }}{% endfor %}",
    "{% for m in messages recursive %}{{ loop.depth }}{% endfor %}",
    "{% set ns = namespace(text='') %}"
    + LOOP
    + "{% set ns.text = ns.text ~ m.content %}{% endfor %}{{ ns.text }}",
    "{% set ns = namespace(a='', b='') %}"
    + LOOP
    + "{% set ns.a = ns.b + 'x' %}{% set ns.b = ns.a %}{% endfor %}",
    "{% set x = bos_token %}" + "{% set x = x ~ x %}" * 20 + "{{ x }}",
    LOOP * 5 + "{% endfor %}" * 5,
    LOOP + "{{ '%9s' % m.content }}{% endfor %}",
    "{{ messages[0].content % 1 }}",
    "{{ messages[0].content.center(9) }}",
    "{{ messages[0].content | center(9) }}",
    "{{ messages | tojson(indent=40) }}",
    "{{ 1.5 | round(40) }}",
    "{{ messages | map('center', 9) | list }}",
    "{{ bos_token * 2 }}",
    "{{ 2 ** 2 }}",
    "{% for i in range(3) %}{{ i }}{% endfor %}",
    "{% set x %}{{ bos_token }}{% endset %}{{ x }}",
    "{{ strftime_now('%d') }}",
    "{% if %}",
]


def _conversation(template: str, content: str = "") -> chat_template.Conversation:
    messages = [MESSAGES[0], {"role": "user", "content": content}] if content else MESSAGES
    return chat_template.Conversation(
        template=template, messages=messages, functions=[], generation_prompt=True, settings=SETTINGS
    )


@pytest.mark.parametrize("template", BOUNDED)
def test_a_template_writes_no_more_than_its_syntax_allows(template: str) -> None:
    for content in ("", "x" * 300, " y\n" * 100):
        conversation = _conversation(template, content)
        texts = [message["content"] for message in conversation.messages]
        characters = sum(map(len, [*texts, *map(str, SETTINGS.values())]))
        most = bounded_templates.written(template, characters, len(texts))
        assert most is not None
        assert conversation.is_cheap
        with contextlib.suppress(ConfigError):  # one family has no system role
            assert len(chat_template.render(conversation)) <= most  # in the child


@pytest.mark.parametrize("template", UNBOUNDED)
def test_a_template_that_may_write_anything_goes_to_the_child(template: str) -> None:
    assert bounded_templates.written(template, 100, 2) is None
    assert not _conversation(template).is_cheap


def test_a_conversation_that_could_become_too_long_goes_to_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    template = LOOP + "{% for letter in m.content %}{{ m.content }}{% endfor %}{% endfor %}"
    assert _conversation(template).is_cheap
    monkeypatch.setattr(chat_template, "MOST_WRITTEN", 10_000)
    assert not _conversation(template).is_cheap
    assert _conversation(LOOP + "{{ m.content }}{% endfor %}").is_cheap


def test_a_prompt_is_asked_of_the_child_once(monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = _conversation(UNBOUNDED[0], "q")
    monkeypatch.setattr(chat_template, "_kept", {})
    first = chat_template.render(conversation)
    monkeypatch.setattr(chat_template, "_child", lambda: pytest.fail("asked twice"))
    assert chat_template.render(conversation) == first == "Be brief.q"


def test_both_ways_give_the_same_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.core.values import Message

    chat = load_chat("tiny")
    talk = [Message("system", "Be brief."), Message("user", "q \u00e9")]
    here = chat.render(talk)
    monkeypatch.setattr(chat_template, "MOST_WRITTEN", 0)
    monkeypatch.setattr(chat.tokenizer, "apply_chat_template", lambda *_, **__: pytest.fail("rendered here"))
    assert chat.render(talk) == here
