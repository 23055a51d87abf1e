"""What the defense costs: prompts rendered and answers scored per second, here and in another checkout, by turns.

python -m tests.hostile.cost OTHER_CHECKOUT [ROUNDS]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MEASURE = """
import json, time, sys
from pathlib import Path
from harness.core.protocols import Task
from harness.core.values import Example
from harness.results.records.sample import SampleRecord
from harness.runner.scoring import scored
from harness.core.kinds import build
from harness.tasks.templates import render
try:
    from harness.tasks import template_child
    from harness.tasks.templates import ahead
except ImportError:
    ahead = None
fields = {"input": "word " * 200, "name": "x", "rows": [{"a": str(i)} for i in range(20)]}
templates = {
    "plain": "Classify the ticket.\\n{{ input }}\\n{% if name is defined %}{{ name }}{% endif %}",
    "loop": "{% for row in rows %}{{ row.a }}, {% endfor %}{{ input }}",
    "program": "{% set x = input ~ name %}{{ x | replace('word', 'w') }}",
}
schema = {"type": "object", "properties": {"queue": {"enum": ["a", "b"]}, "tags": {"type": "array",
    "items": {"type": "string"}}, "n": {"type": "integer"}}, "required": ["queue"]}
answers = {
    "json_schema": ({"kind": "json_schema", "schema": schema}, '{"queue": "a", "tags": ["x", "y"], "n": 3}'),
    "json in prose": ({"kind": "json_schema", "schema": schema}, 'It is:\\n```json\\n{"queue": "b", "n": 3}\\n```'),
    "choice": ({"kind": "choice", "choices": ["red", "green", "blue"]}, "green"),
    "number": ({"kind": "number"}, "The answer is 42."),
    "sql": ({"kind": "sql"}, "SELECT a, COUNT(*) FROM t WHERE b = 1 GROUP BY a"),
}
def rate(act, seconds=0.4):
    act()
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        for _ in range(10):
            act()
        count += 10
    return count / (time.process_time() - began)
def fastest(act, seconds=0.6):
    act()
    best, began = 1e9, time.perf_counter()
    while time.perf_counter() - began < seconds:
        before = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - before)
    return best
split = [fields | {"name": str(number)} for number in range(500)]
def whole_split(source):
    if ahead is not None:
        ahead([source], split)
        rendered = [render(source, row) for row in split]
        getattr(template_child, "_kept").clear()
        return rendered
    return [render(source, row) for row in split]
rates = {f"prompt, {name}": 500 / fastest(lambda: whole_split(source)) for name, source in templates.items()}
from harness.core.values import Message
from harness.models.chat import load_chat
chat = load_chat("tiny")
talk = [Message("system", "Classify the ticket."), Message("user", fields["input"])]
chat_templates = {
    "plain": chat.template,
    "program": "{%- macro turn(m) %}[{{ m.role }}]{{ m.content | trim }} {% endmacro %}"
    "{% for m in messages %}{{ turn(m) }}{% endfor %}",
}
def encoded(template):
    chat.template = template
    return [chat.encode(talk) for _ in range(100)]
rates |= {f"chat, {name}": 100 / fastest(lambda: encoded(text)) for name, text in chat_templates.items()}
for name, (spec, answer) in answers.items():
    form = build("formats", spec)
    target = form.parse("a" if name == "x" else answer.strip()[-20:] if name == "choice" else answer)
    task = Task(name="t", version=1, instructions="", input="", format=form, scorers=(build("scorers", "exact"),),
        primary="exact", splits={}, corpus=(), folder=Path("."), data_hash="")
    example = Example(id="a", input={}, target=getattr(target, "value", "x"))
    row = SampleRecord.of({"sample_id": "a", "output": answer, "finish_reason": "stop", "tokens_out": 9}) if hasattr(
        SampleRecord, "of") else SampleRecord(sample_id="a", output=answer, finish_reason="stop", tokens_out=9)
    rates[f"answer, {name}"] = rate(lambda: scored(task, row, example))
print(json.dumps(rates))
"""


def measured(checkout: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def main(other: str, rounds: int = 3) -> None:
    here = Path(__file__).parents[2]
    before: list[dict[str, float]] = []
    after: list[dict[str, float]] = []
    for _ in range(rounds):
        before.append(measured(Path(other)))
        after.append(measured(here))
    print("| per second | before | after | ratio |\n|---|---|---|---|")
    for name in after[0]:
        was, now = (max(rates[name] for rates in part) for part in (before, after))
        print(f"| {name} | {was:,.0f} | {now:,.0f} | {now / was:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
