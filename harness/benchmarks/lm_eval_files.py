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
from harness.benchmarks.result_files import mapping
from harness.benchmarks.subject import Target
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.results.database import benchmarks
from harness.results.database.benchmarks import is_number
from harness.results.folder import ResultsFolder
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine, read_rows

LONGEST = 60
"""Characters of a model's name in the name of its folder."""
_STAMP = re.compile(r"_(\d{4}-\d\d-\d\d)T(\d\d-\d\d-\d\d)")
_NUMBER = re.compile(r"\d+(\.\d+)?")


def import_file(results: Path, file: Path, target: Target | None = None) -> list[BenchmarkRecord]:
    """Import the results and samples of an lm-eval run into a target's history and return the new rows.
    Without a target they go to a folder of the model that lm-eval names. A file is imported only once. Samples
    are expected next to the file.

        Raises:
            ConfigError: not a results file of lm-eval, one that names no model where no target is given, or
                with a date that is none.
    """
    output = _read(file)
    moment = _when(output, file)
    folder, head = _destination(results, output, target, file)
    key = digest([output["results"], output.get("date"), output.get("n-samples")])
    if result_files.known(folder, key):
        return []
    if not result_files.rows_of(output, {}):
        raise ConfigError("holds no metric", file=file, remedy="name a results_*.json of lm-eval 0.4")
    saved = result_files.save(folder, key, "lm-eval", output, dict(_samples(file, output)))
    rows = [
        row.changed(example_limit=_limit(output, row))
        for row in result_files.rows_of(output, _common(output, head, key, saved, moment))
    ]
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
    stamp = _when(output, measured / "results.json").strftime("%Y-%m-%dT%H-%M-%S.%f")
    folder = out / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", str(output.get("model_name") or name))
    folder.mkdir(parents=True, exist_ok=True)
    for task in output["results"]:
        source = benchmarks.samples_file(measured, task)
        if source.is_file():
            file = folder / source.name.replace(".jsonl", f"_{stamp}.jsonl")
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
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"not readable as JSON ({error})", file=file, remedy=remedy) from None
    results = output.get("results") if isinstance(output, dict) else None
    if not isinstance(results, dict) or not all(isinstance(item, dict) for item in results.values()):
        raise ConfigError("not results of lm-eval: no 'results' by task", file=file, remedy=remedy)
    return cast(Output, output)


def _destination(
    results: Path, output: Output, target: Target | None, file: Path
) -> tuple[Path, Mapping[str, object]]:
    if target is not None:
        return target.folder, target.head()
    name = _model(output)
    if name is None:
        raise ConfigError(
            "names no model: neither model_name nor model_args",
            file=file,
            remedy="say whose it is: harness benchmark MODEL --import FILE",
        )
    sha = str(mapping(output.get("config")).get("model_sha") or "")
    folder = _folder(results, name)
    if (before := _revision(folder)) and sha and before != sha:
        # Other weights under one name are another model.
        name = f"{name}@{sha[:8]}"
        folder = _folder(results, name)
    head = {"model": name, "fingerprint": None, "base": None}
    return folder, {**head, **({"revision": sha} if sha else {})}


def _folder(results: Path, name: str) -> Path:
    slug = re.sub(r"[^\w.-]+", "_", name)
    # Long names that begin alike are not one model.
    short = slug if len(slug) <= LONGEST else f"{slug[:LONGEST]}-{digest(name)[:8]}"
    return ResultsFolder(results).benchmarks / f"{short}-imported"


def _revision(folder: Path) -> str | None:
    """The commit of the weights that a folder's measurements are of, where they say it."""
    try:
        head = mapping(json.loads((folder / "model.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
    return str(head["revision"]) if head.get("revision") else None


def _model(output: Output) -> str | None:
    """The model that was measured: `hf` and the like name a way to load one, and no model."""
    config = mapping(output.get("config"))
    given = config.get("model_args")
    arguments = given if isinstance(given, Mapping) else {}
    if isinstance(given, str):
        arguments = dict(part.partition("=")[::2] for part in given.split(","))
    name = output.get("model_name") or arguments.get("pretrained") or arguments.get("model")
    return str(name) if name else None


def _limit(output: Output, row: BenchmarkRecord) -> int | None:
    """How many documents were asked; None where all were. A limit below 1 is a share of them."""
    sizes = mapping(mapping(output.get("n-samples")).get(row.task))
    asked, whole = sizes.get("effective"), sizes.get("original")
    if isinstance(asked, int) and isinstance(whole, int):
        return asked if asked < whole else None
    limit = mapping(output.get("config")).get("limit")
    if not is_number(limit) or limit <= 0:
        return None
    return int(limit) if limit >= 1 else row.n


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
    stamp = file.stem.removeprefix("results")
    for task in output["results"]:
        beside = file.parent / f"samples_{task.replace('/', '__')}{stamp}.jsonl"
        rows = list(read_rows(beside, []))
        if rows:
            yield task, rows


def _when(output: Output, file: Path) -> datetime.datetime:
    """When it was measured, in UTC: seconds since 1970, or a date as text, which is taken for UTC where it names
    no zone; where the file says nothing, the time in its name, or else that of its last change.

    Raises:
        ConfigError: a date that is none.
    """
    date: float | str | None = output.get("date")
    if date is None:
        stamp = _STAMP.search(file.stem)
        date = f"{stamp[1]}T{stamp[2].replace('-', ':')}" if stamp else file.stat().st_mtime
    try:
        if isinstance(date, str) and not _NUMBER.fullmatch(date.strip()):
            moment = datetime.datetime.fromisoformat(date.strip())
            return moment.astimezone(datetime.UTC) if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return datetime.datetime.fromtimestamp(float(date), datetime.UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        date = str(date)[:80]
        remedy = "seconds since 1970, or such as 2026-05-01T12:00:00"
        raise ConfigError(f"its date {date!r} is none", file=file, remedy=remedy) from None
