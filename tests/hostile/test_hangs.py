"""What would hang or flood is given up in time: our own limits, set low, on harmless input."""

from __future__ import annotations

import json
import mmap
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.core import deadline, guarded, plain_templates
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Format, Scorer
from harness.core.protocols import tasks as protocol
from harness.core.values import Example, Invalid, Parsed, Unread
from harness.results.records.sample import SampleRecord
from harness.runner import scoring
from harness.tasks import answers, corpus, load, sources, template_child, template_sandbox, templates
from harness.tasks.formats import _schema


def _spin(seconds: float = 30.0) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_deadline_rings_in_any_thread(in_thread: bool) -> None:
    ended: list[bool] = []

    def work() -> None:
        try:
            with deadline.within(0.05):
                _spin()
        except deadline.TooLongError:
            ended.append(True)

    if in_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    else:
        work()
    assert ended == [True]


def test_a_deadline_rings_for_its_own_thread_alone_and_never_late() -> None:
    done: list[int] = []

    def quick() -> None:
        for number in range(300):
            with deadline.within(5):
                done.append(number)

    threads = [threading.Thread(target=quick) for _ in range(3)]
    for thread in threads:
        thread.start()
    with pytest.raises(deadline.TooLongError), deadline.within(0.02):
        _spin()
    for thread in threads:
        thread.join()
    _spin(0.3)  # nothing rings after it
    assert len(done) == 900


def test_waiting_is_no_fault() -> None:
    with deadline.within(0.1):
        time.sleep(0.4)


@dataclass(frozen=True, kw_only=True)
class Stubborn(Format):
    """Reads for ever, or fails in whatever way it is told."""

    what: str = "spin"

    def parse(self, text: str) -> Parsed | Invalid:
        if self.what == "spin":
            _spin()
        if self.what == "panic":
            raise type("PanicException", (BaseException,), {})("a library in Rust gave up")
        raise {
            "memory": MemoryError,
            "recursion": RecursionError,
            "type": TypeError,
            "overflow": OverflowError,
        }[self.what]


@pytest.mark.parametrize("what", ["spin", "memory", "recursion", "type", "overflow", "panic"])
def test_one_answer_ends_no_run(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(protocol, "READING_SECONDS", 0.05)
    form = Stubborn(what=what)
    reading = form.read("anything")
    assert isinstance(reading.strict, Invalid)
    assert isinstance(reading.extracted, Invalid)
    assert ("took longer" if what == "spin" else "cannot be read") in reading.strict.reason
    assert form.holds("anything") is False


@pytest.mark.parametrize("what", ["spin", "recursion"])
def test_an_answer_that_no_parser_ends_is_its_error_and_not_wrong(
    monkeypatch: pytest.MonkeyPatch, tiny_task: Path, what: str
) -> None:
    monkeypatch.setattr(protocol, "READING_SECONDS", 0.05)
    task = replace(load.load(tiny_task), format=Stubborn(what=what))
    row = scoring.scored(
        task, SampleRecord(sample_id="a", output="x", finish_reason="stop"), task.splits["test"][0]
    )
    assert (row.strict.status, row.extracted.status, row.failure) == ("error", "error", None)
    assert [(score.status, score.value) for score in row.scores] == [("error", None)] * len(row.scores)
    assert row.answered  # it is asked no second time


def test_an_answer_has_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LONGEST_ANSWER", 10)
    form = build("formats", {"kind": "text"})
    assert isinstance(form.read("x" * 11).extracted, Invalid)
    assert isinstance(form.read("x" * 10).extracted, Parsed)
    assert not form.holds("x" * 11)


def test_a_scorer_that_hangs_is_that_answers_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SCORING_SECONDS", 0.05)

    @dataclass(frozen=True, kw_only=True)
    class Endless(Scorer):
        def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
            _spin()
            return 1.0, ""

    score = scoring._score(Endless(), Parsed("x"), Example(id="a", input={}, target="x"))
    assert (score.status, score.reason) == ("error", "took longer than 0.05 s")


DIGITS = "9" * 5000
ANSWERS = [
    DIGITS, f'{{"a": {DIGITS}}}', f'{{"a": 1e{"9" * 20}}}', f"a: 0x{'f' * 6000}", "1" + ":59" * 400, "a: " + "[" * 100,
    "[" * 100, '{"a":' * 100, "(" * 100, "SELECT " + "(" * 100, "SELECT 1 LIMIT " + DIGITS, "SELECT -" + "-" * 0 + "1e" + "9" * 30,
    "SELECT CAST(a AS " + "ARRAY<" * 30 + "INT" + ">" * 30 + ")", "null", "[]", "{}", "5", "true", '"x"',
]  # fmt: skip
FORMATS = [
    {"kind": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.01}}}},
    {"kind": "yaml", "schema": {"type": "object"}}, {"kind": "yaml"}, {"kind": "sql"}, {"kind": "number"},
    {"kind": "choice", "choices": ["a", "b"]}, {"kind": "regex", "pattern": "[0-9]+"}, {"kind": "text"},
]  # fmt: skip


@pytest.mark.parametrize("spec", FORMATS, ids=lambda spec: spec["kind"])
def test_absurd_answers_are_read_and_can_be_written(spec: dict[str, Any]) -> None:
    form = build("formats", spec)
    for answer in ANSWERS:
        reading = form.read(answer)
        for outcome in (reading.strict, reading.extracted):
            json.dumps(getattr(outcome, "value", None), allow_nan=False)


def test_types_within_types_are_counted_as_brackets_are() -> None:
    form = build("formats", {"kind": "sql"})
    assert isinstance(form.read("SELECT CAST(a AS ARRAY<ARRAY<INT>>)").strict, Parsed)
    assert isinstance(form.read("SELECT a FROM t WHERE a < b AND b < c AND c < 3").strict, Parsed)
    deep = form.read("SELECT CAST(a AS " + "ARRAY<" * 30 + "INT" + ">" * 30 + ")").strict
    assert isinstance(deep, Invalid)
    assert "nested 30 deep" in deep.reason


def test_targets_are_checked_within_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": name, "input": "q", "target": "x"}))
    (tmp_path / "task.yaml").write_text("data: {train: train.jsonl, test: test.jsonl}\n")
    monkeypatch.setattr(load, "SETTLING_SECONDS", 0.05)
    monkeypatch.setattr(answers, "settle", lambda target, form: _spin())
    with pytest.raises(ConfigError, match="checking the targets took longer") as raised:
        load.load(tmp_path)
    assert raised.value.file == tmp_path / "task.yaml"


def test_references_within_one_another_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema that only refers to itself ran a library written in Rust out of stack, which it answered with a panic."""
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    value: dict[str, Any] = {}
    for _ in range(20):
        value = {"left": value}
    assert isinstance(_schema.check(value, tree), Parsed)
    monkeypatch.setattr(_schema, "MAX_NESTED", 10)
    outcome = _schema.check(value, tree)
    assert isinstance(outcome, Invalid)
    assert "within one another" in outcome.reason


def test_a_filter_that_does_not_expect_a_value_is_one_line() -> None:
    with pytest.raises(ConfigError, match="AttributeError"):
        templates.render("{{ rows | indent(2) }}", {"rows": [1]})


def test_a_schema_is_checked_within_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_schema, "COMPILING_SECONDS", 0.05)
    monkeypatch.setattr(_schema, "_compile", lambda schema: _spin())
    with pytest.raises(ValueError, match="takes longer than"):
        _schema.compile_schema({})


def test_a_file_is_read_within_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n')
    monkeypatch.setattr(sources, "LEAST_SECONDS", 0.05)
    monkeypatch.setitem(sources.READERS, ".jsonl", lambda path, encoding: _spin())
    with pytest.raises(ConfigError, match="took longer than") as raised:
        sources.read(file)
    assert raised.value.file == file


def test_a_parquet_file_unpacks_to_so_much_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": ["x" * 1000] * 500}), file)
    assert file.stat().st_size < 20_000
    assert len(sources.read(file)) == 500
    monkeypatch.setattr(guarded, "MAX_UNPACKED", 100_000)
    with pytest.raises(ConfigError, match="unpacks to more than 100,000 bytes"):
        sources.read(file)


def test_a_table_has_so_many_columns(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(",".join(f"c{i}" for i in range(10_001)) + "\n")
    with pytest.raises(ConfigError, match="10,001 columns"):
        sources.read(file)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# a" + " " * 9000 + "x\n", "a" + " " * 9000 + "x"),
        ("#" * 9000 + "\n# b", "b"),
        ("# " + "# " * 5000 + "c", "# " * 5000 + "c"),
        ("#\t" * 4000 + "\n## d ##  ", "#\t" * 3999 + "#"),
    ],
)
def test_a_heading_is_found_in_linear_time(text: str, title: str) -> None:
    before = time.thread_time()
    result = corpus._title(text)
    assert time.thread_time() - before < 5  # two thousand spaces took 18 s
    assert result.split() == title.split() or result


PLAIN = [
    "{{ input }}", "{{ a.b[0] | upper }}", "{% if a is defined %}{{ a }}{% else %}none{% endif %}",
    "{% for row in rows %}{{ row.x }}, {% endfor %}", "{{ a | default('x') | trim }}", "{{ rows | tojson }}",
]  # fmt: skip
PROGRAMS = [
    "{% for i in range(3) %}{{ i }}{% endfor %}", "{% for a in rows %}{% for b in rows %}{% endfor %}{% endfor %}",
    "{% for a in rows recursive %}{{ a.x }}{% endfor %}", "{% set x = a ~ a %}{{ x }}", "{{ 'x' | center(9) }}",
    "{% macro m() %}{% endmacro %}{{ m() }}", "{{ '%9s' | format(a) }}", "{{ a * 3 }}", "{{ [a, a] }}", "{{ a.ljust(9) }}",
    "{% set ns = namespace(x=a) %}", "{{ a | indent(3) }}", "{% filter center(9) %}{% endfilter %}", "{{ 2 ** 3 }}",
    "{{ rows | tojson(40) }}", "{{ 1.5 | round(40) }}", "{{ rows | join(a) }}", "{{ rows | tojson(indent=a) }}",
]  # fmt: skip


def test_what_costs_no_more_than_its_fields_is_rendered_here() -> None:
    assert [source for source in PLAIN if not plain_templates.is_plain(source)] == []


def test_what_computes_is_rendered_in_the_child() -> None:
    assert [source for source in PROGRAMS if plain_templates.is_plain(source)] == []


@pytest.mark.parametrize(
    "source", [*PLAIN, *PROGRAMS, "{{ nope }}", "{% if %}", "{{ a.b.c }}", "{{ 'x' ~ nope }}"]
)
def test_the_child_renders_as_this_process_does(source: str) -> None:
    fields = {"input": "q\u00fc\U0001f600", "a": "text", "rows": [{"x": 1}, {"x": None}]}
    outcomes = []
    for render in (template_sandbox.render, template_child.render):
        try:
            outcomes.append(render(source, fields))
        except ConfigError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_a_template_that_takes_too_long_is_given_up_and_the_next_is_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert template_child.render("{{ 'a' ~ a }}", {"a": 1}) == "a1"
    monkeypatch.setattr(template_child, "SECONDS", 0.2)
    with pytest.raises(ConfigError, match=r"took longer than 0\.2 s"):
        template_child.render(
            "{% for i in range(10_000) %}{% for j in range(10_000) %}{% endfor %}{% endfor %}", {}
        )
    monkeypatch.setattr(template_child, "SECONDS", 5.0)
    assert template_child.render("{{ 'a' ~ a }}", {"a": 2}) == "a2"


def test_a_template_has_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_child, "MOST_SOURCE", 10)
    with pytest.raises(ConfigError, match="at most 10 are read"):
        template_child.render("{{ a }}" * 3, {"a": 1})


def test_the_child_is_given_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", "sk-s3cretS3CRET")
    child = template_child.Child()
    try:
        environment = Path(f"/proc/{child._process.pid}/environ").read_bytes()
        assert b"s3cret" not in environment
    finally:
        child.close()


@pytest.mark.parametrize("name", ["{{ 7*7 }}", "x }}{{ 7*7", "a b", "{% raw %}", "1a"])
def test_a_fields_name_is_never_rendered(name: str) -> None:
    with pytest.raises(ConfigError, match="which no template can name"):
        templates.default_input([[name, "other"]])


def test_a_models_template_is_rendered_within_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.core.values import Message
    from harness.models import chat

    loaded = chat.load_chat("tiny")
    monkeypatch.setattr(chat, "RENDERING_SECONDS", 0.05)
    monkeypatch.setattr(type(loaded.tokenizer), "apply_chat_template", lambda *args, **more: _spin())
    with pytest.raises(ConfigError, match="chat template took longer"):
        loaded.encode([Message("user", "q")])


def test_a_split_is_rendered_in_few_messages_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    source, rows = (
        "{{ ('a' ~ n ~ missing) | replace('x', 'y') }}",
        [{"n": n, "missing": ""} for n in range(150)],
    )
    child, asked = template_child.Child(), []
    monkeypatch.setattr(template_child, "_child", lambda: child)
    monkeypatch.setattr(template_child, "_kept", {})
    ask = child.ask

    def counted(source: str, many: Any) -> Any:
        asked.append(len(many))
        return ask(source, many)

    monkeypatch.setattr(child, "ask", counted)
    templates.ahead(
        [source, "{{ n }}"], [*rows, {"n": 1}]
    )  # the last lacks a field, the second template is plain
    assert asked == [64, 64, 23]
    assert [template_child.render(source, row) for row in rows] == [f"a{n}" for n in range(150)]
    assert len(asked) == 3
    with pytest.raises(ConfigError, match="'missing' is undefined"):
        template_child.render(source, {"n": 1})
    assert len(asked) == 4
    child.close()


def test_of_texts_that_are_remembered_there_are_so_many_and_none_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_child, "_kept", {})
    monkeypatch.setattr(template_child, "MOST_KEPT", 3)
    monkeypatch.setattr(template_child, "LONGEST_KEPT", 4)
    for n in range(6):
        assert template_child.render("{{ 'a' ~ n }}", {"n": n}) == f"a{n}"
    assert list(template_child._kept.values()) == ["a3", "a4", "a5"]
    assert template_child.render("{{ 'aaaa' ~ n }}", {"n": 1}) == "aaaa1"
    assert "aaaa1" not in template_child._kept.values()


def test_one_template_that_is_given_up_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_child, "SECONDS", 0.2)
    source = "{% for i in range(n) %}{% for j in range(n) %}{% endfor %}{% endfor %}x{{ 'a' ~ n }}"
    rows = [{"n": 1}, {"n": 10_000}, {"n": 2}]
    template_child.ahead(source, rows)
    assert template_child.render(source, rows[0]) == "xa1"
    with pytest.raises(ConfigError, match=r"took longer than 0\.2 s"):
        template_child.render(source, rows[1])
    monkeypatch.setattr(template_child, "SECONDS", 5.0)
    assert template_child.render(source, rows[2]) == "xa2"


def _hold(mebibytes: int, seconds: float = 10.0) -> None:
    """Take memory in pieces that the process did not have before, and hold it."""
    until, held = time.thread_time() + seconds, []
    while time.thread_time() < until:
        if len(held) < mebibytes:
            held.append(mmap.mmap(-1, 2**20))
            held[-1].write(bytes(2**20))
        sum(range(2000))


def test_work_that_takes_too_much_memory_is_given_up() -> None:
    with pytest.raises(deadline.TooLargeError), deadline.within(20, 8 * 2**20):
        _hold(200)


def test_what_another_thread_takes_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter(range(0, 2**40, 2**30))
    monkeypatch.setattr(deadline, "resident", lambda: next(sizes))
    with deadline.within(20, 2**20):
        time.sleep(0.5)


def test_a_bound_within_a_bound_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with deadline.within(20, 2**40):
        with pytest.raises(deadline.TooLargeError), deadline.within(20, 8 * 2**20):
            _hold(200)
        _hold(20, 0.5)


def test_an_answer_that_takes_too_much_memory_is_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ANSWER_MEMORY", 8 * 2**20)
    monkeypatch.setattr(Stubborn, "parse", lambda self, text: _hold(200))
    monkeypatch.setattr(protocol, "READING_SECONDS", 60.0)
    reading = Stubborn().read("a")
    assert isinstance(reading.extracted, Unread)
    assert "took more than 8.0 MiB" in reading.extracted.reason


def test_a_file_whose_rows_take_too_much_memory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "MEMORY", 8 * 2**20)
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\n')
    with pytest.raises(ConfigError, match="rows.jsonl.*take more than 8.0 MiB"):
        sources.using(file, lambda rows: _hold(200))


def test_values_that_take_too_much_memory_are_counted_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.tasks import json_files

    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{"a": [[]] * 50, "b": "x"}]))
    assert len(sources.read(file)) == 1
    monkeypatch.setattr(json_files, "SMALL", 100)
    monkeypatch.setattr(guarded, "MEMORY", 4_000)
    with pytest.raises(
        ConfigError, match=r"rows\.json.*its values take up to 0\.0 MiB; at most 0\.0 MiB are held"
    ):
        sources.read(file)


@pytest.mark.parametrize("functions", [[], [{"type": "function", "function": {"name": "f"}}]])
def test_the_child_renders_a_models_template_as_this_process_does(functions: list[Any]) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    from harness.models import chat_template

    source = (
        "{% macro shown(m) %}[{{ m.role }}|{{ m.content | indent(2) }}]{% endmacro %}{{ bos_token }}"
        "{% for m in messages %}{{ shown(m) }}{% endfor %}{{ tools | tojson if tools }}{{ enable_thinking }}"
    )
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "q\u00fc\n\U0001f600"}]
    settings = {"bos_token": "<s>", "enable_thinking": False}
    conversation = chat_template.Conversation(
        template=source, messages=messages, functions=functions, generation_prompt=True, settings=settings
    )
    assert not conversation.is_cheap
    (wanted,), _ = render_jinja_template(
        [messages], tools=functions or None, chat_template=source, add_generation_prompt=True, **settings
    )
    assert chat_template.render(conversation) == wanted


def test_a_models_template_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.models import chat_template

    def render(source: str) -> str:
        messages = [{"role": "user", "content": "q"}]
        return chat_template.render(
            chat_template.Conversation(
                template=source, messages=messages, functions=[], generation_prompt=True, settings={}
            )
        )

    with pytest.raises(ConfigError, match="refuses this prompt: no"):
        render("{{ raise_exception('no') }}")
    monkeypatch.setattr(chat_template, "MOST_CHARACTERS", 3)
    with pytest.raises(ConfigError, match="more than 3 characters"):
        render("{{ 'a' * 4 }}")
    monkeypatch.setattr(chat_template, "SECONDS", 0.3)
    with pytest.raises(ConfigError, match=r"took longer than 0\.3 s, or more than 512 MiB"):
        render("{% for i in range(9_000) %}{% for j in range(9_000) %}{% endfor %}{% endfor %}")
    monkeypatch.setattr(chat_template, "SECONDS", 5.0)
    assert render("{{ 'a' ~ 1 }}") == "a1"


def test_a_long_conversation_is_rendered_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.models import chat_template

    source = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    few, many = (
        chat_template.Conversation(
            template=source,
            messages=[{"role": "user", "content": "q"}] * count,
            functions=[],
            generation_prompt=True,
            settings={},
        )
        for count in (1, 50)
    )
    monkeypatch.setattr(chat_template, "MOST_WRITTEN", 5_000)
    assert few.is_cheap
    assert not many.is_cheap
