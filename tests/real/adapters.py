"""From public data sets to task folders with `harness init`, and a control that nothing can be learnt from.

python -m tests.real.adapters ../shared/data build/real      # writes build/real/{snips,xquad,shuffled}
harness run build/real/snips --recipes zero_shot,few_shot,bm25_rag,lora,qlora,full,rag_lora
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.core.values import Example
from harness.tasks.init import Wish, init
from harness.tasks.load import load


def snips(data: Path, out: Path) -> Path:
    """SNIPS (CC0-1.0): an utterance → its intent and slots as JSON, with an annotation guide as corpus."""
    sizes = {"train": 350, "dev": 56, "test": 168}
    folder = init(str(data / "snips"), out, Wish(sizes=sizes, force=True)).folder
    with tempfile.TemporaryDirectory() as guide:
        for intent, text in _guide(load(folder).splits["train"]).items():
            (Path(guide) / f"{intent}.md").write_text(text, encoding="utf-8")
        return init(str(data / "snips"), out, Wish(sizes=sizes, corpus=Path(guide), force=True)).folder


def banking77(data: Path, out: Path) -> Path:
    """Banking77 (CC BY 4.0): a customer's question → one of 77 intents."""
    sizes = {"train": 400, "dev": 120, "test": 200}
    return init(str(data / "banking77"), out, Wish(sizes=sizes, force=True)).folder


def xquad(data: Path, out: Path) -> Path:
    """XQuAD, English (CC BY-SA 4.0): a question → a short span of one of 240 paragraphs."""
    sizes = {"train": 300, "dev": 50, "test": 160}
    return init(str(data / "xquad_en"), out, Wish(name="xquad", sizes=sizes, force=True)).folder


def shuffled(data: Path, out: Path) -> Path:
    """The control: SNIPS utterances whose intents are dealt out at random, as often as before."""
    sizes = {"train": 168, "dev": 56, "test": 168}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as scratch:
        task = load(init(str(data / "snips"), Path(scratch), Wish(sizes=sizes)).folder)
        dealt = Path(scratch) / "dealt"
        dealt.mkdir()
        for split, part in task.splits.items():
            intents = [example.target["intent"] for example in part]
            rng.shuffle(intents)
            rows = [{"text": e.input["input"], "intent": i} for e, i in zip(part, intents, strict=True)]
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (dealt / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        return init(str(dealt), out, Wish(name="shuffled", format="choice", force=True)).folder


def _guide(train: Sequence[Example]) -> dict[str, str]:
    """A document per intent that lists its slots with values from train, and two requests."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    asked: dict[str, list[str]] = defaultdict(list)
    for example in train:
        intent = example.target["intent"]
        asked[intent].append(example.input["input"])
        for slot, value in example.target["slots"].items():
            values[intent][slot] += value if isinstance(value, list) else [value]
    guide = {}
    for intent, requests in asked.items():
        lines = [
            f"- {slot}: such as {', '.join(dict.fromkeys(v[:4]))}"
            for slot, v in sorted(values[intent].items())
        ]
        slots = "\n".join(lines)
        guide[intent] = (
            f"# {intent}\n\nSlots of the intent {intent}:\n{slots}\n\nAsked like: {'; '.join(requests[:2])}\n"
        )
    return guide


if __name__ == "__main__":
    for adapter in (snips, xquad, shuffled):
        print(adapter(Path(sys.argv[1]), Path(sys.argv[2])))
