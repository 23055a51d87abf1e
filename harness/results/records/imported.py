"""Where an imported run came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.results.records.base import JsonObject, Lenient


@dataclass(frozen=True, kw_only=True)
class ImportRecord(Lenient):
    """Another tool's log: `sha256` is of the file, `settings` are those that determine what was asked."""

    tool: str = ""
    version: str | None = None
    file: str = ""
    sha256: str = ""
    settings: JsonObject = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """In words: "lm-eval 0.4.13, samples_x.jsonl"."""
        return f"{self.tool} {self.version or ''}".strip() + f", {self.file}"
