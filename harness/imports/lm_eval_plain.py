"""lm-eval's lines as most of them are, read a block at a time: one prompt, a generated answer, numbers as scores.

Their types are checked while they are decoded. A block with a line of any other kind is read by `lm_eval_lines`, line by line.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

import msgspec

from harness.imports.lm_eval_lines import Line, Scored, Settings
from harness.imports.sample import Columns


class _Request(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A prompt that was continued freely; a continuation whose likelihood was requested is text in place of settings."""

    arg_0: str
    arg_1: Settings


class _Requests(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    gen_args_0: _Request


class _Line(msgspec.Struct, gc=False):
    doc_id: int
    target: str
    arguments: _Requests
    resps: list[list[str]]
    doc_hash: str = ""


class PlainLines:
    """Reads blocks of lines under one filter, each with these scores."""

    def __init__(self, kept: str, scored: Sequence[Scored]) -> None:
        """`kept` is the only filter that the lines may have; it has all the scores."""
        scores = [
            (f"score_{index}", float, msgspec.field(name=field)) for index, (_, field, _) in enumerate(scored)
        ]
        filter_: object = Literal[kept]
        own = [("filter", filter_, "none") if kept == "none" else ("filter", filter_), *scores]
        line = msgspec.defstruct("PlainLine", own, bases=(_Line,), gc=False, kw_only=True)
        assert issubclass(line, _Line)
        self._decode = msgspec.json.Decoder(line).decode
        self._scores = [(name, attrgetter(f"score_{index}")) for index, (_, _, name) in enumerate(scored)]

    def columns(self, block: Sequence[bytes]) -> Columns | None:
        """The answers of a block of `json_files.raw_blocks`; None if any line is of another kind."""
        given = block if block[-1] else block[:-1]
        try:
            # Line by line: together, two objects in one line would make up for one in two lines.
            lines = list(map(self._decode, given))
            answers = [line.resps[0][0] for line in lines]
        except (ValueError, RecursionError, IndexError):
            return None
        return Columns(
            ids=[str(line.doc_id) for line in lines],
            prompts=[line.arguments.gen_args_0.arg_0 for line in lines],
            targets=[line.target for line in lines],
            hashes=[line.doc_hash for line in lines],
            answers=answers,
            scores={name: list(map(value, lines)) for name, value in self._scores},
        )


def of(kept: str | None, scored: Sequence[Scored]) -> PlainLines | None:
    """A reader of such lines; None if they have several filters, or a score under the name of another field."""
    filters = {filter_ for filter_, _, _ in scored}
    if kept is None or filters != {kept}:
        return None
    fields = [field for _, field, _ in scored]
    known = len(set(fields) - set(Line.__struct_fields__))
    return PlainLines(kept, scored) if known == len(fields) else None
