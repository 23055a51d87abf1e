"""The user's data as labeled examples by split, with everything that was guessed on the way, for `init`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.core.secrets import hidden, in_addresses
from harness.core.values import Document
from harness.results.remote.data import local_copy
from harness.results.remote.filesystem import is_url
from harness.tasks import (
    corpus_beside,
    encodings,
    folders,
    legend,
    missing,
    placed_rows,
    pool,
    recognized,
    row_layouts,
    sources,
    split_names,
)
from harness.tasks.columns import Assignment, Chosen, assign
from harness.tasks.corpus_beside import Corpus
from harness.tasks.located import Located, positions
from harness.tasks.placed_rows import PlacedRows
from harness.tasks.split_names import ALIASES, SPLITS, split_of

MOST = {"train": 2000, "dev": 200, "test": 500}
"""Default number of rows of each split: enough for a first answer, few enough to get it soon."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked for; None or empty means guess, with sizes by share (`SHARES`) up to `MOST`."""

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
class Intake:
    """Examples of each split that the data have (`train` alone for one file), the corpus that came with them
    or is beside them, and lines that say what was guessed."""

    parts: dict[str, PlacedRows]
    documents: tuple[Document, ...]
    corpus: Path | None
    notes: tuple[str, ...]
    assignment: Assignment


def read(data: str, wish: Wish) -> Intake:
    """Every labeled row of the user's data.

    Raises:
        ConfigError: unreadable data, no rows, or columns that cannot be assigned.
    """
    parts, notes, others = _rows(data, wish)
    everything = [located for part in parts.values() for located in part]
    if not everything:
        raise ConfigError("no rows", file=in_addresses(data))
    chosen = Chosen(target=wish.target, inputs=wish.inputs, group=wish.group, context_ids=wish.context_ids)
    corpus = _corpus(data, wish, everything)
    first = everything[0]
    # From here on every row is let go as soon as its example is made.
    known = None
    if not chosen.named:
        del everything
        known = recognized.recognize(parts, keep_rows=corpus.column is not None)
        corpus = Corpus(path=wish.corpus) if known is not None and known.documents else corpus
        everything = [located for part in parts.values() for located in part]
    unread = [name for name in others if corpus.path is None or name != corpus.path.name]
    notes += [f"not read: {', '.join(unread)}"] if unread else []
    if known is not None:
        notes += [*known.notes, *corpus.notes]
        pools = {split: corpus.applied(part, notes) for split, part in known.pools.items()}
        return Intake(
            parts=pools,
            documents=known.documents,
            corpus=corpus.path,
            notes=tuple(notes),
            assignment=Assignment(),
        )
    if not chosen.named:
        chosen = pool.native_names(chosen, first.row)
    if corpus.path is not None and corpus.column is not None and chosen.context_ids is None:
        chosen = replace(chosen, context_ids=corpus.column, context_reason=corpus.reason)
    assignment = assign(everything, chosen, absent=_absent(parts))
    named = _legend(data, wish, everything, assignment)
    if named is not None:
        parts = {split: [named.applied(located) for located in part] for split, part in parts.items()}
    del everything
    notes += [*assignment.lines(), *([named.line] if named else []), *corpus.notes]
    pools, one = {}, len(parts) == 1
    for split in list(parts):
        taken = _examples(split, parts.pop(split), assignment, wish, notes, one=one)
        pools[split] = corpus.applied(taken, notes)
    for split in [name for name, part in pools.items() if not part and name != "train"]:
        del pools[split]
        notes.append(f"not used: {split}, which has no labeled row; {split} is cut from train instead")
    placed_rows.unique_ids(pools.values())
    return Intake(parts=pools, documents=(), corpus=corpus.path, notes=tuple(notes), assignment=assignment)


def _rows(data: str, wish: Wish) -> tuple[dict[str, list[Located]], list[str], tuple[str, ...]]:
    """The rows of each split, what was guessed to tell them apart, and the files that were not read."""
    source = _read(data, wish)
    notes = [*source.notes, *_encoding(data, wish), *pool.line_counts(source.parts, wish.encoding)]
    given = dict(source.parts)
    if (by := split_names.column(given["train"]) if set(given) == {"train"} else None) is not None:
        given = split_names.divided(given["train"], by)
        counts = ", ".join(f"{len(part):,} {split}" for split, part in given.items())
        lacking = " and ".join(split for split in ("dev", "test") if split not in given)
        rest = f"; {lacking} cut from train" if lacking else ""
        notes.append(f"splits: as column '{by}' names them: {counts}{rest}")
    parts = {split: _thinned(part, wish.limit_rows) for split, part in given.items()}
    return parts, notes, tuple(source.unread)


def _absent(parts: Mapping[str, list[Located]]) -> dict[str, str]:
    """Columns that train has and another split lacks, with the name of that split."""
    present = {
        split: {name for located in part for name, value in located.row.items() if value not in (None, "")}
        for split, part in parts.items()
    }
    names = present.get("train", set())
    return {name: split for split, others in present.items() if others for name in names - others}


def _legend(data: str, wish: Wish, rows: list[Located], assignment: Assignment) -> legend.Legend | None:
    """The list beside local data that names the codes of the target."""
    path = Path(data).expanduser()
    targets = assignment.names("target")
    if wish.format == "number" or len(targets) != 1 or is_url(data) or not path.exists():
        return None
    return legend.find(path, rows, targets[0])


def _encoding(data: str, wish: Wish) -> list[str]:
    """The encoding one text file is read in, if it is not UTF-8."""
    path = Path(data).expanduser()
    of_text = path.suffix.lower() in (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
    line = encodings.assumed(path, wish.encoding) if of_text and path.is_file() else ""
    return [line] if line else []


def _corpus(data: str, wish: Wish, rows: list[Located]) -> Corpus:
    """The corpus that the user named or that is beside local data."""
    path = Path(data).expanduser()
    if wish.corpus is None and (is_url(data) or not path.exists()):
        return Corpus()
    return corpus_beside.find(
        rows, path, given=wish.corpus, column=wish.context_ids, target=wish.target or ""
    )


def _examples(
    split: str, part: list[Located], assignment: Assignment, wish: Wish, notes: list[str], *, one: bool
) -> PlacedRows:
    """The examples in one split of a table; what is left out goes to `notes`."""
    mapping, named = assignment.mapping, recognized.WHOLE if one else split
    for name in assignment.names("target"):
        part, absent = missing.among_numbers(part, name)
        notes += [f"{named}: {missing.in_words(absent)}"] if absent else []
    labelled = [located for located in part if pool.labelled(located, mapping)]
    if len(labelled) < len(part):
        left_out = [located for located in part if not pool.labelled(located, mapping)]
        where = positions(left_out)
        notes.append(
            f"left out: {counted(len(left_out), 'row')} of {named} without input or target ({where})"
        )
    kept = pool.enough(labelled, mapping, taken=sum({**MOST, **wish.sizes}.values()))
    if len(kept) < len(labelled):
        notes.append(f"drawn from: {len(kept):,} of {len(labelled):,} rows of {named}, evenly spaced")
    del part, labelled
    if mapping is not None:
        kept, counts = missing.spelled([pool.filled(r, assignment) for r in kept], assignment.names("input"))
        notes += [f"{named}: {missing.in_words(counts)}"] if counts else []
    return PlacedRows(row_layouts.each(placed_rows.streamed(kept), "row" if one else split, mapping))


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
        known.setdefault(split_of(name), name)  # train before train_sft
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
        file = copy if error.file is None else Path(error.file)
        name = original(file if file.is_relative_to(copy) else copy)
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
