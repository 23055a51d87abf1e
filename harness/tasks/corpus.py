"""The corpus that retrieval reads: a folder of texts, or a table of documents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.values import Document
from harness.tasks import sources
from harness.tasks.located import Located, Row

SUFFIXES = (".md", ".txt")
IDS = (
    "id",
    "_id",
    "doc_id",
    "document_id",
    "docid",
    "pid",
    "passage_id",
    "page_id",
    "name",
    "file",
    "filename",
)
"""Names that a column with document ids may have, the most certain first."""
TEXTS = ("text", "content", "contents", "body", "passage", "document", "page_content")
HEADING = 6
"""Most marks that a Markdown heading begins with."""
BLANKS = " \t"
REMEDY = "rows are {id, text, title}"


def read(path: Path, encoding: str = "utf-8") -> tuple[Document, ...]:
    """Every document: in a folder, the .md and .txt files (id = name without suffix, title = first
    heading), in a table (.jsonl, .csv, .parquet, …), the rows {id, text, title}.

    Raises:
        ConfigError: missing, empty, a row without id or text, or an id used twice.
    """
    if path.is_dir():
        documents = _folder(path, encoding)
    elif sources.is_readable(path) and path.is_file():
        documents = [_document(located) for located in sources.read(path, encoding)]
    else:
        remedy = "a folder of .md and .txt files, or a .jsonl file of {id, text, title}"
        raise ConfigError("no such corpus", file=path, remedy=remedy)
    if not documents:
        raise ConfigError("the corpus is empty", file=path, remedy="put .md or .txt files there")
    ids: set[str] = set()
    for document in documents:
        if document.id in ids:
            raise ConfigError(f"two documents have the id '{document.id}'", file=path, remedy="rename one")
        ids.add(document.id)
    return tuple(documents)


def paths(folder: Path) -> list[Path]:
    """The files of a corpus folder that are documents."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.name[0] != ".")


def id_column(row: Row) -> str | None:
    """The column that holds the ids of documents; None if rows like this are not documents."""
    return _column(row, IDS) if _column(row, TEXTS) else None


def resolved(name: str, ids: Iterable[str]) -> str | None:
    """The document that a cell names by its id, its file name or its path; None if it names none."""
    known = ids if isinstance(ids, (set, frozenset, dict)) else set(ids)
    file = PurePosixPath(name.strip().replace("\\", "/"))
    return next((text for text in (name, name.strip(), file.name, file.stem) if text and text in known), None)


def _column(row: Row, wanted: Iterable[str]) -> str | None:
    names = {name.strip().lower(): name for name in row}
    return next((names[name] for name in wanted if name in names), None)


def _folder(folder: Path, encoding: str) -> list[Document]:
    texts = [
        (path.stem, sources.read_text(guarded.file(path, folder, limit=guarded.MAX_TEXT), encoding))
        for path in paths(folder)
    ]
    return [Document(id=name, text=text.strip(), title=_title(text)) for name, text in texts]


def _title(text: str) -> str:
    """The text of the first Markdown heading, without the marks that may close it; in time linear in the text."""
    for line in text.split("\n"):
        rest = line.lstrip("#")
        body = rest.lstrip(BLANKS)
        marks, blanks = len(line) - len(rest), len(rest) - len(body)
        if 1 <= marks <= HEADING and blanks and len(rest) > 1:
            words = body.rstrip(BLANKS).rstrip("#").rstrip(BLANKS)
            return words or body[:1] or rest[-1]
    return ""


def _document(located: Located) -> Document:
    row = located.row
    columns = {"id": _column(row, IDS), "text": _column(row, TEXTS)}
    for key, column in columns.items():
        if column is None or row[column] in (None, ""):
            raise located.error(f"a document needs '{key}'", remedy=REMEDY)
    title = row.get(_column(row, ("title", "heading")) or "")
    return Document(
        id=str(row[str(columns["id"])]), text=str(row[str(columns["text"])]), title=str(title or "")
    )
