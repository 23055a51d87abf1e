"""What `regressions.sh` needs beside the commands: a merged model, a planted mistake, the table.

python regressions.py merge RESULTS RUN FOLDER | plant TASK FOLDER | table OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CATEGORY = "charged"
WRONG = {"action": "tune", "queue": "VD3", "priority": "P3"}
_COLUMNS = ("upgrade", "recipe", "old → new", "total", "of the base", "of the adaptation", "moved as it is")


def merge(results: str, run: str, folder: str) -> None:
    """A run's model as a folder of its own, which any command takes as a model."""
    from harness.benchmarks.subject import find, load
    from harness.models.source import resolve

    target = find(Path(results), run)
    load(target).network.save_pretrained(folder)
    for file in resolve(target.model).iterdir():
        if file.suffix != ".safetensors" and not (Path(folder) / file.name).exists():
            shutil.copy(file, folder)


def plant(task: str, folder: str) -> None:
    """The task, with the train rows of one category taught wrongly; dev and test stay."""
    shutil.copytree(task, folder, dirs_exist_ok=True)
    path = Path(folder) / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if row["meta"]["trouble"] == CATEGORY:
            row["target"] |= WRONG
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def table(out: str) -> None:
    """Every finished part: changes in points with 95 % intervals, the answer, wall-clock seconds."""
    folder = Path(out)
    output = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))}
    seconds = {file.stem: file.read_text().strip() for file in folder.glob("*.seconds")}
    print(f"| {' | '.join([*_COLUMNS, 'answer', 'seconds'])} |")
    print("|" + "---|" * (len(_COLUMNS) + 2))
    for part, record in output.items():
        for cells in _rows(record):
            print(f"| {' | '.join([part, *cells, seconds.get(part, '–')])} |")
    print(
        "\nSeconds are of a whole part, all its recipes; runs that an earlier part made are not made again."
    )
    for part, record in output.items():
        for line in _remarks(record):
            print(f"{part}: {line}")


def _rows(record: dict[str, Any]) -> Iterator[list[str]]:
    for item in record.get("replays", ()):
        scores = item["scores"]
        effects = [item[name] for name in ("total", "base_effect", "adaptation_effect", "as_is")]
        sides = f"{100 * scores['old']:.1f} → {100 * scores['new']:.1f}"
        yield [item["recipe"], sides, *map(_effect, effects), item["answer"].replace("_", " ")]
    for check in record.get("checks", ()):
        sides = f"{100 * check['before']:.1f} → {100 * check['after']:.1f}"
        yield [f"gate: {check['metric']}", sides, _effect(check), "–", "–", "–", record["verdict"]]


def _remarks(record: dict[str, Any]) -> Iterator[str]:
    for item in record.get("replays", ()):
        if item["not_moved"]:
            yield f"{item['recipe']} was not moved: {item['not_moved']}"
        if item["answer"] == "inconclusive":
            yield f"{item['recipe']}: examples that would settle it: {item['examples_needed']}"
        yield from (_gathered(item["recipe"], category) for category in item["flips"]["categories"][:3])
    if "verdict" in record:
        yield record["sentence"]
        yield from (_gathered("losses", category) for category in record["flips"]["categories"][:3])


def _gathered(what: str, category: dict[str, Any]) -> str:
    lost, elsewhere = (
        f"{category['lost']} of {category['n']}",
        f"{category['others_lost']} of {category['others_n']}",
    )
    where = f"{category['field']} = {category['value']}"
    return f"{what} gather in {where}: {lost}, {elsewhere} elsewhere (p = {category['p']:.2g})"


def _effect(results: dict[str, Any] | None) -> str:
    if results is None:
        return "–"
    return f"{100 * results['change']:+.1f} [{100 * results['low']:+.1f}, {100 * results['high']:+.1f}]"


if __name__ == "__main__":
    {"merge": merge, "plant": plant, "table": table}[sys.argv[1]](*sys.argv[2:])
