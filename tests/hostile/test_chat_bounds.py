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
TURN = "{% macro turn(m) %}[{{ m.role }}]{{ m.content }} {% endmacro %}"
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
    LOOP + "{% set x = m.content ~ m.role %}{% for letter in x %}{{ m.content }}{% endfor %}{% endfor %}",
    TURN + LOOP + "{{ turn(m) }}{% endfor %}",
    TURN + LOOP + "{% set x = turn(m) ~ turn(m) %}{{ x | trim }}{{ turn(m=m).strip() }}{% endfor %}",
    "{% macro outer(m, end='<end>') %}{{ turn(m) }}{{ end }}{% endmacro %}" + TURN + LOOP
    + "{{ outer(m) }}{{ outer(m, end=bos_token) }}{% endfor %}",
    "{% macro each(messages) %}{% for m in messages %}{{ m.role }}{% endfor %}{% endmacro %}{{ each(messages) }}{{ each(messages[1:]) }}",
    "{% macro shown(c) %}{% if c is string %}{{ c }}{% elif c is iterable %}{% for part in c %}{{ part.text }}{% endfor %}"
    "{% endif %}{% endmacro %}" + LOOP + "{% set x = shown(m.content) %}{{ x }}{% endfor %}",
    "{% set ns = namespace(last='') %}{% macro note(m) %}{% set ns.last = m.content %}{% endmacro %}" + LOOP
    + "{{ note(m) }}{{ ns.last }}{% endfor %}",
]  # fmt: skip
RECURSIVE = (
    "{% macro turn(m, n=1) %}{% if n %}{{ turn(m, 0) }}{% else %}{{ m.content }}{% endif %}{% endmacro %}"
)
UNBOUNDED = [
    RECURSIVE + LOOP + "{{ turn(m) }}{% endfor %}",
    RECURSIVE.replace("{{ turn(m, 0) }}", "{{ other(m) }}")
    + "{% macro other(m) %}{{ turn(m, 0) }}{% endmacro %}{{ turn(messages[0]) }}",
    "{% macro f(g, n) %}{% if n %}{{ g(g, 0) }}{% endif %}{% endmacro %}{{ f(f, 1) }}",
    TURN + "{% set other = turn %}{{ other(messages[0]) }}",
    TURN + TURN,
    TURN + "{{ turn(messages[0], 2) }}",
    TURN + "{{ turn(messages[0], n=2) }}",
    TURN + "{% call turn(messages[0]) %}{% endcall %}",
    "{% macro f() %}{{ varargs }}{% endmacro %}{{ f(1) }}",
    "{% macro f(x) %}{{ x ~ x }}{% endmacro %}{% set x = bos_token %}"
    + "{% set x = f(x) %}" * 20
    + "{{ x }}",
    "{% macro f() %}{% for m in messages %}{{ m.content }}{% endfor %}{% endmacro %}{% set x = f() %}{{ x }}",
    "{% set ns = namespace(x='') %}{% macro f(n) %}{% set n.x = n.x ~ 'a' %}{% endmacro %}{{ f(ns) }}",
    "{% set ns = namespace(x='') %}{% macro f() %}{% set ns.x = ns.x ~ 'a' %}{% endmacro %}"
    + LOOP
    + "{{ f() }}{% endfor %}",
    "{% set a = namespace(x='') %}{% set b = a %}{% set b.x = a.x ~ 'a' %}",
    "{% set a = [namespace(x='')] %}{% set b = a[0] %}{% set b.x = b.x ~ 'a' %}",
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


def test_branches_that_no_message_takes_cost_nothing() -> None:
    """What is a text is one wherever it was given; a name means what its part of the template gives it."""
    shown = "{% macro shown(c) %}{% if c is string %}{{ c }}{% else %}{% for a in c %}{% for b in c %}{{ c }}{% endfor %}{% endfor %}{% endif %}{% endmacro %}"
    texts = shown + LOOP + "{{ shown(m.content) }}{{ shown(m['role']) }}{% endfor %}"
    others = shown + LOOP + "{{ shown(m) }}{% endfor %}"
    elsewhere = (
        texts
        + "{% if c is string %}{% else %}{% for a in c %}{% for b in c %}{% endfor %}{% endfor %}{% endif %}"
    )
    few, many, outer = (
        bounded_templates.written(template, 10_000, 2) or 0 for template in (texts, others, elsewhere)
    )
    assert few < 10**6
    assert many > 10**9
    assert outer > 10**8


def test_macros_that_call_one_another_are_looked_at_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{% macro c(m) %}x{% endmacro %}{% macro b(m) %}{{ c(m) }}{{ c(m) }}{% endmacro %}{{ b(1) }}{{ b(1) }}"
    assert bounded_templates.written(template, 100, 2) is not None
    bounded_templates._terms.cache_clear()
    monkeypatch.setattr(bounded_templates, "MOST_NODES", 20)
    assert bounded_templates.written(template, 100, 2) is None
    bounded_templates._terms.cache_clear()


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
