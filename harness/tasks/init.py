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
from harness.core.values import Example
from harness.storage.data import local_copy
from harness.storage.remote import is_url
from harness.tasks import file, guess, instructions, rows, sources, splits, write
from harness.tasks.load import SPLITS, load
from harness.tasks.sources import Located

ALIASES = {"validation": "dev", "valid": "dev", "val": "dev", "training": "train", "testing": "test"}
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
    pools, said, column = _pools(data, wish)
    answer = guess.answer([example for part in pools.values() for example in part])
    said.append(f"format: {answer.spec['kind']} ({answer.why}); primary scorer: {answer.scorers[0]}")
    parts = {
        split: [replace(e, target=guess.convert(e.target, answer.spec)) for e in part]
        for split, part in _divide(pools, wish).items()
    }
    targets = [example.target for example in parts["train"]]
    answer = replace(answer, instructions=instructions.written(answer.spec, targets, column))
    given, taken = (sum(len(part) for part in some.values()) for some in (pools, parts))
    if taken < given:
        options = "--train-size, --dev-size and --test-size"
        said.append(f"taken: {taken:,} of {given:,} rows, for a quick first answer; more with {options}")
    into.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=into))
    try:
        write.files(draft, parts, answer)
        text = write.task_yaml(name, answer, parts, said)
        (draft / "task.yaml").write_text(text, encoding="utf-8")
        load(draft)
        draft.chmod(0o755)
        _move(draft, folder)
        write.editor_schema(into)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sizes = {split: len(part) for split, part in parts.items()}
    return Made(name=name, folder=folder, sizes=sizes, guesses=tuple(said))


def _name(data: str) -> str:
    path = Path(data)
    general = path.stem.lower() in {*SPLITS, *ALIASES, "data", "dataset", "all", "examples"}
    stem = path.resolve().parent.name if general and path.suffix else path.stem
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "task"


def _pools(data: str, wish: Wish) -> tuple[dict[str, list[Example]], list[str], str]:
    """Examples of each split that the data come in (`train` alone for one file), what was guessed, and the name
    of the target's column."""
    found = {split: _thinned(part, wish.limit_rows) for split, part in _read(data, wish.encoding).items()}
    everything = [located for part in found.values() for located in part]
    if not everything:
        raise ConfigError("no rows", file=data)
    layout = None if wish.target or wish.inputs else rows.detect(everything[0].row)
    if layout is None:
        mapping, said = guess.columns(everything, wish.target, wish.inputs)
    else:
        mapping, said = None, [f"rows: layout '{layout}'"]
    pools: dict[str, list[Example]] = {}
    for split, part in found.items():
        labelled = [located for located in part if _labelled(located, mapping)]
        if len(labelled) < len(part):
            said.append(f"left out: {len(part) - len(labelled)} rows of {split} without input or target")
        prefix = "row" if len(found) == 1 else split
        pools[split] = [placed.example for placed in rows.examples(labelled, prefix, mapping)]
    column = mapping.target if mapping and isinstance(mapping.target, str) else ""
    return pools, said, column


def _read(data: str, encoding: str) -> dict[str, list[Located]]:
    path = local_copy(data, trusted=True) if is_url(data) else Path(data)
    if path.is_dir():
        files = {_split(p.stem): p for p in sorted(path.iterdir()) if p.suffix in sources.READERS}
        found = {split: p for split, p in files.items() if split in SPLITS}
        if "train" not in found:
            raise ConfigError("no train file in this folder", file=path, remedy="name a data file instead")
        return {split: sources.read(p, encoding) for split, p in found.items()}
    if path.exists() or path.suffix in sources.READERS or data.startswith((".", "/", "~")):
        return {"train": sources.read(path.expanduser(), encoding)}
    known = {_split(name): name for name in sources.hub_splits(data)}
    chosen = {split: name for split, name in known.items() if split in SPLITS}
    if "train" not in chosen:
        raise ConfigError(f"data set '{data}' has no train split", remedy=f"it has: {', '.join(known)}")
    return {split: sources.read_hub(data, name) for split, name in chosen.items()}


def _split(name: str) -> str:
    return ALIASES.get(name.lower(), name.lower())


def _thinned(part: list[Located], limit: int | None) -> list[Located]:
    """At most `limit` rows, evenly spaced: files are often sorted by label."""
    if limit is None or limit >= len(part):
        return part
    return [part[i * len(part) // limit] for i in range(limit)]


def _labelled(located: Located, mapping: file.MapFile | None) -> bool:
    """Whether a row has both sides; a row of another layout is judged when it is read."""
    if mapping is None:
        return all(located.row.get(key, "?") not in (None, "") for key in ("input", "target", "completion"))
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
