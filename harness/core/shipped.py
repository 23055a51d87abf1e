"""Recipes, tasks and experiment files that travel with the harness.

In a clone they are the repository's own `baselines/`, `tasks/` and `*.yaml`, where users see and edit them.
`setup.py` copies them into the installed package, as `harness/_shipped/`.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_COPIED = _PACKAGE / "_shipped"

INSTALLED = _COPIED.is_dir()
"""Whether this is an installed package rather than a clone (or an editable install of one)."""
ROOT = _COPIED if INSTALLED else _PACKAGE.parent
"""The folder that holds `baselines/`, `tasks/` and the shipped experiment files."""


def experiment_file(path: Path) -> Path:
    """The file at `path`; if there is none and `path` is a bare name, the shipped experiment of that name."""
    shipped = ROOT / path.name
    return shipped if path.parent == Path() and not path.exists() and shipped.is_file() else path
