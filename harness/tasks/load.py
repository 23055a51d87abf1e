"""A task folder → a `Task`: found by name or path, read, split, checked against its own format."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core import deadline, guarded, shipped
from harness.core.errors import ConfigError, nearest
from harness.core.formatting import size as in_words
from harness.core.keys import digest_of_rows
from harness.core.protocols import Format, Task
from harness.core.secrets import hidden
from harness.core.values import Document, Example
from harness.results.remote.filesystem import is_url
from harness.tasks import (
    answers,
    corpus,
    hub_folder,
    placed_rows,
    row_layouts,
    schema_text,
    sources,
    splits,
    task_file,
    templates,
)
from harness.tasks.located import Located
from harness.tasks.placed_rows import PlacedRows
from harness.tasks.row_layouts import Placed
from harness.tasks.split_names import SPLITS
from harness.tasks.task_file import DataFile, SplitFile, TaskFile

FOLDER = shipped.ROOT / "tasks"
PROMPT_FILE = re.compile(r"[\w./-]+\.(txt|md|j2)")
"""Matches an entry of `prompts:` that is the name of a file instead of a text."""
SETTLING_SECONDS, SECONDS_PER_ROW = 60.0, 0.01
"""Processor seconds in which all targets are checked against the format."""
SMALLER = "is the format's schema, or a target, larger than it need be?"


def load(name_or_path: str | Path) -> Task:
    """The task of that name, or in that folder or YAML file; every target of every split is checked.

    Names are looked up in ./tasks, then among the shipped tasks. `splits` always has `train` and
    `dev`, which may be empty, and `test`, which is not.

    Raises:
        ConfigError: there is no such task, or something is wrong with it; names file, line and remedy.
    """
    task, faults = examine(name_or_path)
    if faults:
        raise faults[0]
    return task


def examine(name_or_path: str | Path) -> tuple[Task, list[ConfigError]]:
    """Like `load`, but lists targets that fail the task's format instead of raising.

    Raises:
        ConfigError: anything else that `load` raises.
    """
    with sources.without_collection():
        return _examined(find(name_or_path))


def _examined(path: Path) -> tuple[Task, list[ConfigError]]:
    source = task_file.read(path)
    placed = _splits(source, path)
    form = answers.build_format(source, path)
    scorers, primary = answers.build_scorers(source, path, form)
    settled, faults = _settled(placed, form, path)
    form = form.in_order_of([example.target for example in settled["train"]])
    documents = _corpus(source, path) or placed_rows.documents(placed.values())
    instructions, message = _templates(source, settled, form, path)
    shown = {"instructions": instructions, "input": message, "max_new_tokens": source.max_new_tokens}
    task = Task(
        name=source.name or path.parent.name,
        version=source.version,
        instructions=instructions,
        input=message,
        format=form,
        scorers=scorers,
        primary=primary,
        splits=settled,
        corpus=documents,
        folder=path.parent,
        data_hash=_hash(settled, documents, form, shown),
        max_new_tokens=source.max_new_tokens,
        margin=source.margin,
        gate=source.gate.model_dump(exclude_unset=True, exclude_none=True),
        prompts=_prompts(source, settled, form, path),
        licence=source.licence,
    )
    return task, faults


def _settled(
    placed: Mapping[str, Sequence[Placed]], form: Format, path: Path
) -> tuple[dict[str, tuple[Example, ...]], list[ConfigError]]:
    """Like `answers.settle_all`, within a time limit that grows with the rows: schema and targets are
    untrusted."""
    seconds = SETTLING_SECONDS + SECONDS_PER_ROW * sum(map(len, placed.values()))
    try:
        with deadline.within(seconds, guarded.memory_of(path)):
            return answers.settle_all(placed, form)
    except deadline.TooLargeError:
        bound = in_words(guarded.memory_of(path))
        raise ConfigError(f"checking the targets took more than {bound}", file=path, remedy=SMALLER) from None
    except deadline.TooLongError:
        raise ConfigError(
            f"checking the targets took longer than {seconds:,.0f} s", file=path, remedy=SMALLER
        ) from None


def without_test(task: Task) -> Task:
    """The task as a search may see it: no test split at all."""
    return replace(task, splits={name: part for name, part in task.splits.items() if name != "test"})


def available() -> dict[str, Path]:
    """Task files by name: the shipped ones and those in ./tasks, the latter first."""
    files = [path for folder in (FOLDER, Path("tasks")) for path in sorted(folder.glob("*/task.yaml"))]
    return {path.parent.name: path for path in files}


def find(name_or_path: str | Path) -> Path:
    """The task file of a name, a folder or a path.

    Raises:
        ConfigError: no such task (with the nearest), or a folder without a task file.
    """
    known = available()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return path
    if (path / "task.yaml").is_file():
        return path / "task.yaml"
    if path.is_dir():
        raise ConfigError("no task.yaml in this folder", file=path, remedy="make one with: harness init DATA")
    if path.is_file():
        raise ConfigError(
            "a data file is not a task",
            file=path,
            remedy=f"create one with: harness init {shlex.quote(str(path))}",
        )
    raise ConfigError(f"unknown task '{name_or_path}'", remedy=nearest(str(name_or_path), known))


@dataclass(frozen=True)
class _Reader:
    """Rows of a `data:` section, whichever kind of source it names."""

    data: DataFile
    folder: Path

    def read(self, name: str, split: str) -> PlacedRows:
        """The examples of one split, each with its place; the rows themselves are not kept."""

        def placed(rows: Iterable[Located]) -> PlacedRows:
            return PlacedRows(row_layouts.each(rows, split, self.data.map))

        if self.data.hf:
            hub = hub_folder.source(self.data.hf, self.folder)
            return placed(sources.read_hub(hub, name, self.data.config, self.data.revision))
        path = sources.within(self.folder, name)
        return sources.using(path, placed, self.data.encoding, self.data.sheet)


def _splits(source: TaskFile, path: Path) -> dict[str, Sequence[Placed]]:
    data = source.data
    reader = _Reader(data, path.parent)
    named = {
        "train": data.file or data.train or ("train" if data.hf else None),
        "dev": data.dev,
        "test": data.test,
    }
    placed = {
        split: reader.read(name, "row" if data.file else split) for split, name in named.items() if name
    }
    placed_rows.unique_ids(placed.values())
    for split, part in placed.items():
        if not part:
            name = str(named[split])
            file = hidden(name) if is_url(name) else path.parent / name
            raise ConfigError(f"the {split} split is empty", file=file)
    parts = _cut(placed, source, path)
    if not parts.get("test"):
        remedy = "give data: a test file, or split: {test: 0.2}"
        raise ConfigError(
            "the task has no test rows", file=path, line=task_file.line_of(path, ["data"]), remedy=remedy
        )
    return {split: parts.get(split, []) for split in SPLITS}


def _cut(placed: Mapping[str, PlacedRows], source: TaskFile, path: Path) -> dict[str, Sequence[Placed]]:
    """Cut the splits that `split:` names from train."""
    data = source.data
    wanted = data.split or (SplitFile(dev=0.1, test=0.2) if data.file else None)
    if wanted is None:
        return dict(placed)
    pool = placed["train"]
    shares = {"test": wanted.test, "dev": wanted.dev}
    sizes = {name: splits.count(share, len(pool)) for name, share in shares.items() if share is not None}
    for name in sizes:
        if name in placed:
            keys = ["data", "split", name]
            raise ConfigError(
                f"data has a {name} split already", file=path, line=task_file.line_of(path, keys)
            )
    try:
        parts = splits.cut(splits.items(pool.examples, source.input), sizes, wanted.seed)
    except ConfigError as error:
        line = task_file.line_of(path, ["data", "split"])
        raise ConfigError(error.message, file=path, line=line, remedy=error.remedy) from None
    return {**placed, **{name: [pool[row] for row in part] for name, part in parts.items()}}


def _corpus(source: TaskFile, path: Path) -> tuple[Document, ...]:
    return corpus.read(sources.within(path.parent, source.corpus)) if source.corpus else ()


def _templates(
    source: TaskFile, settled: Mapping[str, Sequence[Example]], form: Format, path: Path
) -> tuple[str, str]:
    """The instructions and the user message, each tried on one example of every set of fields."""
    kinds = {tuple(example.input): example for part in settled.values() for example in part}
    written = source.instructions or templates.default_instructions(kinds)
    templated = {
        "instructions": _with_schema(written, form, path) if source.schema_in_prompt else written,
        "input": source.input or templates.default_input(kinds),
    }
    for key, text in templated.items():
        for example in kinds.values():
            templates.check(text, example.input, key=key, file=path, line=task_file.line_of(path, [key]))
    return templated["instructions"], templated["input"]


def _prompts(
    source: TaskFile, settled: Mapping[str, Sequence[Example]], form: Format, path: Path
) -> tuple[str, ...]:
    """The other instructions, each read if it names a file, and tried as `instructions` is."""
    kinds = {tuple(example.input): example for part in settled.values() for example in part}
    texts = []
    for index, given in enumerate(source.prompts):
        line = task_file.line_of(path, ["prompts", index])
        text = _prompt_file(sources.within(path.parent, given)) if PROMPT_FILE.fullmatch(given) else given
        if not text.strip():
            raise ConfigError("an empty prompt", file=path, line=line, remedy="write one, or leave it out")
        text = _with_schema(text, form, path) if source.schema_in_prompt else text
        for example in kinds.values():
            templates.check(text, example.input, key="prompts", file=path, line=line)
        texts.append(text)
    return tuple(dict.fromkeys(texts))


def _prompt_file(file: Path) -> str:
    try:
        return guarded.read_bytes(file).decode()
    except FileNotFoundError:
        raise ConfigError("no such file", file=file, remedy="'prompts' names it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 (byte {error.start})", file=file, remedy="save it as UTF-8") from None


def _with_schema(instructions: str, form: Format, path: Path) -> str:
    """The instructions with the format's schema, written into the template as text."""
    schema = form.config().get("schema")
    if not isinstance(schema, Mapping) or not schema:
        line = task_file.line_of(path, ["schema_in_prompt"])
        message = f"schema_in_prompt: format '{form.name()}' has no schema"
        raise ConfigError(message, file=path, line=line, remedy="leave it out, or give the format a schema")
    shown = f"The answer has this form:\n{schema_text.compact(schema)}"
    return "\n\n".join(filter(None, [instructions.rstrip(), templates.literal(shown)]))


def _hash(
    settled: Mapping[str, Sequence[Example]],
    documents: Sequence[Document],
    form: Format,
    shown: Mapping[str, object],
) -> str:
    """Digest of everything here that decides a result; scorers have their own part in a run's key."""
    examples = {
        split: (
            [e.id, e.input, e.target, e.context_ids, e.group, e.meta, *_turns(e), *_tools(e)] for e in part
        )
        for split, part in settled.items()
    }
    texts = [[document.id, document.title, document.text] for document in documents]
    # The version says how answers are read; a run's record has it. The data are the same.
    written = {**form.identity(), "version": 1}
    return digest_of_rows({"splits": examples}, {"corpus": texts, "format": written, **shown})


def _tools(example: Example) -> list[dict[str, str]]:
    """The functions as a part of the hash; nothing if there are none."""
    return [{"tools": example.tools}] if example.tools else []


def _turns(example: Example) -> list[list[list[str]]]:
    """The earlier turns as a part of the hash; nothing if there are none, so that other hashes stay the
    same."""
    return [[[turn.role, turn.content] for turn in example.turns]] if example.turns else []
