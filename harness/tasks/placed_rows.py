"""Examples with the place of each, for files of a million rows: a place is stored as three numbers until it
is needed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from harness.core.values import Document, Example
from harness.tasks.located import Located
from harness.tasks.row_layouts import Placed

_NO_LINE = -1


class PlacedRows(Sequence[Placed]):
    """What `row_layouts.examples` makes from rows, without the rows themselves."""

    def __init__(self, placed: Iterable[Placed] = ()) -> None:
        self.examples: list[Example] = []
        self._files: list[str] = []
        self._numbers, self._lines = array("q"), array("q")
        self._whole: dict[int, Placed] = {}
        for item in placed:
            self.append(item)

    def append(self, item: Placed) -> None:
        """Add an example; its source keeps no row."""
        source = item.source
        if item.documents or item.joined:
            self._whole[len(self.examples)] = item
        self.examples.append(item.example)
        self._files.append(source.file)
        self._numbers.append(source.number)
        self._lines.append(_NO_LINE if source.line is None else source.line)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Placed]:
        return (self[position] for position in range(len(self)))

    @overload
    def __getitem__(self, position: int) -> Placed: ...
    @overload
    def __getitem__(self, position: slice) -> list[Placed]: ...
    def __getitem__(self, position: int | slice) -> Placed | list[Placed]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        position = range(len(self))[position]
        if position in self._whole:
            return self._whole[position]
        line = self._lines[position]
        source = Located(
            row={},
            file=self._files[position],
            number=self._numbers[position],
            line=None if line == _NO_LINE else line,
        )
        return Placed(example=self.examples[position], source=source)


def documents(placed: Iterable[Placed]) -> tuple[Document, ...]:
    """The documents that rows bring along, each once, in the order of the rows."""
    return tuple({document.id: document for item in placed for document in item.documents}.values())


def unique_ids(placed: Sequence[Placed]) -> None:
    """Check that no two examples of a task share an id.

    Raises:
        ConfigError: the second row of a duplicated id, naming the first.
    """
    sources: dict[str, Located] = {}
    for item in placed:
        first = sources.setdefault(item.example.id, item.source)
        if first is not item.source and first.position_in_file != item.source.position_in_file:
            where = f"{first.file}:{first.line}" if first.line else f"{first.file} row {first.number}"
            remedy = "ids must differ over all splits; leave 'id' out to have them made"
            raise item.source.error(f"duplicate id '{item.example.id}', first at {where}", remedy=remedy)
