"""A believable results folder, in the layout of the runner, without running a model.

from tests.report_data import make
make(tmp_path)      # two tasks × six recipes × 1–2 seeds × 40 examples
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

MODEL = "smollm2-135m-instruct"
QUALITY = {
    "support_tickets": {
        "zero_shot": 0.12,
        "few_shot": 0.48,
        "bm25_rag": 0.15,
        "lora": 0.81,
        "qlora": 0.78,
        "full": 0.83,
    },
    "handbook_qa": {
        "zero_shot": 0.04,
        "few_shot": 0.08,
        "bm25_rag": 0.62,
        "lora": 0.11,
        "qlora": 0.10,
        "full": 0.12,
    },
}
WEIGHTS = {
    "lora": [{"kind": "lora", "lora_r": 16, "lora_alpha": 32, "learning_rate": 2e-4}],
    "qlora": [{"kind": "lora", "lora_r": 16, "lora_alpha": 32, "learning_rate": 2e-4}],
    "full": [{"kind": "full", "learning_rate": 2e-5}],
}
PROGRAMS = {
    "few_shot": {"kind": "few_shot", "k": 8},
    "bm25_rag": {"kind": "rag", "retriever": {"kind": "bm25"}, "k": 3},
}
PARAMETERS = {"lora": 4_884_480, "qlora": 4_884_480, "full": 134_515_008}
SECONDS = {"lora": 212.4, "qlora": 301.9, "full": 388.2}
MEMORY = {"lora": 1.31e9, "qlora": 0.74e9, "full": 2.62e9}
FAILURES = ("malformed", "wrong_fields", "wrong_value", "dressed_up", "truncated", "no_stop", "refused")
PLACES = ("billing", "login", "shipping", "refund", "api", "mobile app")
MOODS = ("calm", "annoyed", "furious")


def make(
    results: Path,
    *,
    examples: int = 40,
    seeds: int = 2,
    labels: tuple[int, ...] = (),
    models: tuple[str, ...] = (MODEL,),
) -> list[Path]:
    """Write the runs and return their folders; `labels` adds points of a label curve for lora."""
    return [folder for model in models for folder in _make(results, examples, seeds, labels, model)]


def _make(results: Path, examples: int, seeds: int, labels: tuple[int, ...], model: str) -> list[Path]:
    folders = []
    for task, recipes in QUALITY.items():
        for recipe in recipes:
            for seed in range(seeds if recipe in WEIGHTS else 1):
                folders.append(_run(results, task, recipe, seed, examples, model=model))
        for count in labels:
            folders.append(_run(results, task, "lora", 0, examples, labels=count, model=model))
    return folders


def rewrite_samples(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Replace the answers of a run, in the escaping that the most hostile of them needs."""
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    (folder / "samples.jsonl").write_text(text, encoding="utf-8")


def read_samples(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def _run(
    results: Path,
    task: str,
    recipe: str,
    seed: int,
    examples: int,
    labels: int | None = None,
    model: str = MODEL,
) -> Path:
    other = "" if model == MODEL else model
    rng = random.Random(f"{task}{recipe}{seed}{labels}{other}")
    key = hashlib.sha256(f"{task}{recipe}{seed}{labels}{other}".encode()).hexdigest()
    mark = "" if labels is None else f"-n{labels}"
    folder = results / "runs" / f"{task}-{recipe}{mark}-{model}-s{seed}-{key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    quality = QUALITY[task][recipe] * (1 if labels is None else 1 - math.exp(-labels / 80))
    rows = [_sample(rng, task, recipe, quality, number) for number in range(examples)]
    cell = _cell(folder.name, key, task, recipe, seed, labels)
    cell["model"]["spec"] = model
    _write(folder / "cell.json", cell)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "samples.jsonl").write_text(lines, encoding="utf-8")
    if recipe in WEIGHTS:
        steps = "".join(json.dumps(step) + "\n" for step in _steps(rng, quality))
        (folder / "train_steps.jsonl").write_text(steps, encoding="utf-8")
    _write(folder / "run.json", cell | _outcome(rng, task, recipe, rows, quality))
    return folder


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def _cell(name: str, key: str, task: str, recipe: str, seed: int, labels: int | None) -> dict[str, Any]:
    primary = "fields" if task == "support_tickets" else "token_f1"
    scorers = [{"name": primary, "binary": False}, {"name": "exact", "binary": True}]
    return {
        "id": name,
        "key": key,
        "task": {"name": task, "version": 1, "data_hash": hashlib.sha256(task.encode()).hexdigest(),
                 "primary": primary, "margin": 0.02, "scorers": scorers},
        "recipe": {"name": recipe, "about": "", "data": {"kind": "train", "limit": labels},
                   "base": {"kind": "nf4" if recipe == "qlora" else "plain"}, "weights": WEIGHTS.get(recipe, []),
                   "program": PROGRAMS.get(recipe, {"kind": "zero_shot"})},
        "model": {"spec": MODEL, "fingerprint": "5f8b0c1e" * 8},
        "seed": seed, "split": "test", "limit": None, "labels": labels,
        "started_at": f"2026-11-21T06:{10 + seed:02d}:00+00:00",
        "git": {"sha": "3b37bd4c0ffee", "dirty": False},
        "versions": {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
        "machine": {"cpu": "a processor", "cores": 2, "memory_bytes": 8_000_000_000, "gpu": None,
                    "python": "3.11.2", "platform": "Linux"},
        "command": f"harness run {task} --recipes {recipe}",
    }  # fmt: skip


def _steps(rng: random.Random, quality: float) -> list[dict[str, Any]]:
    steps = []
    for step in range(1, 61):
        loss = 0.25 + 2.4 * math.exp(-step / 14) + rng.uniform(-0.08, 0.08)
        dev = step % 20 == 0
        steps.append({
            "step": step, "epoch": step / 20, "loss": loss, "learning_rate": 2e-4 * min(1, step / 6) * (1 - step / 61),
            "grad_norm": 0.6 + rng.random(), "tokens": 1800 + rng.randrange(300), "seconds": 3.4 + rng.random(),
            "dev_loss": loss + 0.12 if dev else None,
            "dev_score": quality * (1 - math.exp(-step / 18)) if dev else None, "stage": "0",
        })  # fmt: skip
    return steps


def _ticket(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = random.Random(number)
    location, mood, urgency = rng.choice(PLACES), rng.choice(MOODS), rng.randrange(1, 6)
    order = rng.randrange(10_000, 99_999)
    text = (f"hi, order #{order} — the {location} thing broke AGAIN since yesterday. I am {mood}!! "
            f"please fix it before friday, thx, Zoë")  # fmt: skip
    target = {
        "area": location,
        "sentiment": mood,
        "urgency": urgency,
        "order": {"id": f"O-{order}", "refund": location == "refund"},
    }
    return {"message": text}, target


def _question(number: int) -> tuple[dict[str, Any], str]:
    rng = random.Random(1000 + number)
    days, team = rng.randrange(3, 40), rng.choice(("Harbour", "Lantern", "Foundry", "Orchard"))
    return {
        "question": f"How many days of field leave does the {team} team have in year {number % 7 + 1}?"
    }, f"{days} days"


def _sample(rng: random.Random, task: str, recipe: str, quality: float, number: int) -> dict[str, Any]:
    ticket = task == "support_tickets"
    given, target = _ticket(number) if ticket else _question(number)
    hard = random.Random(f"{task}{number}").random()
    failure = (
        None
        if rng.random() * 0.5 + hard * 0.5 < quality
        else rng.choice(FAILURES if ticket else FAILURES[2:])
    )
    error = recipe == "zero_shot" and number == 7
    output, value = _answer(rng, target, failure)
    documents = [f"doc-{number % 60:02d}", f"doc-{(number + 7) % 60:02d}", f"doc-{(number + 23) % 60:02d}"]
    rng.shuffle(documents)
    passages = [{"document": name, "title": f"Chapter {name[-2:]}", "text": f"From {name}: the {rng.choice(PLACES)} rules say "
                 f"that {rng.choice(MOODS)} staff get {rng.randrange(3, 40)} days.", "score": 9.0 - 2 * rank - rng.random()}
                for rank, name in enumerate(documents)] if recipe == "bm25_rag" else []  # fmt: skip
    shown = "\n".join(f"[{p['document']}] {p['text']}" for p in passages)
    question = given.get("message") or given["question"]
    return {
        "sample_id": f"{task[0]}{number:04d}", "input": given, "target": target,
        "group": None if ticket else f"doc-{number % 60:02d}",
        "meta": {"language": rng.choice(("en", "de"))}, "context_ids": [] if ticket else [f"doc-{number % 60:02d}"],
        "prompt": f"<|im_start|>system\nAnswer as told.\n{shown}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
        "passages": passages, "shots": [f"t{i}" for i in range(8)] if recipe == "few_shot" else [],
        "output": "" if error else output, "tokens_in": 120 + 300 * bool(passages) + 700 * (recipe == "few_shot") + number,
        "tokens_out": 0 if error else 12 + rng.randrange(60), "seconds": 0.2 + rng.random() * 0.6,
        "finish_reason": "error" if error else "length" if failure == "truncated" else "stop", "cached": False,
        "error": "EngineError: the server closed the connection" if error else None,
        **_reading(failure, value, error), "scores": _scores(rng, task, failure, error),
        "failure": None if error else failure,
    }  # fmt: skip


def _answer(rng: random.Random, target: Any, failure: str | None) -> tuple[str, Any]:
    """The raw output and the value that extraction finds in it."""
    right = json.dumps(target, ensure_ascii=False) if isinstance(target, dict) else str(target)
    wrong = (
        {**target, "area": rng.choice(PLACES)}
        if isinstance(target, dict)
        else f"{rng.randrange(40, 90)} days"
    )
    text = json.dumps(wrong, ensure_ascii=False) if isinstance(wrong, dict) else wrong
    outputs = {
        None: (right, target),
        "malformed": (right[: len(right) // 2] + ", oops", None),
        "wrong_fields": ('{"category": "' + rng.choice(PLACES) + '"}', {"category": "?"}),
        "wrong_value": (text, wrong),
        "dressed_up": (f"Sure! Here is the answer:\n```json\n{right}\n```\nLet me know.", target),
        "truncated": (right[:-4], None),
        "no_stop": (right + "\n" + right + "\n" + right, target),
        "refused": ("I'm sorry, but I am not able to help with that.", None),
    }
    return outputs[failure]


def _reading(failure: str | None, value: Any, error: bool) -> dict[str, Any]:
    if error:
        reason = {"status": "error", "reason": "the server closed the connection", "path": ""}
        return {"strict": reason, "extracted": reason | {"value": None}}
    strict = failure in (None, "wrong_value")
    broken = failure in ("malformed", "wrong_fields", "truncated", "refused")
    reason = (
        "'order' is a required property"
        if failure == "wrong_fields"
        else "Expecting ',' delimiter at character 41"
    )
    path = "order.id" if failure == "wrong_fields" else ""
    valid = {"status": "valid", "reason": "", "path": ""}
    invalid = {"status": "invalid", "reason": reason, "path": path}
    return {"strict": valid if strict else invalid,
            "extracted": (invalid if broken else valid) | {"value": None if broken else value}}  # fmt: skip


def _scores(rng: random.Random, task: str, failure: str | None, error: bool) -> list[dict[str, Any]]:
    primary = "fields" if task == "support_tickets" else "token_f1"
    status = "error" if error else "scored"
    if failure in ("malformed", "wrong_fields", "truncated", "refused"):
        status = "invalid"
    partial = {None: 1.0, "dressed_up": 1.0, "no_stop": 1.0, "wrong_value": round(rng.uniform(0.25, 0.75), 2)}
    value = None if error else partial.get(failure, 0.0)
    exact = None if error else float(value == 1.0)
    reason = "area: 'api' is not 'billing'" if failure == "wrong_value" else ""
    return [{"scorer": primary, "status": status, "value": value, "reason": reason, "version": 1},
            {"scorer": "exact", "status": status, "value": exact, "reason": "", "version": 1}]  # fmt: skip


def _outcome(
    rng: random.Random, task: str, recipe: str, rows: list[dict[str, Any]], quality: float
) -> dict[str, Any]:
    primary = "fields" if task == "support_tickets" else "token_f1"
    answered = [row for row in rows if row["finish_reason"] != "error"]
    metrics: dict[str, dict[str, float]] = {}

    def add(name: str, values: list[float]) -> None:
        if values:
            metrics[name] = {"mean": sum(values) / len(values), "n": len(values)}

    for index, name in enumerate((primary, "exact")):
        add(name, [row["scores"][index]["value"] for row in answered])
        add(
            f"{name}_strict",
            [row["scores"][index]["value"] * (row["strict"]["status"] == "valid") for row in answered],
        )
    add("valid_strict", [float(row["strict"]["status"] == "valid") for row in answered])
    add("valid_extracted", [float(row["extracted"]["status"] == "valid") for row in answered])
    add("recall_at_k", [float(row["context_ids"][0] in [p["document"] for p in row["passages"]])
                        for row in answered if row["passages"] and row["context_ids"]])  # fmt: skip
    train = None
    if recipe in WEIGHTS:
        train = {"seconds": SECONDS[recipe] + rng.random() * 9, "trainable_parameters": PARAMETERS[recipe],
                 "total_parameters": 134_515_008, "steps": 60, "tokens": 108_000, "best_step": 60,
                 "best_dev_score": quality, "best_dev_loss": 0.39, "dropped": ["t0017"] if recipe == "full" else [],
                 "notes": [], "bytes": PARAMETERS[recipe] * 4}  # fmt: skip
    seconds = sum(row["seconds"] for row in rows)
    tokens = sum(row["tokens_in"] for row in rows) / len(rows)
    statuses = [row["scores"][0]["status"] for row in rows]
    return {
        "status": "done", "error": None, "seconds": seconds + (train or {"seconds": 0})["seconds"],
        "finished_at": "2026-11-21T06:20:00+00:00", "train": train,
        "answer": {"seconds": seconds, "tokens_in_mean": tokens,
                   "tokens_out_mean": sum(row["tokens_out"] for row in rows) / len(rows), "latency_p50": 0.41,
                   "latency_p95": 0.93, "throughput": len(rows) / seconds, "batch_size": 16},
        "peak_memory_bytes": int(MEMORY.get(recipe, 0.62e9)), "peak_device_bytes": None, "prompt_tokens_mean": tokens,
        "metrics": metrics, "parity": [{"check": "prompts_equal", "ok": True, "detail": ""}] if train else [],
        "counts": {status: statuses.count(status) for status in ("scored", "invalid", "error")}
        | {"truncated": sum(row["finish_reason"] == "length" for row in rows)},
    }  # fmt: skip
