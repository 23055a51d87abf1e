"""A task folder from a data file, a folder of split files or a hub data set."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from harness.core.activity import Activity, working
from harness.core.errors import ConfigError
from harness.core.secrets import hidden
from harness.core.values import Document, Example
from harness.results.remote.data import local_copy
from harness.results.remote.filesystem import is_url
from harness.tasks import (
    column_inference,
    folders,
    instructions,
    missing,
    options,
    pool,
    recognized,
    row_layouts,
    sources,
    splits,
    task_writer,
)
from harness.tasks.columns import Assignment, Chosen, Column, assign
from harness.tasks.folders import ALIASES
from harness.tasks.load import SPLITS, load
from harness.tasks.located import Located
from harness.tasks.row_layouts import Placed
from harness.tasks.validation_report import Shown, shown

SHARES = {"test": 0.2, "dev": 0.1}
MOST = {"train": 2000, "dev": 200, "test": 500}
"""Rows of each split unless asked for otherwise: enough for a first answer, few enough to get it soon."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked for; None and empty: guess, and sizes by share (`SHARES`) up to `MOST`."""

    name: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] = ()
    group: str | None = None
    context_ids: str | None = None
    corpus: Path | None = None
    instructions: str | None = None
    format: str | None = None
    primary: str | None = None
    limit_rows: int | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made, and everything that was guessed on the way."""

    name: str
    folder: Path
    sizes: Mapping[str, int]
    guesses: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    example: Shown | None = None
    """One example as a model will see it."""

    @property
    def handle(self) -> str:
        """What other commands, started here, find the task by."""
        return self.name if self.folder.parent == Path("tasks") else str(self.folder)

    def as_json(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


def init(data: str, into: Path, wish: Wish) -> Made:
    """Write a task folder `into`/<name> that loads; nothing is left behind where that fails.

    Raises:
        ConfigError: unreadable data, columns that cannot be told apart, too few rows, or a folder that
            exists (unless forced).
    """
    name = wish.name or _name(data)
    if not re.fullmatch(r"[\w.-]+", name):
        raise ConfigError(f"'{name}' cannot be a task's name", remedy="letters, digits, _ . and - only")
    folder = into / name
    if folder.exists() and not wish.force:
        raise ConfigError("this folder exists", file=folder, remedy="choose another --name, or --force")
    with working(f"reading {data}") as activity:
        placed, documents, notes, assignment = _pools(data, wish)
        activity.now("splitting rows")
        pools = {split: [item.example for item in part] for split, part in placed.items()}
        everything = [example for part in pools.values() for example in part]
        own = recognized.instructions(everything)
        pools = recognized.without_shared_system(pools)
        parts = _divide(pools, wish)
        spec, extra = options.format_spec(wish.format)
        answer = column_inference.answer(everything, parts, spec)
        parts = {split: [_converted(e, answer.spec) for e in part] for split, part in parts.items()}
        text = own if own is not None else _instructions(answer, parts["train"], assignment, everything)
        answer = replace(answer, instructions=text)
        answer = options.applied(answer, extra, wish.primary, wish.instructions, assignment.instructions)
        notes.append(f"format: {answer.spec['kind']} ({answer.why}); primary scorer: {answer.primary}")
        notes += _notes(pools, parts, answer)
        draft = _Draft(name, answer, parts, notes, assignment, documents)
        example = _write(folder, wish, draft, placed, activity)
    sizes = {split: len(part) for split, part in parts.items()}
    columns = assignment.columns
    return Made(name=name, folder=folder, sizes=sizes, guesses=tuple(notes), columns=columns, example=example)


def _instructions(
    answer: column_inference.Answer,
    train: Sequence[Example],
    assignment: Assignment,
    everything: Sequence[Example],
) -> str:
    """The instructions for targets of this format, where the rows bring none along."""
    column = next(iter(assignment.names("target")), "")
    text = answer.instructions or instructions.written(answer.spec, [e.target for e in train], column)
    return text + (recognized.about_no_answer(everything) if answer.spec["kind"] == "text" else "")


@dataclass(frozen=True)
class _Draft:
    """Everything that is written into a task folder."""

    name: str
    answer: column_inference.Answer
    parts: Mapping[str, list[Example]]
    notes: Sequence[str]
    assignment: Assignment
    documents: Sequence[Document]


def _write(
    folder: Path, wish: Wish, task: _Draft, placed: Mapping[str, list[Placed]], activity: Activity
) -> Shown | None:
    """Write the folder beside its place, load it, and move it there: what does not load is not left behind."""
    activity.now(f"writing {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{task.name}-", dir=folder.parent))
    try:
        task_writer.files(draft, task.parts, task.answer)
        keys = {
            **task_writer.input_key(task.assignment.mapping),
            **(
                task_writer.corpus_key(wish.corpus, draft) or task_writer.documents_key(draft, task.documents)
            ),
        }
        text = task_writer.task_yaml(task.name, task.answer, task.parts, task.notes, keys=keys)
        (draft / "task.yaml").write_text(text, encoding="utf-8")
        try:
            example = shown(load(draft))
        except ConfigError as error:
            raise _in_the_users_file(error, draft, task.parts, placed) from None
        draft.chmod(0o755)
        _move(draft, folder)
        task_writer.editor_schema(folder.parent)
        return example
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _in_the_users_file(
    error: ConfigError, draft: Path, parts: Mapping[str, list[Example]], placed: Mapping[str, list[Placed]]
) -> ConfigError:
    """An error in a draft's file as one in the row that the user gave."""
    path = Path(str(error.file))
    split = path.name.removesuffix(".jsonl")
    if path.parent == draft and split in parts and error.line is not None:
        wanted = parts[split][error.line - 1].id
        row = next(item.source for part in placed.values() for item in part if item.example.id == wanted)
        return row.error(error.message, remedy=error.remedy)
    where = next((part[0].source.file for part in placed.values() if part), None)
    return ConfigError(
        error.message, file=where if draft in (path, *path.parents) else path, remedy=error.remedy
    )


def _converted(example: Example, spec: Mapping[str, object]) -> Example:
    """An example with its target as the format wants it, and its rejected answer trimmed like it."""
    target = column_inference.convert(example.target, dict(spec))
    rejected = example.meta.get("rejected")
    meta = {**example.meta, "rejected": rejected.strip()} if isinstance(rejected, str) else example.meta
    return replace(example, target=target, meta=meta)


def _notes(
    pools: Mapping[str, list[Example]], parts: Mapping[str, list[Example]], answer: column_inference.Answer
) -> list[str]:
    """What else a person should know of the splits."""
    notes = []
    if answer.spec["kind"] == "choice":
        shown = {e.target for e in parts["train"]}
        unseen = sorted({str(e.target) for split in ("dev", "test") for e in parts[split]} - shown)
        if unseen:
            notes.append(f"labels that train never shows: {len(unseen)} ({', '.join(unseen[:5])})")
    given, taken = (sum(len(part) for part in some.values()) for some in (pools, parts))
    if taken < given:
        options = "--train-size, --dev-size and --test-size"
        notes.append(f"taken: {taken:,} of {given:,} rows, for a quick first answer; more with {options}")
    return notes


def _name(data: str) -> str:
    path = Path(data)
    general = path.stem.lower() in {*SPLITS, *ALIASES, "data", "dataset", "all", "examples"}
    stem = path.resolve().parent.name if general and path.suffix else path.stem
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def _pools(
    data: str, wish: Wish
) -> tuple[dict[str, list[Placed]], tuple[Document, ...], list[str], Assignment]:
    """Rows of each split that the data come in (`train` alone for one file), the corpus that came with them,
    and what was guessed."""
    source = _read(data, wish)
    whole = source.parts
    notes = [*source.notes, *pool.line_counts(whole, wish.encoding)]
    thinned = {split: _thinned(part, wish.limit_rows) for split, part in whole.items()}
    everything = [located for part in thinned.values() for located in part]
    if not everything:
        raise ConfigError("no rows", file=data)
    chosen = Chosen(target=wish.target, inputs=wish.inputs, group=wish.group, context_ids=wish.context_ids)
    known = None if chosen.named else recognized.recognize(thinned)
    if known is not None:
        return known.pools, known.documents, [*notes, *known.notes], Assignment()
    if not chosen.named:
        chosen = pool.native_names(chosen, everything[0].row)
    assignment = assign(everything, chosen)
    notes += assignment.lines()
    mapping = assignment.mapping
    pools: dict[str, list[Placed]] = {}
    for split, part in thinned.items():
        labelled = [located for located in part if pool.labelled(located, mapping)]
        if len(labelled) < len(part):
            left_out = [located for located in part if not pool.labelled(located, mapping)]
            where = pool.places(left_out)
            notes.append(f"left out: {len(left_out)} rows of {split} without input or target ({where})")
        kept = pool.enough(labelled, mapping, taken=sum({**MOST, **wish.sizes}.values()))
        if len(kept) < len(labelled):
            notes.append(f"drawn from: {len(kept):,} of {len(labelled):,} rows of {split}, evenly spaced")
        if mapping is not None:
            kept, counts = missing.spelled(
                [pool.filled(r, assignment) for r in kept], assignment.names("input")
            )
            notes += [f"{split}: {missing.in_words(counts)}"] if counts else []
        pools[split] = row_layouts.examples(kept, "row" if len(thinned) == 1 else split, mapping)
    row_layouts.unique_ids([item for part in pools.values() for item in part])
    return pools, (), notes, assignment


def _read(data: str, wish: Wish) -> folders.SplitRows:
    if is_url(data):
        return _read_url(data, wish)
    path = Path(data).expanduser()
    if path.is_dir() or path.suffix.lower() == ".zip":
        return folders.read(path, wish.encoding, wish.sheet)
    if path.exists() or sources.is_readable(path) or data.startswith((".", "/", "~")):
        return folders.SplitRows(parts={"train": sources.read(path, wish.encoding, wish.sheet)})
    known: dict[str, str] = {}
    for name in sorted(sources.hub_splits(data), key=lambda name: name not in (*SPLITS, *ALIASES)):
        known.setdefault(folders.split_of(name), name)  # train before train_sft
    chosen = {split: name for split, name in known.items() if split in SPLITS}
    if "train" not in chosen:
        raise ConfigError(f"data set '{data}' has no train split", remedy=f"it has: {', '.join(known)}")
    return folders.SplitRows(parts={split: sources.read_hub(data, name) for split, name in chosen.items()})


def _read_url(url: str, wish: Wish) -> folders.SplitRows:
    """Rows of a copy, under the names that the user knows."""
    copy = local_copy(url, trusted=True)

    def original(path: Path) -> str:
        return f"{hidden(url)}/{path.relative_to(copy)}" if path != copy else hidden(url)

    try:
        rows_of_copy = _read(str(copy), wish)
    except ConfigError as error:
        name = original(Path(str(error.file)))
        raise ConfigError(error.message, file=name, line=error.line, remedy=error.remedy) from None
    parts = {
        split: [replace(row, file=original(Path(row.file))) for row in part]
        for split, part in rows_of_copy.parts.items()
    }
    return replace(rows_of_copy, parts=parts)


def _thinned(part: list[Located], limit: int | None) -> list[Located]:
    """At most `limit` rows, evenly spaced: files are often sorted by label."""
    if limit is None or limit >= len(part):
        return part
    return [part[i * len(part) // limit] for i in range(limit)]


def _divide(pools: Mapping[str, list[Example]], wish: Wish) -> dict[str, list[Example]]:
    """Seeded, stratified splits of the wished sizes; splits that exist are kept apart."""
    train = pools["train"]
    most = {**MOST, **wish.sizes}
    shares = {split: min(MOST[split], splits.count(share, len(train))) for split, share in SHARES.items()}
    missing = {split: wish.sizes.get(split, share) for split, share in shares.items() if split not in pools}
    parts = splits.cut(splits.items(train), missing, wish.seed)
    whole = {**pools, **{split: [train[row] for row in part] for split, part in parts.items()}}
    return {split: _sample(whole[split], most[split], wish.seed) for split in SPLITS}


def _sample(part: list[Example], size: int, seed: int) -> list[Example]:
    return [part[row] for row in splits.sample(splits.items(part), size, seed)]


def _move(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    for made in draft.iterdir():
        made.replace(folder / made.name)
