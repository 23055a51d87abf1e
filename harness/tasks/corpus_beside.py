"""The corpus beside a data file: a folder of texts, or a table of documents, that a column of the rows names.

Question-answering data often come as questions, each with the name of a document, with the documents next to
them. Without the corpus, retrieval is left out of every comparison.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import HarnessError
from harness.core.formatting import counted
from harness.core.guarded import is_inside
from harness.tasks import corpus, names, sources
from harness.tasks.located import Located, positions
from harness.tasks.placed_rows import PlacedRows
from harness.tasks.row_layouts import Placed, listed, reach

WORDS = {
    "corpus", "docs", "doc", "documents", "passages", "articles", "pages", "manuals", "knowledge", "kb", "wiki",
    "contexts", "chunks", "texts", "files", "sources", "policies", "faq", "help",
}  # fmt: skip
"""Words in the name of a table that holds documents. Folders are judged by their contents."""
MOST_FOLDERS, MOST_FILES, MOST_BYTES = 100, 20_000, 200_000_000
"""Entries that are examined beside a file: a download folder may be huge."""
FEW_FILES = 1000
"""Files that are examined in a folder whose name does not suggest documents."""
OURS = ("tasks", "results", "reports", "node_modules")
"""Folders that hold no data."""
FIRST = 200
"""Rows of which one must name a document before all are examined."""
LIKELY, FILLED = 0.5, 0.5
"""Shares of rows: that name a document, to be worth a hint; and that name anything, to be sure."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What retrieval reads, the column whose cells name its documents, and lines that tell the user so.

    `path` is None if nothing is certain: then `notes` say what to try.
    """

    path: Path | None = None
    column: str | None = None
    ids: Mapping[str, None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why the column holds context ids, for the table of columns."""
        return f"names the documents of {_shown(self.path)}" if self.path else ""

    def applied(self, placed: PlacedRows, notes: list[str]) -> PlacedRows:
        """The examples with the ids of their documents, if cells hold file names or paths. Names of documents
        that the corpus lacks go to `notes`."""
        if self.path is None or self.column is None:
            return placed
        pairs = [(item, self._ids(item)) for item in placed]
        lacking = [item.source for item, ids in pairs if None in ids]
        if lacking:
            rows = counted(len(lacking), "row names", "rows name")
            notes.append(
                f"context_ids: {rows} documents that {_shown(self.path)} lacks ({positions(lacking)})"
            )
        return placed.changed(
            replace(item.example, context_ids=tuple(name for name in ids if name)) for item, ids in pairs
        )

    def _ids(self, item: Placed) -> list[str | None]:
        own = item.example.context_ids or _cells(reach(item.source.row, str(self.column)))
        return [corpus.resolved(name, self.ids) for name in own]


def find(
    rows: Sequence[Located],
    data: Path,
    *,
    given: Path | None = None,
    column: str | None = None,
    target: str = "",
) -> Corpus:
    """The corpus that the user gave or that is beside the data, with the column that names its documents.

    Args:
        data: the data file, or the folder of data files.
        given: the corpus that the user named; None means look for one.
        column: the column with the ids of documents that the user named; None means look for one.
        target: the column with the answer, if the user named it.
    """
    candidates = [given] if given is not None else _candidates(data)
    known = [name for name in dict.fromkeys(n for row in rows[:1000] for n in row.row) if name != target]
    asked = [column] if column is not None else [name for name in known if not _is_own_id(name)]
    hints = []
    for path in candidates:
        if not (ids := _ids_of(path)):
            continue
        for name in asked:
            match = _match(rows, name, ids)
            if match is None:
                continue
            sure = match.certain and (not match.numbers or _sounds_like_documents(path))
            if given is not None or sure:
                notes = (
                    () if given is not None and column is not None else (_used(path, name, match, len(ids)),)
                )
                return Corpus(path=path, column=name, ids=ids, notes=notes)
            hints.append(_hint(path, name, match))
    if given is not None:
        ids = _ids_of(given)
        size = f" ({len(ids):,} documents)" if ids else ""
        return Corpus(path=given, column=column, ids=ids, notes=(f"corpus: {_shown(given)}{size}",))
    named = [f"corpus: {_shown(path)} lies beside the data and is not read; if answers come from it: --corpus {path}"
             for path in candidates if _sounds_like_documents(path) and _ids_of(path)]  # fmt: skip
    return Corpus(notes=tuple(hints or named)[:1])


@dataclass(frozen=True)
class _Match:
    """How many rows name a document, how many name anything, and how many different documents are named."""

    named: int
    filled: int
    rows: int
    documents: int
    numbers: bool = False
    """Whether every cell is a bare number: stars from 1 to 5 name the files 1.txt to 5.txt by accident."""

    @property
    def certain(self) -> bool:
        enough = self.documents > 1 and self.filled >= FILLED * self.rows
        return self.named == self.filled and enough


def _match(rows: Sequence[Located], column: str, ids: Mapping[str, None]) -> _Match | None:
    """How the cells of a column name documents; None if too few do."""
    if not any(_named(located, column, ids) for located in rows[:FIRST]):
        return None
    cells = [cell for located in rows if (cell := _cells(reach(located.row, column)))]
    resolved = [[corpus.resolved(name, ids) for name in cell] for cell in cells]
    named = [documents for documents in resolved if all(documents)]
    if len(named) < LIKELY * len(cells):
        return None
    documents = {name for documents in named for name in documents}
    numbers = all(name.isdigit() for cell in cells for name in cell)
    return _Match(len(named), len(cells), len(rows), len(documents), numbers)


def _named(located: Located, column: str, ids: Mapping[str, None]) -> bool:
    return any(corpus.resolved(name, ids) for name in _cells(reach(located.row, column)))


def _cells(value: object) -> tuple[str, ...]:
    """The names in a cell: one text, several separated by semicolons, or a list."""
    items = listed(value)
    items = items if isinstance(items, list) else [items]
    return tuple(str(item) for item in items if isinstance(item, str | int) and str(item).strip())


def _is_own_id(name: str) -> bool:
    """Whether a column numbers the rows themselves: `id`, but not `doc_id`."""
    return names.is_id(name) and len(names.words(name)) == 1


def _candidates(data: Path) -> list[Path]:
    """Folders of texts and tables of documents beside a file or in a folder, the likeliest names first."""
    folder = data if data.is_dir() else data.parent
    try:
        inside = sorted(p for p in folder.iterdir() if p.name[0] not in "._")[:MOST_FILES]
    except OSError:
        return []
    beside = [path for path in inside if path.resolve() != data.resolve() and is_inside(path, folder)]
    folders = [path for path in beside if path.is_dir() and path.name not in OURS][:MOST_FOLDERS]
    tables = [
        path
        for path in beside
        if path.is_file() and sources.is_readable(path) and _sounds_like_documents(path)
    ]
    return sorted([*folders, *tables], key=lambda path: not _sounds_like_documents(path))


def _sounds_like_documents(path: Path) -> bool:
    return not WORDS.isdisjoint(names.words(path.stem))


def _ids_of(path: Path) -> dict[str, None]:
    """The ids of a corpus without reading its texts; none if it is not a corpus."""
    if path.is_dir():
        ids = Counter(Path(name).stem for name in _files(path))
        # Two documents with one id do not make a corpus: such folders are texts by label, or something
        # unrelated.
        return dict.fromkeys(ids) if ids.total() == len(ids) else {}
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return {}
    try:
        rows = sources.read(path)
    except HarnessError:
        return {}  # not a table of documents, whatever is wrong with it
    column = corpus.id_column(rows[0].row) if rows else None
    return dict.fromkeys(str(located.row.get(column)) for located in rows) if column else {}


def _files(folder: Path) -> Iterator[str]:
    """Names of the documents below a folder, links not followed."""
    most = MOST_FILES if _sounds_like_documents(folder) else FEW_FILES
    entries = itertools.islice((name for _, _, files in os.walk(folder) for name in files), most)
    return (name for name in entries if Path(name).suffix in corpus.SUFFIXES and name[0] != ".")


def _used(path: Path, column: str, match: _Match, size: int) -> str:
    where = "every row" if match.filled == match.rows else f"{match.filled:,} of {match.rows:,} rows"
    kept = f"corpus: {_shown(path)} ({size:,} documents): '{column}' names one in {where}"
    return f"{kept}; to do without retrieval, remove `corpus` from the task file"


def _hint(path: Path, column: str, match: _Match) -> str:
    return (
        f"corpus: '{column}' names a document of {_shown(path)} in {match.named:,} of {match.filled:,} rows; "
        f"if answers come from there: --corpus {path} --context-ids {json.dumps(column) if ' ' in column else column}"
    )


def _shown(path: Path | None) -> str:
    return "" if path is None else f"{path.name}/" if path.is_dir() else path.name
