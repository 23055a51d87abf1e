"""Small logs in the shapes that other tools write, for the tests of `harness import`."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow

DATE = "2026-01-02T03-04-05.000006"
REAL = Path(__file__).parents[3] / "shared" / "logs"
"""Logs that the tools themselves wrote, where they are at hand."""


def lm_eval(
    folder: Path,
    model: str | None,
    values: Sequence[float | None],
    *,
    task: str = "sums",
    metric: str = "exact_match",
    reported: float | None = None,
    higher: bool = True,
    prompt: str = "Q: {}?\nA:",
    order: Sequence[int] | None = None,
    column: str = "",
    name: str = "results",
    **settings: Any,
) -> Path:
    """A results file with its samples; `order` is which document each line is, `column` one more column."""
    folder.mkdir(parents=True, exist_ok=True)
    order = list(range(len(values))) if order is None else order
    lines = []
    for position, (number, value) in enumerate(zip(order, values, strict=True)):
        doc = {"q": f"{number} + 1", "a": number + 1} | ({column: 1} if column else {})
        line = {
            "doc_id": position,
            "doc": doc,
            "target": str(number + 1),
            "arguments": {"gen_args_0": {"arg_0": prompt.format(doc["q"]), "arg_1": {"until": ["\n"]}}},
            "resps": [[f" {number + 1}"]],
            "filtered_resps": [str(number + 1)],
            "filter": "none",
            "metrics": [metric],
            "doc_hash": hashlib.sha256(json.dumps(doc).encode()).hexdigest(),
            metric: value,
        }
        lines.append(json.dumps(line))
    (folder / f"samples_{task}_{DATE}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if reported is None else reported
    results = {
        "results": {task: {"alias": task, f"{metric},none": mean, f"{metric}_stderr,none": "N/A"}},
        "higher_is_better": {task: {metric: higher}},
        "versions": {task: 1.0},
        "date": 1767322800.5,
        "lm_eval_version": "0.4.13",
    }
    results |= {"model_name": model} if model else {}
    file = folder / f"{name}_{DATE}.json"
    file.write_text(json.dumps(results | settings), "utf-8")
    return file


def inspect_rows(scores: Sequence[Any], *, epoch: int = 1, first: int = 1) -> list[dict[str, Any]]:
    """Samples of one epoch with the scores of a scorer `judge`; an exception is a call that failed."""
    rows = []
    for number, value in enumerate(scores, start=first):
        failed = isinstance(value, Exception)
        row: dict[str, Any] = {
            "id": number,
            "epoch": epoch,
            "input": f"What is {number} + 1?",
            "target": str(number + 1),
            "output": {"completion": "" if failed else str(number + 1)},
            "scores": {} if failed else {"judge": {"value": value}},
        }
        rows.append(row | ({"error": {"message": str(value)}} if failed else {}))
    return rows


def inspect_header(model: str, **changes: Any) -> dict[str, Any]:
    about = {
        "eval_id": "e",
        "task": "sums",
        "model": model,
        "created": "2026-01-02T03:04:05+00:00",
        "packages": {"inspect_ai": "0.3.285"},
        "scorers": [{"name": "judge"}],
    }
    return {"version": 2, "status": "success", "eval": about, "results": {"scores": []}} | changes


def inspect_json(file: Path, model: str, rows: Sequence[Mapping[str, Any]], **changes: Any) -> Path:
    file.write_text(json.dumps({**inspect_header(model, **changes), "samples": rows}), "utf-8")
    return file


def inspect_eval(file: Path, model: str, rows: Sequence[Mapping[str, Any]], **changes: Any) -> Path:
    """A `.eval` archive whose members are compressed with zstd, which `zipfile` does not write."""
    members = {f"samples/{row['id']}_epoch_{row['epoch']}.json": row for row in rows}
    members |= {"header.json": inspect_header(model, **changes)}
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        for name, value in members.items():
            raw = json.dumps(value).encode()
            archive.writestr(zipfile.ZipInfo(name), bytes(pyarrow.compress(raw, codec="zstd", asbytes=True)))
    file.write_bytes(_as_zstd(plain.getvalue(), [json.dumps(value).encode() for value in members.values()]))
    return file


def _as_zstd(stored: bytes, contents: Sequence[bytes]) -> bytes:
    """An archive of stored members, each said to be zstd (method 93) of these contents."""
    data = bytearray(stored)
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        infos = archive.infolist()
    central = stored.index(b"PK\x01\x02")
    for info, raw in zip(infos, contents, strict=True):
        for start, method, crc, size in (
            (info.header_offset, 8, 14, 22),
            (central, 10, 16, 24),
        ):
            struct.pack_into("<H", data, start + method, 93)
            struct.pack_into("<I", data, start + crc, zlib.crc32(raw))
            struct.pack_into("<I", data, start + size, len(raw))
        lengths = struct.unpack_from("<HHH", data, central + 28)
        central += 46 + sum(lengths)
    return bytes(data)


def promptfoo(file: Path, results: Sequence[Mapping[str, Any]], *, repeat: int = 1, version: int = 3) -> Path:
    whole = {
        "evalId": "eval-x",
        "results": {
            "version": version,
            "timestamp": "2026-01-02T03:04:05Z",
            "prompts": [],
            "results": results,
        },
        "config": {"description": "words"},
        "metadata": {"promptfooVersion": "0.123.1"},
        "runtimeOptions": {"repeat": repeat},
    }
    file.write_text(json.dumps(whole), "utf-8")
    return file


def promptfoo_result(
    word: str, *, provider: str = "echo", prompt: str = "short", index: int = 0, test: int = 0, **changes: Any
) -> dict[str, Any]:
    return {
        "provider": {"id": provider, "label": ""},
        "prompt": {"raw": f"say {word}", "label": prompt},
        "promptIdx": index,
        "testIdx": test,
        "vars": {"word": word},
        "testCase": {"description": "d", "assert": [{"type": "equals", "value": word}]},
        "gradingResult": {"componentResults": [{"pass": True}]},
        "response": {"output": word},
        "success": True,
        "score": 1,
        "failureReason": 0,
    } | changes


def openai_evals(
    file: Path, runs: Mapping[str, Sequence[Sequence[bool]]], *, report: float | None = None
) -> Path:
    """A recorder's file with one run per completion function, of each sample's `match` events."""
    lines: list[dict[str, Any]] = []
    for name, samples in runs.items():
        run = {"run_id": f"run-{name}"}
        right = [correct for events in samples for correct in events]
        mean = sum(right) / len(right) if report is None else report
        lines += [
            {"spec": {"completion_fns": [name], "eval_name": "toy", **run}},
            {"final_report": {"accuracy": mean}} | run,
        ]
        for number, events in enumerate(samples):
            about = {**run, "event_id": 0, "sample_id": f"toy.dev.{number}"}
            lines.append(about | {"type": "sampling", "data": {"prompt": f"q{number}", "sampled": ["x"]}})
            lines += [about | {"type": "match", "data": {"correct": one, "expected": "e"}} for one in events]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file
