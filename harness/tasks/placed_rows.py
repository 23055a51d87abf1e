"""Examples with the place of each, for files of a million rows: a place is stored as three numbers until it
is needed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import overload

from harness.core.values import Document, Example
from harness.tasks.located import Located
from harness.tasks.row_layouts import Placed

_NO_LINE = -1


class Positions(Sequence[Located]):
    """Where rows are, without what is in them."""

    def __init__(self, rows: Iterable[Located] = ()) -> None:
        self._files: list[str] = []
        self._numbers, self._lines = array("q"), array("q")
        for located in rows:
            self.append(located)

    def append(self, located: Located) -> None:
        """Add where a row is."""
        self._files.append(located.file)
        self._numbers.append(located.number)
        self._lines.append(_NO_LINE if located.line is None else located.line)

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, position: int) -> Located: ...
    @overload
    def __getitem__(self, position: slice) -> list[Located]: ...
    def __getitem__(self, position: int | slice) -> Located | list[Located]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        line = self._lines[position]
        return Located(
            row={},
            file=self._files[position],
            number=self._numbers[position],
            line=None if line == _NO_LINE else line,
        )


class PlacedRows(Sequence[Placed]):
    """What `row_layouts.examples` makes from rows, without the rows themselves.

    Args:
        keep_rows: keep them after all.
    """

    def __init__(self, placed: Iterable[Placed] = (), *, keep_rows: bool = False) -> None:
        self.examples: list[Example] = []
        self._keep_rows = keep_rows
        self.positions = Positions()
        self._whole: dict[int, Placed] = {}
        for item in placed:
            if keep_rows or item.documents or item.joined:
                self._whole[len(self.examples)] = item
            self.examples.append(item.example)
            self.positions.append(item.source)

    @property
    def whole(self) -> Iterable[Placed]:
        """Those that hold more than an example and its place: documents, other rows, or the row itself."""
        return self._whole.values()

    def changed(self, examples: Iterable[Example]) -> PlacedRows:
        """The same places with other examples, one for each."""
        placed = (replace(self[row], example=example) for row, example in enumerate(examples))
        return PlacedRows(placed, keep_rows=self._keep_rows)

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
        return Placed(example=self.examples[position], source=self.positions[position])


def drained(rows: list[Located]) -> Iterator[Located]:
    """The rows in order, each removed from the list as it is taken: what is made of a million rows need not lie
    beside them in memory."""
    rows.reverse()
    while rows:
        yield rows.pop()


def streamed(rows: list[Located]) -> Iterable[Located]:
    """The rows for `row_layouts.each`: drained, unless they are of several files, where their numbers depend on
    all of them."""
    return rows if len({located.file for located in rows}) > 1 else drained(rows)


class Places:
    """Where the examples with these ids came from, in 40 bytes for each."""

    def __init__(self, parts: Iterable[PlacedRows]) -> None:
        self._parts = [(array("q", (hash(e.id) for e in part.examples)), part.positions) for part in parts]

    @property
    def file(self) -> str | None:
        """The file of the first."""
        return next((positions[0].file for _, positions in self._parts if positions), None)

    @cached_property
    def _known(self) -> dict[int, tuple[Positions, int]]:
        return {name: (positions, row) for names, positions in self._parts for row, name in enumerate(names)}

    def __getitem__(self, identity: str) -> Located:
        positions, row = self._known[hash(identity)]
        return positions[row]


def documents(parts: Iterable[Sequence[Placed]]) -> tuple[Document, ...]:
    """The documents that rows bring along, each once, in the order of the rows."""
    bringing = (item for part in parts for item in (part.whole if isinstance(part, PlacedRows) else part))
    return tuple({document.id: document for item in bringing for document in item.documents}.values())


def unique_ids(parts: Iterable[PlacedRows]) -> None:
    """Check that no two examples of a task share an id.

    Raises:
        ConfigError: the second row of a duplicated id, naming the first.
    """
    parts = tuple(parts)
    if len({example.id for part in parts for example in part.examples}) == sum(map(len, parts)):
        return
    sources: dict[str, Located] = {}
    for item in (item for part in parts for item in part):
        first = sources.setdefault(item.example.id, item.source)
        if first is not item.source and first.position_in_file != item.source.position_in_file:
            where = f"{first.file}:{first.line}" if first.line else f"{first.file} row {first.number}"
            remedy = "ids must differ over all splits; leave 'id' out to have them made"
            raise item.source.error(f"duplicate id '{item.example.id}', first at {where}", remedy=remedy)
