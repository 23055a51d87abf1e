"""A task folder from a data file, a folder of split files or a hub data set."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.values import Document, Example
from harness.storage.data import local_copy
from harness.storage.remote import is_url
from harness.tasks import file, folders, guess, recognized, rows, sources, splits, write
from harness.tasks.folders import ALIASES
from harness.tasks.inspect import Shown, shown
from harness.tasks.load import SPLITS, load
from harness.tasks.sources import Located

SHARES = {"test": 0.2, "dev": 0.1}
MOST = {"train": 2000, "dev": 200, "test": 500}
"""Rows of each split unless asked for otherwise: enough for a first answer, few enough to get it soon."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked for; None and empty: guess, and sizes by share (`SHARES`) up to `MOST`."""

    name: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] = ()
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
    example: Shown | None = None
    """One example as a model will see it."""

    @property
    def handle(self) -> str:
        """What other commands, started here, find the task by."""
        return self.name if self.folder.parent == Path("tasks") else str(self.folder)

    def as_json(self) -> dict[str, Any]:
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
    pools, documents, said = _pools(data, wish)
    everything = [example for part in pools.values() for example in part]
    answer = _asked(guess.answer(everything), everything)
    pools = recognized.without_shared_system(pools)
    said.append(f"format: {answer.spec['kind']} ({answer.why}); primary scorer: {answer.scorers[0]}")
    parts = {
        split: [replace(e, target=guess.convert(e.target, answer.spec)) for e in part]
        for split, part in _divide(pools, wish).items()
    }
    given, taken = (sum(len(part) for part in some.values()) for some in (pools, parts))
    if taken < given:
        options = "--train-size, --dev-size and --test-size"
        said.append(f"taken: {taken:,} of {given:,} rows, for a quick first answer; more with {options}")
    into.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=into))
    try:
        write.files(draft, parts, answer)
        write.documents(draft, documents)
        reference = write.schema_reference(folder)
        text = write.task_yaml(name, answer, parts, said, schema=reference, corpus=bool(documents))
        (draft / "task.yaml").write_text(text, encoding="utf-8")
        example = shown(load(draft))
        draft.chmod(0o755)
        _move(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sizes = {split: len(part) for split, part in parts.items()}
    return Made(name=name, folder=folder, sizes=sizes, guesses=tuple(said), example=example)


def _asked(answer: guess.Answer, examples: list[Example]) -> guess.Answer:
    """The answer's format with the instructions that the rows bring along, and what to say of no answer."""
    own = recognized.instructions(examples)
    if own is not None:
        return replace(answer, instructions=own)
    if answer.spec["kind"] == "text":
        return replace(answer, instructions=answer.instructions + recognized.about_no_answer(examples))
    return answer


def _name(data: str) -> str:
    path = Path(data)
    general = path.stem.lower() in {*SPLITS, *ALIASES, "data", "dataset", "all", "examples"}
    stem = path.resolve().parent.name if general and path.suffix else path.stem
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def _pools(data: str, wish: Wish) -> tuple[dict[str, list[Example]], tuple[Document, ...], list[str]]:
    """Examples of each split that the data come in (`train` alone for one file), the corpus that came with
    them, and what was guessed."""
    source = _read(data, wish)
    found = {split: _thinned(part, wish.limit_rows) for split, part in source.parts.items()}
    everything = [located for part in found.values() for located in part]
    if not everything:
        raise ConfigError("no rows", file=data)
    known = None if wish.target or wish.inputs else recognized.recognize(found)
    if known is not None:
        examples = {split: [item.example for item in part] for split, part in known.pools.items()}
        return examples, known.documents, [*source.notes, *known.notes]
    mapping, said = guess.columns(everything, wish.target, wish.inputs)
    said = [*source.notes, *said]
    pools: dict[str, list[Example]] = {}
    for split, part in found.items():
        labelled = [located for located in part if _labelled(located, mapping)]
        if len(labelled) < len(part):
            said.append(f"left out: {len(part) - len(labelled)} rows of {split} without input or target")
        prefix = "row" if len(found) == 1 else split
        pools[split] = [placed.example for placed in rows.examples(labelled, prefix, mapping)]
    return pools, (), said


def _read(data: str, wish: Wish) -> folders.SplitRows:
    path = local_copy(data, trusted=True) if is_url(data) else Path(data).expanduser()
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


def _thinned(part: list[Located], limit: int | None) -> list[Located]:
    """At most `limit` rows, evenly spaced: files are often sorted by label."""
    if limit is None or limit >= len(part):
        return part
    return [part[i * len(part) // limit] for i in range(limit)]


def _labelled(located: Located, mapping: file.MapFile) -> bool:
    """Whether a row has both sides."""
    inputs = [mapping.input] if isinstance(mapping.input, str) else list(mapping.input.values())  # type: ignore[union-attr]
    values = [located.row.get(name) for name in inputs]
    return located.row.get(str(mapping.target)) not in (None, "") and any(v not in (None, "") for v in values)


def _divide(pools: Mapping[str, list[Example]], wish: Wish) -> dict[str, list[Example]]:
    """Seeded, stratified splits of the wished sizes; splits that exist are kept apart."""
    pool = pools["train"]
    most = {**MOST, **wish.sizes}
    shares = {split: min(MOST[split], splits.count(share, len(pool))) for split, share in SHARES.items()}
    missing = {split: wish.sizes.get(split, share) for split, share in shares.items() if split not in pools}
    parts = splits.cut(splits.items(pool), missing, wish.seed)
    whole = {**pools, **{split: [pool[row] for row in part] for split, part in parts.items()}}
    return {split: _sample(whole[split], most[split], wish.seed) for split in SPLITS}


def _sample(part: list[Example], size: int, seed: int) -> list[Example]:
    return [part[row] for row in splits.sample(splits.items(part), size, seed)]


def _move(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    for made in draft.iterdir():
        made.replace(folder / made.name)
