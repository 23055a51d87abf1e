"""What a writer of many plain answers knows of each, in a file beside their lines: the store takes it in a fraction of the
time of reading the lines again. The file lasts as long as the import.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from harness.imports.sample import Columns

if TYPE_CHECKING:
    import pyarrow as pa

LARGE = 8 << 20
"""Bytes of a log whose answers are worth such a file."""
FIELDS = ("sample_id", "prompt", "target", "output", "id", "hash")
"""The columns, all of them texts; those that are not fields of a line stand in its `input` or `meta`."""


@dataclass
class AnswerColumns:
    """Writes the file; Arrow is imported with the first answers."""

    path: Path
    whole: bool = True
    """Whether the file holds every answer of the run."""
    _sink: pa.OSFile | None = None
    _stream: pa.RecordBatchStreamWriter | None = None

    def add(self, names: Sequence[str], columns: Columns) -> None:
        """Append answers, each under the name of its example."""
        if not self.whole:
            return
        try:
            self._write(names, columns)
        except OSError:  # such as a full disk, on which the lines may still have room
            self.give_up()

    def _write(self, names: Sequence[str], columns: Columns) -> None:
        import pyarrow as pa

        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = pa.OSFile(str(self.path), "wb")
            self._stream = pa.ipc.new_stream(self._sink, pa.schema([(name, pa.string()) for name in FIELDS]))
        values = (names, columns.prompts, columns.targets, columns.answers, columns.ids, columns.hashes)
        self._stream.write_batch(pa.record_batch([_texts(each) for each in values], names=list(FIELDS)))

    def give_up(self) -> None:
        """An answer came that the file cannot hold."""
        self.whole = False
        self.close()

    def close(self) -> None:
        """End the file, or remove it if it lacks an answer or its end."""
        if self._sink is None:
            return
        for opened in (self._stream, self._sink):
            try:
                if opened is not None:
                    opened.close()
            except OSError:
                self.whole = False
        self._stream = self._sink = None
        if not self.whole:
            with suppress(OSError):
                self.path.unlink()


def _texts(values: Sequence[str]) -> pa.StringArray:
    """As `pyarrow.array`, which imports pandas when it is first called."""
    import pyarrow as pa

    text = "".join(values)
    lengths = map(len, values) if text.isascii() else (len(value.encode()) for value in values)
    offsets = array("i", accumulate(lengths, initial=0))
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(text.encode()))


def stamp(file: Path) -> tuple[int, int]:
    """What changes when a file is written to: its size and the time of its last change."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns
