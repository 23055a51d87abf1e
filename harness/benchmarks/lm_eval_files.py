"""Imports and exports lm-eval's files, so that earlier evaluations join the history and other tools read
ours.

results_<date>.json            what `lm_eval --output_path` writes
samples_<task>_<date>.jsonl    what `--log_samples` adds beside it
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.benchmarks import result_files
from harness.benchmarks.subject import Target
from harness.core.errors import ConfigError
from harness.core.files import write_json
from harness.core.keys import digest
from harness.core.names import file_part
from harness.core.secrets import masked, masked_json
from harness.imports import lm_eval_files
from harness.imports.json_files import mapping
from harness.imports.lm_eval_types import Output
from harness.results.database import benchmarks
from harness.results.folder import ResultsFolder
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine, read_rows

LONGEST = 60
"""Characters of a model's name in the name of its folder."""


def import_file(results: Path, file: Path, target: Target | None = None) -> list[BenchmarkRecord]:
    """Import the results and samples of an lm-eval run into a target's history and return the new rows.
    Without a target they go to the folder of the model that lm-eval names. A file is imported only once.
    Samples are expected next to the file.

        Raises:
            ConfigError: not a results file of lm-eval, one that names no model when no target is given, or
                one with an invalid date.
    """
    output = lm_eval_files.read(file)
    moment = lm_eval_files.measured_at(output, file)
    folder, head = _destination(results, output, target, file)
    key = digest([output["results"], output.get("date"), output.get("n-samples")])
    if result_files.known(folder, key):
        return []
    if not result_files.rows_of(output, {}):
        unscored = any(lm_eval_files.predicted_only(output, task) for task in output["results"])
        what = "made with --predict_only: it holds no score" if unscored else "holds no metric"
        raise ConfigError(what, file=file, remedy="name a results_*.json of lm-eval 0.4 with scores")
    saved = result_files.save(folder, key, "lm-eval", output, dict(_samples(file, output)))
    rows = [
        row.changed(example_limit=lm_eval_files.limit(output, row.task, row.n))
        for row in result_files.rows_of(output, _common(output, head, key, saved, moment))
    ]
    if target is None or target.run is None:
        write_json(folder / "model.json", head)
    result_files.append(folder, rows)
    return rows


def export(target: Target, out: Path) -> list[Path]:
    """Write every current evaluation below `out` as lm-eval would, and return the files."""
    standing = result_files.latest(result_files.read(target.folder)).values()
    files: list[Path] = []
    for folder in dict.fromkeys(benchmarks.place_of(target.folder, row) for row in standing):
        whole = folder / "results.json"
        if whole.is_file():
            files += _export(json.loads(whole.read_text(encoding="utf-8")), folder, out, target.name)
    return files


def _export(output: Output, measured: Path, out: Path, name: str) -> Iterator[Path]:
    stamp = lm_eval_files.measured_at(output, measured / "results.json").strftime("%Y-%m-%dT%H-%M-%S.%f")
    folder = out / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", str(output.get("model_name") or name))
    folder.mkdir(parents=True, exist_ok=True)
    for task in output["results"]:
        source = benchmarks.samples_file(measured, task)
        if source.is_file():
            file = folder / source.name.replace(".jsonl", f"_{stamp}.jsonl")
            file.write_bytes(masked_json(source.read_bytes()))
            yield file
    file = folder / f"results_{stamp}.json"
    file.write_text(masked(json.dumps(output, indent=2, ensure_ascii=False)), encoding="utf-8")
    yield file


def _destination(
    results: Path, output: Output, target: Target | None, file: Path
) -> tuple[Path, Mapping[str, object]]:
    if target is not None:
        return target.folder, target.head()
    name = lm_eval_files.model_name(output)
    if name is None:
        raise ConfigError(
            "names no model: neither model_name nor model_args",
            file=file,
            remedy="say whose it is: harness benchmark MODEL --import FILE",
        )
    sha = str(mapping(output.get("config")).get("model_sha") or "")
    folder = _folder(results, name)
    if (before := _revision(folder)) and sha and before != sha:
        # Other weights under the same name are another model.
        name = f"{name}@{sha[:8]}"
        folder = _folder(results, name)
    head = {"model": name, "fingerprint": None, "base": None}
    return folder, {**head, **({"revision": sha} if sha else {})}


def _folder(results: Path, name: str) -> Path:
    part = file_part(name)
    # Long names with the same beginning are not one model.
    short = part if len(part) <= LONGEST else f"{part[:LONGEST]}-{digest(name)[:8]}"
    return ResultsFolder(results).benchmarks / f"{short}-imported"


def _revision(folder: Path) -> str | None:
    """The commit of the weights that a folder's measurements are of, if they say it."""
    try:
        head = mapping(json.loads((folder / "model.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
    return str(head["revision"]) if head.get("revision") else None


def _common(
    output: Output, head: Mapping[str, object], key: str, file: Path, moment: datetime.datetime
) -> Mapping[str, object]:
    return {
        **head,
        "key": key,
        "folder": file.name,
        "chat_template": bool(output.get("chat_template")),
        "source": "lm-eval",
        "measured_at": moment.isoformat(timespec="seconds"),
    }


def _samples(file: Path, output: Output) -> Iterator[tuple[str, list[JsonLine]]]:
    for task in output["results"]:
        rows = list(read_rows(lm_eval_files.samples_file(file, task), []))
        if rows:
            yield task, rows
