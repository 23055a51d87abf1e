"""Every family of chat templates from task to score on a tiny random model: several turns, functions, few-shot, LoRA."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.core import tools
from harness.core.values import Message, TrainingExample
from harness.models import tiny
from harness.models.chat import TemplateChat, load_chat
from harness.training.tokenized import to_row
from tests.unit.test_chat_templates import FAMILIES, Family, _folded, _tokenizer

WEATHER = {"name": "weather", "description": "Rain?", "parameters": {"type": "object", "properties": {}}}
OFFERED = tools.written([WEATHER])
TALK = (
    Message("system", "Be brief."),
    Message("user", "first shot, first turn"),
    Message("assistant", "go on"),
    Message("user", "first shot, second turn"),
    Message("assistant", "red"),
    Message("user", "asked, first turn"),
    Message("assistant", "yes?"),
    Message("user", "asked, second turn"),
)
TOOLS = {
    "qwen3": "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif %}",
    "llama3": "{% if tools is not none %}Environment: ipython\n{% for t in tools %}{{ t | tojson(indent=4) }}{% endfor %}{% endif %}",
    "mistral": "{% if tools is defined and tools is not none %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}",
}
"""How families with functions show them, behind the BOS; the others have none."""


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _with_tools(name: str) -> Any:
    tokenizer = _tokenizer(FAMILIES[name])
    bos = "{{ bos_token }}" if "{{ bos_token }}" in tokenizer.chat_template else ""
    before, _, behind = tokenizer.chat_template.rpartition(bos) if bos else ("", "", tokenizer.chat_template)
    tokenizer.chat_template = before + bos + TOOLS.get(name, "") + behind
    return tokenizer


def _rows(family: Family, messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [message.row() for message in _folded(family, messages)]


def test_shots_of_several_turns_are_the_templates_own_turns(name: str) -> None:
    tokenizer = _tokenizer(FAMILIES[name])
    template = tokenizer.chat_template.replace("strftime_now('%d %b %Y')", "'26 Jul 2024'")
    own = tokenizer.apply_chat_template(
        _rows(FAMILIES[name], TALK),
        chat_template=template.replace("strftime_now('%d %B %Y')", "'26 July 2024'"),
        add_generation_prompt=True,
        return_dict=False,
        enable_thinking=False,
    )
    assert TemplateChat(tokenizer).encode(TALK) == own


def test_functions_reach_the_template_or_are_listed(name: str) -> None:
    chat = TemplateChat(_with_tools(name))
    assert chat.takes_tools == (name in TOOLS)
    prompt = chat.show(chat.encode(tools.offering(TALK, OFFERED)))
    assert prompt.count('"weather"') == 1
    plain = chat.show(chat.encode(TALK))
    if chat.takes_tools:
        assert prompt.endswith(plain.removeprefix(chat.tokenizer.bos_token or ""))
        own = chat.tokenizer.apply_chat_template(
            _rows(FAMILIES[name], TALK),
            tools=tools.offered(tools.offering(TALK, OFFERED)),
            chat_template=chat.template.replace("strftime_now('%d %b %Y')", "'26 Jul 2024'"),
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )
        assert prompt == own
    else:
        assert "You can call these functions:" in prompt
        assert prompt.index("Be brief.") < prompt.index("You can call") < prompt.index("first shot")


def test_control_names_in_a_functions_description_are_letters(name: str) -> None:
    chat = TemplateChat(_with_tools(name))
    names = " ".join(FAMILIES[name].specials)
    hostile = tools.written([{**WEATHER, "description": names}])
    special = set(chat.tokenizer.all_special_ids)
    plain, marked = (chat.encode(tools.offering(TALK, offered)) for offered in (OFFERED, hostile))
    assert [i for i in marked if i in special] == [i for i in plain if i in special]
    assert names in chat.show(marked)


def test_the_end_of_the_turn_is_among_the_labels_and_no_control_token_of_the_prompt_is(name: str) -> None:
    chat = TemplateChat(_tokenizer(FAMILIES[name]))
    row = to_row(TrainingExample(id="a", messages=TALK, answer="blue"), chat)
    learned = [token for token, weight in zip(row.ids, row.weights, strict=True) if weight]
    end = chat.tokenizer.convert_tokens_to_ids(FAMILIES[name].ends)
    assert learned == [*chat.tokenizer("blue", add_special_tokens=False)["input_ids"], *learned[4:]]
    assert learned[-1] == end
    assert learned.count(end) == 1
    assert end in chat.eos_ids


def _model(folder: Path, name: str) -> Path:
    """A random network with the family's tokenizer; its embedding has a row for each control token."""
    from transformers import AutoModelForCausalLM

    tokenizer = _with_tools(name)
    network = AutoModelForCausalLM.from_pretrained(tiny.folder("llama"))
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    network.config.eos_token_id = network.generation_config.eos_token_id = tokenizer.eos_token_id
    network.config.bos_token_id = network.generation_config.bos_token_id = tokenizer.bos_token_id
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _task(folder: Path) -> Path:
    """Twelve rows of conversations of two turns that offer a function."""
    folder.mkdir()
    for split, count in (("train", 8), ("dev", 2), ("test", 2)):
        rows = [
            {
                "id": f"{split}-{i}",
                "turns": [message.row() for message in _opening(i)],
                "input": f"colour of {split} {i}",
                "target": ("red", "blue")[i % 2],
                "tools": [WEATHER],
            }
            for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.yaml").write_text(
        "name: talk\ninstructions: Be brief.\ndata: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}\n"
        "format: {kind: choice, choices: [red, blue]}\nscorers: [exact]\nmax_new_tokens: 3\n"
    )
    return folder


def _opening(number: int) -> list[Message]:
    return [Message("user", f"hello {number}"), Message("assistant", "yes?")]


def test_few_shot_and_lora_run(name: str, tmp_path: Path) -> None:
    import harness

    model = _model(tmp_path / "model", name)
    (tmp_path / "shots.yaml").write_text("program: {kind: few_shot, k: 1, choose: first}")
    (tmp_path / "learns.yaml").write_text(
        "weights: {kind: lora, num_train_epochs: 1, per_device_train_batch_size: 4, eval_per_epoch: 0}"
    )
    outcome = harness.run(
        _task(tmp_path / "talk"),
        model=str(model),
        recipes=[str(tmp_path / "shots.yaml"), str(tmp_path / "learns.yaml")],
        results=tmp_path / "results",
        quiet=True,
    )
    records = {record["recipe"]["name"]: record for record in outcome.records}
    assert {record["status"] for record in records.values()} == {"done"}, [
        record.get("error") for record in records.values()
    ]
    folders = {recipe: tmp_path / "results" / "runs" / record["id"] for recipe, record in records.items()}
    first = {
        recipe: json.loads((folder / "samples.jsonl").read_text().splitlines()[0])
        for recipe, folder in folders.items()
    }
    chat = load_chat(str(model))
    number = int(first["shots"]["shots"][0].removeprefix("train-"))
    shot = [*_opening(number), Message("user", f"colour of train {number}")]
    shot.append(Message("assistant", ("red", "blue")[number % 2]))
    asked = [*_opening(0), Message("user", "colour of test 0")]
    for recipe, turns in (("shots", [*shot, *asked]), ("learns", asked)):
        messages = tools.offering([Message("system", "Be brief."), *turns], OFFERED)
        assert first[recipe]["prompt"] == chat.show(chat.encode(messages))
    steps = [json.loads(line) for line in (folders["learns"] / "train_steps.jsonl").read_text().splitlines()]
    losses = [step["loss"] for step in steps if step.get("loss") is not None]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    checks = {check["check"]: check["ok"] for check in records["learns"]["parity"]}
    assert checks["eos"]
    assert checks["prompt"]
