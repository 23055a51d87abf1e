"""A task folder's files, as text that a person will edit further."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from harness.core import tools
from harness.core.values import Document, Example
from harness.tasks import corpus, task_file
from harness.tasks.column_inference import Answer
from harness.tasks.task_file import MapFile

CORPUS = "corpus.jsonl"
_LINE = json.JSONEncoder(ensure_ascii=False).encode


BREAKS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""Characters other than the newline that end a line in YAML or for Python."""


def files(folder: Path, parts: Mapping[str, Sequence[Example]], answer: Answer) -> None:
    """Write a JSONL file per split, and the schema if the format has one."""
    for split, part in parts.items():
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(f"{_LINE(_row(example))}\n" for example in part)
    if answer.schema is not None:
        text = json.dumps(answer.schema, indent=2, ensure_ascii=False) + "\n"
        (folder / "schema.json").write_text(text, encoding="utf-8")


def documents_key(folder: Path, documents: Sequence[Document]) -> dict[str, str]:
    """Write the corpus that came with the rows, if there is one, and name it."""
    if not documents:
        return {}
    rows = ({"id": d.id, "title": d.title, "text": d.text} for d in documents)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / CORPUS).write_text("".join(lines), encoding="utf-8")
    return {"corpus": CORPUS}


def input_key(mapping: MapFile | None) -> dict[str, str]:
    """The template of the user message if columns have names other than the fields they become."""
    if mapping is None or not isinstance(mapping.input, dict):
        return {}
    shown = {field: " ".join(column.split()) for field, column in mapping.input.items()}
    if all(field == name for field, name in shown.items()):
        return {}
    plain = {field: field if set(name) & set("{}%#") else name for field, name in shown.items()}
    return {"input": "\n".join(f"{name}: {{{{ {field} }}}}" for field, name in plain.items())}


def corpus_key(given: Path | None, folder: Path) -> dict[str, str]:
    """Copy what retrieval reads into the task's folder, and name it.

    Raises:
        ConfigError: no corpus there.
    """
    if given is None:
        return {}
    documents = corpus.read(given)
    if given.is_file():
        return documents_key(folder, documents)
    for path in corpus.paths(given):
        copy = folder / "corpus" / path.relative_to(given)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return {"corpus": "corpus/"}


def task_yaml(
    name: str,
    answer: Answer,
    parts: Mapping[str, Sequence[Example]],
    notes: Sequence[str],
    keys: Mapping[str, str] | None = None,
) -> str:
    """The text of a task file, with what was guessed as comments; `keys` are its additional keys."""
    longest = max(len(_written(e.target).encode()) for part in parts.values() for e in part)
    # Tokens average at least two bytes in every common tokenizer; `harness validate` counts them.
    tokens = min(2048, max(16, math.ceil((longest / 2 + 8) / 16) * 16))
    guesses = "\n".join(f"#   {' '.join(line.split())}" for line in notes)
    sizes = ", ".join(f"{len(part)} {split}" for split, part in parts.items())
    return f"""\
# yaml-language-server: $schema=../{task_file.SCHEMA.name}
# Guessed from the data; check each line, then run `harness validate {name}`:
{guesses}
name: {json.dumps(name)}
version: 1
# Jinja2; the example's fields are in scope. This is the prompt of every method: make it good.
{block("instructions", answer.instructions)}{_schema_key(answer)}{_block(keys or {})}# {sizes} rows
data: {{train: train.jsonl, dev: dev.jsonl, test: test.jsonl}}
{_dump({"format": answer.spec})}\
{_dump({"scorers": list(answer.scorers), "primary": answer.primary})}\
# The longest answer, in tokens.
max_new_tokens: {tokens}
# A difference smaller than this does not matter to you.
margin: 0.02
# Where the data came from and under which licence; goes on model cards.
licence: ""
"""


def _schema_key(answer: Answer) -> str:
    if answer.schema is None:
        return ""
    comment = (
        "# After the instructions comes schema.json in compact form; give its fields a `description` there."
    )
    return f"{comment}\nschema_in_prompt: true\n"


def _row(example: Example) -> dict[str, object]:
    whole = dict(example.input)
    single = list(whole) == ["input"]
    optional = {
        "turns": [{"role": turn.role, "content": turn.content} for turn in example.turns],
        "tools": tools.value(example.tools),
        "context_ids": list(example.context_ids),
        "group": example.group,
        "meta": dict(example.meta),
    }
    return {
        "id": example.id,
        "input": whole["input"] if single else whole,
        "target": example.target,
        **{key: value for key, value in optional.items() if value},
    }


def _written(target: object) -> str:
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _block(keys: Mapping[str, str]) -> str:
    """Texts under their keys; several lines as a block, as a person writes them."""
    return "".join(
        block(key, text) if "\n" in text else f"{key}: {json.dumps(text)}\n" for key, text in keys.items()
    )


def block(key: str, text: str) -> str:
    """A text as a block of lines; quoted if it holds what YAML takes for the end of a line."""
    if any(mark in text for mark in BREAKS):
        return f"{key}: {json.dumps(text)}\n"
    return f"{key}: |\n" + "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n"))


def _dump(value: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return text


def editor_schema(into: Path) -> None:
    """Put the JSON Schema of task files beside the task folders, where the first line of each points: a relative
    path stays true on every machine and wherever the folder of tasks goes."""
    shutil.copyfile(task_file.SCHEMA, into / task_file.SCHEMA.name)
