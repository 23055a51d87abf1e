"""A task folder from a data file, a folder of split files or a hub data set."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.core.activity import Activity, working
from harness.core.errors import ConfigError
from harness.core.names import PATTERN as NAME
from harness.core.secrets import in_addresses
from harness.core.values import Document, Example
from harness.tasks import (
    column_inference,
    degenerate,
    instructions,
    intake,
    options,
    origin,
    recognized,
    row_length,
    sources,
    splits,
    task_name,
    task_writer,
    unseen_labels,
)
from harness.tasks.columns import Assignment, Column
from harness.tasks.intake import MOST, Wish
from harness.tasks.load import load
from harness.tasks.located import positions
from harness.tasks.placed_rows import Places
from harness.tasks.prompt_size import PromptSize
from harness.tasks.split_names import SPLITS
from harness.tasks.validation_report import Shown, plain_prompts, shown

SHARES = {"test": 0.2, "dev": 0.1}


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
    again: bool = False
    """Whether a task in this folder was overwritten."""
    prompt_size: PromptSize
    """How long prompts and answers are, in tokens estimated from their bytes."""

    @property
    def handle(self) -> str:
        """The name by which other commands, started here, find the task."""
        return self.name if self.folder.parent == Path("tasks") else str(self.folder)

    def as_json(self) -> dict[str, object]:
        """The same as plain JSON values."""
        example = None if self.example is None else self.example.as_json()
        return {**asdict(self), "folder": str(self.folder), "example": example}


def init(data: str, into: Path, wish: Wish) -> Made:
    """Write a task folder `into`/<name> that loads; nothing is left behind if that fails.

    Raises:
        ConfigError: unreadable data, columns that cannot be assigned, too few rows, or a folder that
            exists (unless forced).
    """
    name = wish.name or task_name.of(data)
    if not NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot be a task's name", remedy="letters, digits, _ . and - only")
    folder = into / name
    again = folder.exists()
    if again and not wish.force:
        remedy = f"choose another name with --name, or overwrite it with --force{_compared(folder, data)}"
        raise ConfigError("this folder exists", file=folder, remedy=remedy)
    with working(f"reading {in_addresses(data)}") as activity, sources.without_collection():
        content = _content(data, name, wish, activity)
        draft = _written(content, folder, activity)
        try:
            origin.write(draft.folder, data, wish, content.supply)
            del content
            example, size = _checked(draft)
            draft.folder.chmod(0o755)
            _move(draft.folder, folder)
            task_writer.editor_schema(folder.parent)
        finally:
            shutil.rmtree(draft.folder, ignore_errors=True)
    return Made(
        name=name,
        folder=folder,
        sizes=draft.sizes,
        guesses=draft.notes,
        columns=draft.columns,
        example=example,
        again=again,
        prompt_size=size,
    )


def _compared(folder: Path, data: str) -> str:
    """Whether the task in a folder is of the same data, and of these rows."""
    made = origin.read(folder)
    if made is None:
        return ""
    if not _is_same(made.data, data):
        return f"; it was made from other data, {made.data}"
    return (
        f"; {data} has changed since it was made"
        if made.changed
        else f"; {data} has not changed since it was made"
    )


def _is_same(first: str, second: str) -> bool:
    """Whether two names are of the same data: `./mail.csv` is `mail.csv`."""
    one, other = Path(first), Path(second)
    return first == second or (one.exists() and other.exists() and one.samefile(other))


@dataclass(frozen=True)
class _Content:
    """Everything that is written into a task folder."""

    name: str
    answer: column_inference.Answer
    parts: Mapping[str, list[Example]]
    notes: tuple[str, ...]
    assignment: Assignment
    documents: Sequence[Document]
    corpus: Path | None
    places: Places
    supply: origin.Supply


@dataclass(frozen=True)
class _Draft:
    """A task folder that was written beside its place and not yet loaded. It holds no examples: those that are
    loaded take the same memory again."""

    folder: Path
    sizes: Mapping[str, int]
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    places: Places


def _content(data: str, name: str, wish: Wish, activity: Activity) -> _Content:
    """The task that the user's data make."""
    taken = intake.read(data, wish)
    placed, notes, assignment = taken.parts, [*taken.notes], taken.assignment
    activity.now("splitting rows")
    pools = {split: part.examples for split, part in placed.items()}
    everything = [example for part in pools.values() for example in part]
    own = recognized.instructions(everything)
    pools = recognized.without_shared_system(pools)
    places = Places(placed.values())
    try:
        whole, train = _divide(pools, wish)
    except ConfigError as error:
        raise ConfigError(error.message, file=in_addresses(data), remedy=error.remedy) from None
    parts = {"train": _taken("train", whole["train"], train, wish), **_held_out(whole, wish)}
    spec, extra = options.format_spec(wish.format)
    answer = column_inference.answer(everything, parts, spec, shown=whole["train"])
    unseen: list[str] = []
    if answer.spec["kind"] == "choice" and "choices" not in extra:
        whole, unseen = unseen_labels.left_out(whole, answer.spec, places)
        parts = {"train": parts["train"], **_held_out(whole, wish)} if unseen else parts
    parts = {split: [_converted(e, answer.spec) for e in part] for split, part in parts.items()}
    text = own if own is not None else _instructions(answer, parts["train"], assignment, everything)
    answer = replace(answer, instructions=text)
    answer = options.applied(answer, extra, wish.primary, wish.instructions, assignment.instructions)
    notes.append(f"format: {answer.spec['kind']} ({answer.why}); primary scorer: {answer.primary}")
    notes += [*unseen, *_notes(whole, parts, answer, places)]
    supply = origin.supply(whole, parts, share=None if "test" in pools else SHARES["test"])
    corpus = (taken.documents, taken.corpus)
    return _Content(name, answer, parts, tuple(notes), assignment, *corpus, places, supply)


def _instructions(
    answer: column_inference.Answer,
    train: Sequence[Example],
    assignment: Assignment,
    everything: Sequence[Example],
) -> str:
    """The instructions for targets of this format, if the rows bring none."""
    column = next(iter(assignment.names("target")), "")
    text = answer.instructions or instructions.written(answer.spec, [e.target for e in train], column)
    return text + (recognized.about_no_answer(everything) if answer.spec["kind"] == "text" else "")


def _written(task: _Content, folder: Path, activity: Activity) -> _Draft:
    """Write the folder beside its place; nothing is left behind if that fails."""
    activity.now(f"writing {folder}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{task.name}-", dir=folder.parent))
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}",
            file=folder.parent,
            remedy="name a folder that can be written with --into",
        ) from None
    try:
        task_writer.files(draft, task.parts, task.answer)
        corpus = task_writer.corpus_key(task.corpus, draft) or task_writer.documents_key(
            draft, task.documents
        )
        keys = {**task_writer.input_key(task.assignment.mapping), **corpus}
        text = task_writer.task_yaml(task.name, task.answer, task.parts, task.notes, keys=keys)
        (draft / "task.yaml").write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sizes = {split: len(part) for split, part in task.parts.items()}
    return _Draft(draft, sizes, task.notes, task.assignment.columns, task.places)


def _checked(draft: _Draft) -> tuple[Shown | None, PromptSize]:
    """One example as a model will see it, and the size of prompts; a task that does not load is refused."""
    try:
        made = load(draft.folder)
        return shown(made), plain_prompts(made)
    except ConfigError as error:
        raise _in_the_users_file(error, draft) from None


def _in_the_users_file(error: ConfigError, draft: _Draft) -> ConfigError:
    """An error in a draft's file as one in the row that the user gave."""
    path = Path(str(error.file))
    if path.parent == draft.folder and path.suffix == ".jsonl" and error.line is not None:
        with path.open(encoding="utf-8") as stream:
            line = next(itertools.islice(stream, error.line - 1, None))
        return draft.places[json.loads(line)["id"]].error(error.message, remedy=error.remedy)
    inside = draft.folder in (path, *path.parents)
    return ConfigError(error.message, file=draft.places.file if inside else str(path), remedy=error.remedy)


def _converted(example: Example, spec: Mapping[str, object]) -> Example:
    """An example with its target as the format wants it, and its rejected answer trimmed like it."""
    target = column_inference.convert(example.target, dict(spec))
    rejected = example.meta.get("rejected")
    if target is example.target and not isinstance(rejected, str):
        return example
    meta = {**example.meta, "rejected": rejected.strip()} if isinstance(rejected, str) else example.meta
    return replace(example, target=target, meta=meta)


def _notes(
    whole: Mapping[str, list[Example]],
    parts: Mapping[str, list[Example]],
    answer: column_inference.Answer,
    places: Places,
) -> list[str]:
    """What else the user should know about the splits."""
    notes = []
    everything = [example for part in parts.values() for example in part]
    targets = [example.target for example in everything]
    if (only := degenerate.one_answer(targets)) is not None:
        notes.append(f"look at: {degenerate.about_one_answer(only, 'every row')}")
    if answer.spec["kind"] in ("choice", "json_schema"):
        alike = degenerate.about_look_alikes(degenerate.look_alikes(targets))
        notes += [f"look at: {line}" for line in alike]
    if long := row_length.too_long(everything):
        where = (positions([places[example.id]]) for example in long)
        notes.append(f"look at: {row_length.described(long, where)}")
    given, taken = (sum(len(part) for part in some.values()) for some in (whole, parts))
    if taken < given:
        options = "--train-size, --dev-size and --test-size"
        notes.append(f"taken: {taken:,} of {given:,} rows, for a quick first answer; more with {options}")
    return notes


def _divide(pools: Mapping[str, list[Example]], wish: Wish) -> tuple[dict[str, list[Example]], splits.Items]:
    """Seeded, stratified splits, train whole, and what splitting knows of its rows; splits that exist are kept
    apart."""
    train = pools["train"]
    shares = {split: min(MOST[split], splits.count(share, len(train))) for split, share in SHARES.items()}
    missing = {split: wish.sizes.get(split, share) for split, share in shares.items() if split not in pools}
    rows = splits.items(train)
    parts = splits.with_every_label_in_train(rows, splits.cut(rows, missing, wish.seed))
    whole = {**pools, **{split: [train[row] for row in part] for split, part in parts.items()}}
    return whole, rows.of(parts["train"])


def _held_out(whole: Mapping[str, list[Example]], wish: Wish) -> dict[str, list[Example]]:
    return {
        split: _taken(split, whole[split], splits.items(whole[split]), wish)
        for split in SPLITS
        if split != "train"
    }


def _taken(split: str, part: list[Example], rows: splits.Items, wish: Wish) -> list[Example]:
    most = {**MOST, **wish.sizes}[split]
    return [part[row] for row in splits.sample(rows, most, wish.seed)]


def _move(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    (folder / origin.FILE).unlink(missing_ok=True)  # of earlier data, of which the draft may keep nothing
    for made in draft.iterdir():
        made.replace(folder / made.name)


__all__ = ["Made", "Wish", "init"]
