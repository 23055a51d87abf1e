"""The report, or parts of it, inside a notebook: the same page in its own frame.

A frame keeps the page's styles and script apart from the notebook's, and keeps its
Content-Security-Policy: it fetches nothing there either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import escape

from harness.core.errors import ConfigError, nearest
from harness.core.secrets import masked
from harness.evidence.verdict_types import Verdict
from harness.report.build import discover, render
from harness.report.data import load, with_verdicts

HEIGHT = 640
"""Pixels; the frame scrolls."""


@dataclass(frozen=True)
class Shown:
    """A page that a notebook shows, and that can be kept with `save`."""

    page: str

    def __repr__(self) -> str:
        return f"a page of {len(self.page):,} characters; a notebook shows it"

    def save(self, path: str | Path) -> Path:
        """Write the page to a file."""
        Path(path).write_text(self.page, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{HEIGHT}px;border:0"
        title = "harness report"
        return f'<iframe title="{title}" style="{style}" srcdoc="{escape(self.page)}"></iframe>'


def shown(results: Path, run_ids: Sequence[str], verdicts: Sequence[Verdict], names: Sequence[str]) -> Shown:
    """Some sections of the report of these runs; all of them if `names` is empty.

    Raises:
        ConfigError: no section of that name.
    """
    known = [name for name, _ in discover()]
    for name in names:
        if name not in known:
            raise ConfigError(f"no section '{name}'", remedy=nearest(name, known))
    title = ", ".join(dict.fromkeys(verdict.task for verdict in verdicts))
    return Shown(masked(render(with_verdicts(load(results, run_ids), title, verdicts), only=names)))
