"""Folders and archives of data: a file per split, the parts of a split, or text files by label."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.tasks import json_files, sources
from harness.tasks.located import Located
from harness.tasks.split_names import SPLITS, split_of

TEXTS = (".txt", ".text", ".md")
UNLABELLED = ("unsup", "unlabeled", "unlabelled")
"""Folders of texts without a label, as the IMDB reviews have one."""
MAX_BYTES = 2**31
"""Unpacked bytes of an archive; a small file can unpack to more than any machine holds."""


@dataclass(frozen=True, kw_only=True)
class SplitRows:
    """Rows by split (`train` alone if nothing says which is which), and what was found, to show the user."""

    parts: dict[str, list[Located]]
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """Names of data files that belong to no split."""


def read(path: Path, encoding: str = "utf-8", sheet: str | None = None) -> SplitRows:
    """Rows of a folder or a .zip archive.

    Even if another encoding is named, files that are UTF-8 are read as UTF-8: data sets come with one odd
    file among many.

    Raises:
        ConfigError: nothing in it says which file or folder holds what, or a file cannot be read.
    """
    root = _unpacked(path) if path.suffix.lower() == ".zip" else path
    root = _lone_folder(root)
    files = _data_files(root) or next((_data_files(d) for d in _folders(root) if d.name == "data"), [])
    by_split = _by_split(files)
    if "train" in by_split:
        return _files(files, by_split, encoding, sheet)
    if len(files) == 1:
        return SplitRows(parts={"train": _rows(files[0], encoding, sheet)}, notes=(f"file: {files[0].name}",))
    if not files and (parts := dict(_texts(root, encoding))):
        return SplitRows(parts=parts, notes=_labels(parts))
    if not by_split and (rows := _one_each(files, encoding)):
        return SplitRows(parts={"train": rows}, notes=(f"files: {len(files):,} .json files, a row each",))
    if files:
        message = f"no train file among {', '.join(file.name for file in files[:8])}"
        raise ConfigError(message, file=path, remedy="name one of them instead of the folder")
    raise ConfigError(
        "no data in this folder",
        file=path,
        remedy="it needs a data file such as train.csv, or a folder of .txt files for each label",
    )


def _unpacked(path: Path) -> Path:
    """The archive as a folder; nothing is written to disk."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except (zipfile.BadZipFile, OSError) as error:
        raise ConfigError(f"not a .zip archive: {error}", file=path) from None
    members = archive.infolist()
    if any(member.flag_bits & 1 for member in members):
        raise ConfigError("the archive has a password", file=path, remedy="unpack it, and name the folder")
    size = sum(member.file_size for member in members)
    if size > MAX_BYTES:
        raise ConfigError(f"unpacks to {size:,} bytes", file=path, remedy="unpack it, and name the folder")
    # zipfile.Path has what is used of Path here: names, listing and reading.
    return cast(Path, zipfile.Path(archive))


def _lone_folder(root: Path) -> Path:
    """The one folder in an archive or folder that contains nothing else, unless it is the folder of a
    label."""
    inner = _children(root)
    while len(inner) == 1 and inner[0].is_dir():
        if _text_files(inner[0]) and not _data_files(inner[0]):
            break
        root, inner = inner[0], _children(inner[0])
    return root


def _children(root: Path) -> list[Path]:
    return sorted((p for p in root.iterdir() if p.name[0] not in "._"), key=lambda p: p.name)


def _folders(root: Path) -> list[Path]:
    return [child for child in _children(root) if child.is_dir()]


def _data_files(root: Path) -> list[Path]:
    files = [child for child in _children(root) if child.is_file() and sources.is_readable(child)]
    return [_checked(file, root) for file in files]


def _text_files(root: Path) -> list[Path]:
    files = [child for child in _children(root) if child.suffix.lower() in TEXTS and child.is_file()]
    return [_checked(file, root) for file in files]


def _checked(file: Path, root: Path) -> Path:
    """A file of a data set, which may be untrusted: no link may lead out of its folder. Archives have no
    links."""
    return guarded.file(file, root, what=guarded.DATA) if isinstance(file, Path) else file


def _by_split(files: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each split, those of the most common kind if a split has several kinds."""
    by_split: dict[str, list[Path]] = {}
    for file in files:
        by_split.setdefault(split_of(file.stem), []).append(file)
    kinds = Counter(file.suffix for name, group in by_split.items() if name in SPLITS for file in group)
    chosen = {}
    for name in SPLITS:
        if group := by_split.get(name):
            kind = max((file.suffix for file in group), key=lambda suffix: kinds[suffix])
            chosen[name] = [file for file in group if file.suffix == kind]
    return chosen


def _files(
    files: Sequence[Path], by_split: dict[str, list[Path]], encoding: str, sheet: str | None
) -> SplitRows:
    parts = {
        split: [located for file in group for located in _rows(file, encoding, sheet)]
        for split, group in by_split.items()
    }
    lines = [
        f"files: {split} from {', '.join(file.name for file in group)}" for split, group in by_split.items()
    ]
    used = [file for group in by_split.values() for file in group]
    unread = tuple(file.name for file in files if file not in used)
    return SplitRows(parts=parts, notes=tuple(lines), unread=unread)


def _rows(file: Path, encoding: str, sheet: str | None) -> list[Located]:
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        try:
            return sources.read(file, "utf-8", sheet)
        except ConfigError:
            pass  # not UTF-8, or broken in any encoding, which the next line says
    return sources.read(file, encoding, sheet)


def _one_each(files: Sequence[Path], encoding: str) -> list[Located]:
    """The rows of JSON files that hold one object each; none if some file holds more, or is of another
    kind."""
    if any(file.suffix.lower() != ".json" for file in files):
        return []
    rows = []
    for number, file in enumerate(files, start=1):
        value = json_files.parsed(sources.read_text(file, encoding), file)
        if not isinstance(value, dict):
            return []
        rows.append(Located(row=value, file=str(file), number=number))
    return rows


def _texts(root: Path, encoding: str) -> Iterator[tuple[str, list[Located]]]:
    """Texts by label, in a folder per split or in none."""
    splits = {split_of(folder.name): folder for folder in _folders(root)}
    if "train" in splits:
        for split in SPLITS:
            if split in splits:
                yield split, _labelled(splits[split], encoding)
    elif rows := _labelled(root, encoding):
        yield "train", rows


def _labelled(root: Path, encoding: str) -> list[Located]:
    """A row per text file, with its folder's name as label."""
    folders = [folder for folder in _folders(root) if folder.name.lower() not in UNLABELLED]
    return [_text(file, folder.name, encoding) for folder in folders for file in _text_files(folder)]


def _text(file: Path, label: str, encoding: str) -> Located:
    row = {
        "input": sources.read_text(file, encoding).strip(),
        "target": label,
        "meta": {"file": f"{label}/{file.name}"},
    }
    return Located(row=row, file=str(file), number=1)


def _labels(parts: dict[str, list[Located]]) -> tuple[str, ...]:
    counts = Counter(located.row["target"] for part in parts.values() for located in part)
    listed = ", ".join(f"{label} ({count:,})" for label, count in sorted(counts.items())[:10])
    more = f" and {len(counts) - 10} more" if len(counts) > 10 else ""
    return (f"texts by label, from the names of folders: {listed}{more}",)
