"""The rooms of the package, from the top floor down, and the table of docs/design.md made from them.

    python -m docs.rooms        # from the repository's root: rewrites both tables

`tests/contract/test_rooms.py` reads every import against this list.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness"
PAGE = Path(__file__).with_name("design.md")
BEGIN, END = "<!-- rooms: made by python -m docs.rooms -->", "<!-- end of rooms -->"
FIGURES, END_OF_FIGURES = "<!-- figures: made by python -m docs.rooms -->", "<!-- end of figures -->"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A folder of the package: what it holds, and which heavy library it may import (anywhere in a file)."""

    name: str
    holds: str
    torch: bool = False
    duckdb: bool = False


ROOMS = (
    Room(name="commands", holds="one command a file: parse, call a workflow, print"),
    Room(name="workflows", holds="what a command does, once, for the command line and the Python API alike"),
    Room(
        name="report",
        holds="what people look at: `html/`, `sections/` (one a file), `terminal/`, other formats",
    ),
    Room(name="export", holds="the winner as a folder that transformers and peft load"),
    Room(name="search", holds="Optuna: spaces, samplers, trials, studies", torch=True),
    Room(name="regression", holds="pins against runs: gate, noise floor, upgrades, history"),
    Room(
        name="runner",
        holds="cells to completion: resume, training stages, answering, scoring; `executors/`, `loggers/`",
        torch=True,
    ),
    Room(
        name="methods",
        holds="**what contributors add**: the slots `data/ base/ weights/ programs/`, and `retrieval/`",
        torch=True,
    ),
    Room(name="estimate", holds="memory, parameters and duration, before anything runs", torch=True),
    Room(name="training", holds="the one training loop, batches, losses, parity", torch=True),
    Room(
        name="tasks",
        holds="task files, rows, checks, `init`; `formats/` and `scorers/`, one a file",
        duckdb=True,
    ),
    Room(
        name="benchmarks", holds="lm-eval's tasks through our engines, and what a finetune forgot", torch=True
    ),
    Room(
        name="engines", holds="requests to completions: `hf/`, OpenAI-compatible servers, a fake", torch=True
    ),
    Room(
        name="results",
        holds="the only room that knows what is on disk: run folders, pins, `database/`, `remote/`",
        duckdb=True,
    ),
    Room(
        name="imports",
        holds="other tools' logs: `logs/`, one format a file; examples paired by their contents",
    ),
    Room(
        name="models",
        holds="spec to network, tokenizer, chat template; `layers/` is what is put into a network",
        torch=True,
    ),
    Room(name="evidence", holds="judgments over values: verdict, comparisons, triage, label curve; `stats/`"),
    Room(name="core", holds="values, protocols, kinds, recipes, keys, errors, formatting"),
)
"""A room imports only rooms below it."""
TOP = ("__init__", "__main__", "api", "cli")
"""Files beside the rooms; they may import any."""


@dataclass(frozen=True)
class Import:
    """One import of the package's own: the importing and the imported module, and the names taken."""

    file: Path
    line: int
    module: str
    target: str


def modules() -> dict[str, Path]:
    """Dotted name → file, for every module of the package."""
    names = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        names[dotted.removesuffix(".__init__")] = file
    return names


def imports() -> Iterator[Import]:
    """Every import that one module of the package makes of another, wherever it stands in the file."""
    known = modules()
    for module, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "harness":
                for alias in node.names:
                    target = f"{node.module}.{alias.name}"
                    yield Import(file, node.lineno, module, target)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "harness":
                        yield Import(file, node.lineno, module, alias.name)


def room_of(dotted: str) -> str | None:
    """The room that a module belongs to; None for a file beside the rooms."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in {room.name for room in ROOMS} else None


def table() -> str:
    """The rooms as a Markdown table, with the number of files and lines of each."""
    rows = ["| room | holds | files | lines |", "|---|---|---|---|"]
    for room in ROOMS:
        files = sorted((PACKAGE / room.name).rglob("*.py"))
        lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
        rows.append(f"| `{room.name}/` | {room.holds} | {len(files)} | {lines:,} |")
    return "\n".join(rows)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The size of the package, and how much of it has no type."""

    files: int
    lines: int
    longest: int
    dicts_of_anything: Counter[str]
    """File, below `harness/` -> how often it says `dict[str, Any]`."""
    anything: Counter[str]
    """Room (`top`: the files beside the rooms) -> how many annotations say `Any`."""


def figures() -> Figures:
    """Counted over every module of the package."""
    lengths, dicts, anything = [], Counter[str](), Counter[str](dict.fromkeys((r.name for r in ROOMS), 0))
    for module, file in modules().items():
        text = file.read_text(encoding="utf-8")
        lengths.append(len(text.splitlines()))
        tree = ast.parse(text)
        dicts[str(file.relative_to(PACKAGE))] += sum(
            isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"
            for node in ast.walk(tree)
        )
        anything[room_of(module) or "top"] += mentions_of_any(tree)
    return Figures(
        files=len(lengths),
        lines=sum(lengths),
        longest=max(lengths),
        dicts_of_anything=+dicts,
        anything=anything,
    )


def mentions_of_any(tree: ast.AST) -> int:
    """How many annotations say `Any`; imports and prose do not count."""
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))


def before_and_after() -> str:
    """What the package was before its rooms were made, and what it is now, as a Markdown table."""
    now = figures()
    rows = (
        ("rooms", "27", str(len(ROOMS))),
        ("import circles", "4", "0 (tested)"),
        ("rooms that import each other", "5 pairs", "0 (tested)"),
        ("private names that cross rooms", "5", "0 (tested)"),
        ("files, lines", "365, 35,674", f"{now.files}, {now.lines:,}"),
        ("files per room, at most", "45 in one flat folder", f"{max(_files_per_folder())} in a folder"),
        ("longest file, lines", "298", str(now.longest)),
        ("`dict[str, Any]`", "232", str(now.dicts_of_anything.total())),
        ("`Any` in annotations", "865", f"{now.anything.total()} (a ceiling by room, tested)"),
        ("mypy", "some checks", "`strict`, whole package (tested)"),
        ("variables called found, said, place, told, seen", "539", "0 (tested)"),
        ("reads of a `samples.jsonl` in one `harness run`", "7", "1 at most (tested)"),
        ("copies of the code that writes a file whole, that appends a line", "12, 7", "1, 1"),
    )
    return "\n".join(["| | before | now |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


def _files_per_folder() -> list[int]:
    return list(Counter(file.parent for file in modules().values()).values())


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for begin, block, end in ((BEGIN, table(), END), (FIGURES, before_and_after(), END_OF_FIGURES)):
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
