"""The corpus that retrieval reads: a folder of texts, or a JSONL file."""

from __future__ import annotations

import re
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.values import Document
from harness.tasks import sources
from harness.tasks.located import Located

SUFFIXES = (".md", ".txt")


def read(path: Path, encoding: str = "utf-8") -> tuple[Document, ...]:
    """Every document: of a folder the .md and .txt files (id = name without suffix, title = first
    heading), of a .jsonl file the rows {id, text, title}.

    Raises:
        ConfigError: missing, empty, a row without id or text, or an id used twice.
    """
    if path.is_dir():
        documents = _folder(path, encoding)
    elif path.suffix == ".jsonl":
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


def _folder(folder: Path, encoding: str) -> list[Document]:
    texts = [(path.stem, sources.read_text(path, encoding)) for path in paths(folder)]
    return [Document(id=name, text=text.strip(), title=_title(text)) for name, text in texts]


def _title(text: str) -> str:
    heading = re.search(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", text, re.MULTILINE)
    return heading.group(1) if heading else ""


def _document(located: Located) -> Document:
    row = located.row
    for key in ("id", "text"):
        if row.get(key) in (None, ""):
            raise located.error(f"a document needs '{key}'", remedy="rows are {id, text, title}")
    return Document(id=str(row["id"]), text=str(row["text"]), title=str(row.get("title") or ""))
