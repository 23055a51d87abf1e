"""From public data sets to task folders: work that nobody here wrote.

python -m tests.real.adapters ../shared/data build/real      # writes build/real/{snips,xquad,shuffled}
harness run build/real/snips --recipes zero_shot,few_shot,bm25_rag,lora,qlora,full,rag_lora
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.values import Example
from harness.tasks import row_layouts as task_rows
from harness.tasks import sources
from harness.tasks.row_layouts import Placed

Row = dict[str, Any]


def snips(data: Path, out: Path, *, per_intent: tuple[int, int, int] = (50, 8, 24)) -> Path:
    """SNIPS (CC0-1.0): an utterance → its intent and slots as JSON.

    Duplicated utterances are dropped, and train utterances that are also in the validate files
    are left to the test split. The corpus is an annotation guide made from train rows alone: a
    document per intent that lists its slots with examples.
    """
    rng = random.Random(0)
    splits: dict[str, list[Row]] = {"train": [], "dev": [], "test": []}
    seen: set[str] = set()
    for intent in sorted(path.stem.split("_")[1] for path in data.glob("validate_*.json")):
        held_out = _unseen(_utterances(data / f"validate_{intent}.json", intent), seen)
        train = _unseen(_utterances(data / f"train_{intent}_full.json", intent), seen)
        rng.shuffle(held_out)
        rng.shuffle(train)
        n_train, n_dev, n_test = per_intent
        splits["test"] += held_out[:n_test]
        splits["train"] += train[:n_train]
        splits["dev"] += train[n_train : n_train + n_dev]
    for rows in splits.values():
        rng.shuffle(rows)
    slots: dict[str, set[str]] = defaultdict(set)
    for row in splits["train"]:
        slots[row["target"]["intent"]].update(row["target"]["slots"])
    schema = _snips_schema(slots)
    guide = {intent: _guide(intent, splits["train"]) for intent in sorted(slots)}
    return _write(out, splits, guide, schema=schema, task=SNIPS_TASK)


def xquad(data: Path, out: Path, *, sizes: tuple[int, int, int] = (300, 50, 160)) -> Path:
    """XQuAD, English (CC BY-SA 4.0): a question → a short span of one of 240 paragraphs.

    Splits are cut by paragraph, so that no train question is about a test question's paragraph.
    """
    placed = _examples(data / "xquad.en.json")
    passages = task_rows.documents(placed)
    corpus = {f"p{i:03d}": f"# Paragraph {i}\n\n{passage.text}\n" for i, passage in enumerate(passages)}
    order = list(range(len(passages)))
    random.Random(0).shuffle(order)
    splits: dict[str, list[Row]] = {"test": [], "dev": [], "train": []}
    wanted = {"train": sizes[0], "dev": sizes[1], "test": sizes[2]}
    for index in order:
        split = next((name for name, part in splits.items() if len(part) < wanted[name]), None)
        if split is not None:
            about = (item.example for item in placed if item.example.group == passages[index].id)
            splits[split] += [_question(example, f"p{index:03d}") for example in about]
    return _write(out, {name: part[: wanted[name]] for name, part in splits.items()}, corpus, task=XQUAD_TASK)


def shuffled(data: Path, out: Path, *, per_intent: tuple[int, int, int] = (24, 8, 24)) -> Path:
    """The control: SNIPS utterances whose intents were dealt out at random, as often as before.

    There is nothing to learn in it but how often each intent occurs, and they occur equally often.
    """
    rng = random.Random(1)
    splits: dict[str, list[Row]] = {"train": [], "dev": [], "test": []}
    seen: set[str] = set()
    for intent in sorted(path.stem.split("_")[1] for path in data.glob("validate_*.json")):
        rows = _unseen(_utterances(data / f"train_{intent}_full.json", intent), seen)
        for name, count in zip(splits, per_intent, strict=True):
            splits[name] += [rows.pop(rng.randrange(len(rows))) for _ in range(count)]
    for rows in splits.values():
        intents = [row["target"]["intent"] for row in rows]
        rng.shuffle(intents)
        rng.shuffle(rows)
        for row, intent in zip(rows, intents, strict=True):
            row["target"] = intent
            del row["context_ids"]
    return _write(out, splits, {}, task=SHUFFLED_TASK.format(choices=sorted(set(intents))))


def _examples(path: Path) -> list[Placed]:
    """The rows of a public file, read by the layout that `harness init` reads it by.

    `train_PlayMusic_full.json` is Latin-1, the others are UTF-8.
    """
    try:
        located = sources.read(path)
    except ConfigError:
        located = sources.read(path, "latin-1")
    return task_rows.examples(located, path.stem, None)


def _utterances(path: Path, intent: str) -> list[Row]:
    """SNIPS rows of one file; of a slot that occurs twice the last words count."""
    utterances = []
    for number, placed in enumerate(_examples(path)):
        example = placed.example
        slots = {
            name: words[-1] if isinstance(words, list) else words
            for name, words in example.target["slots"].items()
        }
        target = {"intent": intent, "slots": slots}
        row = {"id": f"{path.stem}-{number}", "input": example.input["input"], "target": target}
        utterances.append(row | {"context_ids": [intent]})
    return utterances


def _unseen(rows: Iterable[Row], seen: set[str]) -> list[Row]:
    kept = []
    for row in rows:
        text = " ".join(row["input"].lower().split())
        if text not in seen:
            seen.add(text)
            kept.append(row)
    return kept


def _snips_schema(slots: dict[str, set[str]]) -> dict[str, Any]:
    names = sorted({slot for found in slots.values() for slot in found})
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "type": "object",
        "properties": {
            "intent": {"enum": sorted(slots)},
            "slots": texts | {"propertyNames": {"enum": names}},
        },
        "required": ["intent", "slots"],
        "additionalProperties": False,
    }


def _guide(intent: str, train: Sequence[Row]) -> str:
    rows = [row for row in train if row["target"]["intent"] == intent]
    values: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for slot, value in row["target"]["slots"].items():
            values[slot].append(value)
    lines = [
        f"- {slot}: such as {', '.join(dict.fromkeys(found[:4]))}" for slot, found in sorted(values.items())
    ]
    asked = "; ".join(row["input"] for row in rows[:2])
    return f"# {intent}\n\nSlots of the intent {intent}:\n" + "\n".join(lines) + f"\n\nAsked like: {asked}\n"


def _question(example: Example, document: str) -> Row:
    answer = example.target[0] if isinstance(example.target, list) else example.target
    row = {"id": example.id, "input": example.input["input"], "target": answer}
    return row | {"context_ids": [document], "group": document}


def _write(
    out: Path,
    splits: dict[str, list[Row]],
    corpus: dict[str, str],
    *,
    task: str,
    schema: dict[str, Any] | None = None,
) -> Path:
    (out / "corpus").mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    for name, text in corpus.items():
        (out / "corpus" / f"{name}.md").write_text(text, encoding="utf-8")
    if schema is not None:
        (out / "schema.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
    (out / "task.yaml").write_text(task, encoding="utf-8")
    return out


SNIPS_TASK = """\
name: snips
version: 1
instructions: |
  Give the request's intent and its slots as compact JSON: {"intent":"...","slots":{"slot":"words of the request"}}
data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}
format: {kind: json_schema, schema: schema.json}
scorers: [{kind: fields}, {kind: exact}]
primary: fields
corpus: corpus/
max_new_tokens: 80
licence: SNIPS NLU benchmark, CC0-1.0
"""

XQUAD_TASK = """\
name: xquad
version: 1
instructions: |
  Answer the question with only the shortest possible phrase, and nothing else.
data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}
format: {kind: text}
scorers: [{kind: f1}, {kind: contains}, {kind: exact}]
primary: f1
corpus: corpus/
max_new_tokens: 32
licence: XQuAD (English), CC BY-SA 4.0
"""

SHUFFLED_TASK = """\
name: shuffled
version: 1
instructions: Give the request's intent.
data: {{train: train.jsonl, dev: dev.jsonl, test: test.jsonl}}
format: {{kind: choice, choices: {choices}}}
scorers: [{{kind: exact}}]
primary: exact
max_new_tokens: 12
licence: SNIPS NLU benchmark, CC0-1.0
"""

ADAPTERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "snips": ("snips", snips),
    "xquad": ("xquad_en", xquad),
    "shuffled": ("snips", shuffled),
}


def main(data: Path, out: Path) -> None:
    for name, (folder, adapter) in ADAPTERS.items():
        print(adapter(data / folder, out / name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
