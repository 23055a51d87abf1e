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
from typing import cast

from harness.benchmarks import result_files
from harness.benchmarks.lm_eval_types import Output
from harness.benchmarks.subject import Target
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.results.database import benchmarks
from harness.results.folder import ResultsFolder
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine, read_rows


def import_file(results: Path, file: Path, target: Target | None = None) -> list[BenchmarkRecord]:
    """Import the results and samples of an lm-eval run into a target's history and return the new rows.
    Without a target they go to a folder of the model that lm-eval names. A file is imported only once. Samples
    are expected next to the file.

        Raises:
            ConfigError: not a results file of lm-eval.
    """
    output = _read(file)
    folder, head = _destination(results, output, target)
    key = digest([output["results"], output.get("date"), output.get("n-samples")])
    if result_files.known(folder, key):
        return []
    if not result_files.rows_of(output, {}):
        raise ConfigError("holds no metric", file=file, remedy="name a results_*.json of lm-eval 0.4")
    saved = result_files.save(folder, key, "lm-eval", output, dict(_samples(file, output)))
    rows = result_files.rows_of(output, _common(output, head, key, saved))
    if target is None or target.run is None:
        text = json.dumps(head, indent=1, ensure_ascii=False)
        (folder / "model.json").write_text(text, encoding="utf-8")
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
    stamp = _when(output).strftime("%Y-%m-%dT%H-%M-%S.%f")
    folder = out / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", output.get("model_name") or name)
    folder.mkdir(parents=True, exist_ok=True)
    for task in output["results"]:
        source = benchmarks.samples_file(measured, task)
        if source.is_file():
            file = folder / f"samples_{task}_{stamp}.jsonl"
            file.write_bytes(source.read_bytes())
            yield file
    file = folder / f"results_{stamp}.json"
    file.write_text(json.dumps(output, indent=2, ensure_ascii=False), encoding="utf-8")
    yield file


def _read(file: Path) -> Output:
    remedy = "name a results_*.json that lm_eval --output_path wrote"
    try:
        output = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such file", file=file, remedy=remedy) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"not readable as JSON ({error})", file=file, remedy=remedy) from None
    results = output.get("results") if isinstance(output, dict) else None
    if not isinstance(results, dict) or not all(isinstance(item, dict) for item in results.values()):
        raise ConfigError("not results of lm-eval: no 'results' by task", file=file, remedy=remedy)
    return cast(Output, output)


def _destination(results: Path, output: Output, target: Target | None) -> tuple[Path, Mapping[str, object]]:
    if target is not None:
        return target.folder, target.head()
    name = str(output.get("model_name") or (output.get("config") or {}).get("model") or "unknown")
    slug = re.sub(r"[^\w.-]+", "_", name)[:60]
    head = {"model": name, "fingerprint": None, "base": None}
    return ResultsFolder(results).benchmarks / f"{slug}-imported", head


def _common(output: Output, head: Mapping[str, object], key: str, file: Path) -> Mapping[str, object]:
    limit = (output.get("config") or {}).get("limit")
    return {
        **head,
        "key": key,
        "folder": file.name,
        "example_limit": int(limit) if isinstance(limit, int | float) and limit >= 1 else None,
        "chat_template": bool(output.get("chat_template")),
        "source": "lm-eval",
        "measured_at": _when(output).isoformat(timespec="seconds"),
    }


def _samples(file: Path, output: Output) -> Iterator[tuple[str, list[JsonLine]]]:
    stamp = file.stem.removeprefix("results")
    for task in output["results"]:
        rows = list(read_rows(file.with_name(f"samples_{task}{stamp}.jsonl"), []))
        if rows:
            yield task, rows


def _when(output: Output) -> datetime.datetime:
    date = output.get("date")
    moment = float(date) if isinstance(date, int | float) else 0.0
    return datetime.datetime.fromtimestamp(moment, datetime.UTC)
