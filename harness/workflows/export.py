"""`harness export`: from a finished run to a folder that can be served elsewhere."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.benchmarks.subject import find
from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.keys import file_digest
from harness.core.secrets import masked, masked_values
from harness.evidence.aggregate import gather, mean_interval
from harness.export import card, loading, program, serving, weights
from harness.models.chat import ModelChat
from harness.results.folder import ResultsFolder, RunFolder, read_json
from harness.results.lines import samples
from harness.results.records.run import RunRecord
from harness.results.run_scores import scores as primary_scores
from harness.runner.model_pool import is_server
from harness.workflows.options.export import ExportOptions

MANIFEST = "export.json"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written: `layout` is `adapter`, `model`, or None if the run trained nothing."""

    run: str
    folder: Path
    layout: str | None
    files: Mapping[str, int]
    """Name → bytes."""
    commands: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "folder": str(self.folder)}


def from_options(options: ExportOptions) -> Exported:
    """All that `harness export` does; see `export` for what it raises."""
    return export(
        options.results_path, options.run, Path(options.folder), merged=options.merged, task=options.task
    )


def export(
    results: Path, run: str, folder: Path, *, merged: bool = False, task: str | None = None
) -> Exported:
    """Write a finished run to `folder`, completely or not at all. A folder that holds this very export is left as it
    is, so a command that was killed at its end can be repeated.

    Raises:
        ConfigError: no such run, one that did not finish, a folder that holds anything else, a task that has
            changed, or weights that no other tool can read.
    """
    run_folder = ResultsFolder(results).find_run(run)
    source, record = run_folder.path, run_folder.finished()
    if record is None:
        raise ConfigError(f"run '{source.name}' is not finished", remedy="run its command again to resume it")
    if not _is_export_of(folder, record):
        check_new(folder)
    known = program.task_of(record, task)
    recipe = recipes.from_config(record.recipe.raw, name=record.recipe.name, file=source / "run.json")
    if merged and not recipe.weights:
        raise ConfigError(f"{source.name} trained no weights to merge", remedy="omit --merged")
    rows = samples(run_folder.samples)
    target = find(results, source.name) if recipe.weights else None
    layout = None if target is None else weights.layout(target, merged)
    with _whole(folder) as draft:
        if target is not None and layout is not None:
            weights.write(target, layout, draft)
        spec, name = record.model.spec, recipe.name
        loaded = loading.loading(record, recipe, layout)
        if layout is None and not is_server(spec):
            weights.write_settings(spec, recipe, bool(loaded.generation), draft)
        described = program.describe(known, recipe, record, rows, _chat(spec), loaded)
        lines = serving.commands(folder, layout, name, spec, task or known.name, loaded, held=draft)
        _write_texts(draft, described, program.recipe_file(recipe, source.name))
        rules = loading.rules_sentence(loaded) if layout != "model" else ""
        text = card.render(record, known, scores(record, source), layout, lines, rules)
        (draft / "README.md").write_text(masked(text), encoding="utf-8")
        _write_manifest(draft, record)
    files = {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
    return Exported(run=source.name, folder=folder, layout=layout, files=files, commands=tuple(lines))


def check_new(folder: Path) -> None:
    """Refuse a folder that the export could not replace."""
    try:
        is_taken = folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=folder) from None
    if is_taken:
        raise ConfigError("is not an empty folder", file=folder, remedy="name a new one")
    if folder.resolve() == Path.cwd():
        raise ConfigError(
            "is the folder that you are in", file=folder, remedy="name a new one, such as ./exported"
        )


def scores(record: RunRecord, folder: Path) -> list[card.Score]:
    """Every scorer of a run with its interval, the primary one first."""
    rows = samples(RunFolder(folder).samples)
    plain = primary_scores(record, folder)
    about = record.task
    listed = []
    for scorer in sorted(about.scorers, key=lambda scorer: scorer.name != about.primary):
        values = tuple(row.score(scorer.name) for row in rows)
        for table in gather([dataclasses.replace(plain, values=values, binary=scorer.binary)]):
            low, high = mean_interval(table)
            mean, n = float(table.values.mean()), len(table.ids)
            listed.append(card.Score(scorer=scorer.name, mean=mean, low=low, high=high, n=n))
    return listed


def _chat(spec: str) -> ModelChat | None:
    if is_server(spec):
        return None
    from harness.models.chat import load_chat

    return load_chat(spec)


def _write_texts(draft: Path, described: Mapping[str, object], recipe: Mapping[str, object]) -> None:
    text = json.dumps(described, ensure_ascii=False, indent=1)
    (draft / "program.json").write_text(masked(text) + "\n", encoding="utf-8")
    text = yaml.safe_dump(masked_values(recipe), sort_keys=False, allow_unicode=True)
    (draft / "recipe.yaml").write_text(text, encoding="utf-8")


def _write_manifest(draft: Path, record: RunRecord) -> None:
    """Digests of everything else, so that a copy can be checked; and the run's identity."""
    files: Sequence[Path] = sorted(path for path in draft.rglob("*") if path.is_file())
    digests = {str(path.relative_to(draft)): file_digest(path) for path in files}
    head = {name: record.raw[name] for name in ("id", "key", "seed", "model", "task")}
    text = json.dumps({"run": head, "sha256": digests}, ensure_ascii=False, indent=1)
    (draft / MANIFEST).write_text(masked(text) + "\n", encoding="utf-8")


def _is_export_of(folder: Path, record: RunRecord) -> bool:
    try:
        return bool(read_json(folder / MANIFEST)["run"]["key"] == record.raw["key"])
    except (OSError, ValueError, LookupError, TypeError, ConfigError):
        return False


def _holds_the_same(folder: Path, draft: Path) -> bool:
    """Whether a folder has the draft's files, and each with the same bytes."""
    names = [
        sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        for root in (folder, draft)
    ]
    return names[0] == names[1] and all(
        file_digest(folder / one) == file_digest(draft / one) for one in names[0]
    )


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A draft beside `folder` that takes its place if nothing went wrong."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=folder) from None
    try:
        yield draft
        draft.chmod(0o755)
        if _holds_the_same(folder, draft):
            return
        check_new(folder)
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
