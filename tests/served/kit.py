"""Runs a case, exports it, asks the export in another process, and compares."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from harness.benchmarks.subject import find, load
from harness.core.errors import HarnessError
from harness.core.values import Message
from harness.engines.engine_for import local
from harness.models.layers import plain_layers
from harness.results.folder import read_json, read_lines
from harness.runner import experiment
from harness.runner.cells import plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.workflows.export import export
from tests.served.models import make

ROOT = Path(__file__).parents[2]
TOLERANCE = 2e-4
"""Largest relative difference of log-likelihoods that float32 rounding explains here."""
ROUNDED = 3e-2
"""The same where inputs are rounded to 8 bits: a last bit of float32 decides to which of two neighbors."""
CONTINUATION = [104, 101, 114, 100]
LENGTHS = (10, 81, 130, 40)
"""Characters of the questions: below 128 tokens with the template, across it, and beyond."""
FAST = {"num_train_epochs": 1, "per_device_train_batch_size": 4, "dev_examples": 0, "eval_per_epoch": 0}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An architecture, a base and the stages trained on it."""

    shape: str
    stages: tuple[str, ...]
    base: str = "plain"

    @property
    def name(self) -> str:
        return f"{self.shape}-{self.base}-{'_'.join(self.stages)}".replace(".", "")


@dataclass(kw_only=True)
class Outcome:
    """What became of a case: `refused` before training, or a verdict for each layout exported."""

    case: Case
    refused: str = ""
    failed: str = ""
    not_exported: dict[str, str] = field(default_factory=dict)
    """Layout → why `harness export` refuses it."""
    served: dict[str, str] = field(default_factory=dict)
    """Layout → empty where the answers are the run's, else what differs."""


STAGES: dict[str, dict[str, Any]] = {
    "lora": {"kind": "lora", "lora_r": 4, "learning_rate": 0.03},
    "lora-fit": {"kind": "lora", "lora_r": 8, "learning_rate": 0.01, "num_train_epochs": 25},
    "rslora": {"kind": "lora", "lora_r": 8, "use_rslora": True, "learning_rate": 0.02},
    "dora": {"kind": "lora", "lora_r": 4, "use_dora": True, "learning_rate": 0.03},
    "dora-dropout": {"kind": "lora", "lora_r": 4, "use_dora": True, "lora_dropout": 0.1, "learning_rate": 0.03},
    "pissa": {"kind": "lora", "lora_r": 4, "init_lora_weights": "pissa", "learning_rate": 0.01},
    "olora": {"kind": "lora", "lora_r": 4, "init_lora_weights": "olora", "learning_rate": 0.01},
    "ia3": {"kind": "ia3", "learning_rate": 0.1},
    "full": {"kind": "full", "learning_rate": 0.01},
    "partial": {"kind": "partial", "layers": 1, "learning_rate": 0.01},
    "continued_pretraining": {"kind": "continued_pretraining", "learning_rate": 0.01},
    "infilling": {"kind": "infilling", "learning_rate": 0.01},
    "dpo": {"kind": "dpo", "lora_r": 4, "learning_rate": 0.02, "samples": 1},
    "grpo": {"kind": "grpo", "lora_r": 4, "learning_rate": 0.02, "num_generations": 2, "prompts_per_step": 4},
    "prompt_tuning": {"kind": "prompt_tuning", "num_virtual_tokens": 4, "learning_rate": 0.1},
    "prefix_tuning": {"kind": "prefix_tuning", "num_virtual_tokens": 4, "learning_rate": 0.1},
    "adapters": {"kind": "adapters", "bottleneck": 4, "learning_rate": 0.1},
    "classification": {"kind": "classification", "layers": 1, "learning_rate": 0.01},
    "embeddings": {"kind": "lora", "lora_r": 4, "learning_rate": 0.03, "target_modules": ["EMBEDDING"]},
    "head": {"kind": "lora", "lora_r": 4, "learning_rate": 0.03, "target_modules": ["HEAD"]},
    "both-ends": {"kind": "lora", "lora_r": 4, "learning_rate": 0.03, "target_modules": ["EMBEDDING", "HEAD"]},
}  # fmt: skip
_WITHOUT_LOOP = ("grpo",)


def stage(name: str, shape: str) -> dict[str, Any]:
    """The settings of a stage; embeddings and head are called what the architecture calls them."""
    names = {"EMBEDDING": "wte" if shape == "gpt2" else "embed_tokens", "HEAD": "lm_head"}
    settings = dict(STAGES[name])
    if "target_modules" in settings:
        settings["target_modules"] = [names[target] for target in settings["target_modules"]]
    fast = {"num_train_epochs": 1} if settings["kind"] in _WITHOUT_LOOP else FAST
    return {**fast, **settings}


@contextlib.contextmanager
def in_float32(case: Case) -> Iterator[None]:
    """Inside the `with` block int8, which has no setting for it, computes in float32 on every machine. The other bases
    are told so, and an export must not depend on what the machine prefers."""
    eight = mock.patch("harness.models.load.computes_bfloat16", return_value=False)
    with eight if case.base == "int8" else contextlib.nullcontext():
        yield


class Bench:
    """Models, a task and results in one folder, and the process that asks what was exported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task = _task(folder)
        self.jobs: list[dict[str, Any]] = []
        self._awaited: list[tuple[Outcome, str, list[dict[str, Any]]]] = []
        self._merges: dict[str, list[str]] = {}
        self._known: dict[Case, Outcome] = {}

    def close(self) -> None:
        """Let the garbage collector see everything again."""
        gc.unfreeze()

    def model(self, shape: str) -> Path:
        folder = self.folder / "models" / shape
        return folder if (folder / "config.json").is_file() else make(shape, folder)

    def run(self, case: Case) -> Outcome:
        """Train, answer and export a case; what is served is asked later, by `compare`."""
        outcome = Outcome(case=case)
        if (known := self._known.get(case)) is not None:
            return known
        self._known[case] = outcome
        results = self.folder / "results" / case.name
        recipe = {
            "name": "case",
            "base": self._base(case),
            "weights": [stage(name, case.shape) for name in case.stages],
        }
        file = self.folder / "case.yaml"
        file.write_text(
            yaml.safe_dump(
                {"task": str(self.task), "model": str(self.model(case.shape)), "recipes": [recipe]}
            )
        )
        try:
            with in_float32(case):
                (cell,) = plan(experiment.from_file(file))
                done = run([cell], results, progress=Progress())
        except HarnessError as error:
            trained = any((results / "runs").glob("*/weights/0/trained.json"))
            outcome.failed, outcome.refused = (str(error), "") if trained else ("", str(error))
            return outcome
        if len(self._known) == 1:
            # Every run collects garbage several times; what was imported by the first is left out of that.
            gc.collect()
            gc.freeze()
        (folder,) = _runs(results)
        if done.failures:
            error = str(read_json(folder / "run.json")["error"])
            trained = (folder / "weights" / "0" / "trained.json").exists()
            outcome.failed, outcome.refused = (error, "") if trained else ("", error)
            return outcome
        with in_float32(case):
            for merged in (False, True):
                self._export(outcome, results, folder, merged)
        return outcome

    def _base(self, case: Case) -> Any:
        if case.base == "int8":
            # Outliers are looked for in all rows of a batch, so with them an answer depends on its neighbors.
            return {"kind": "int8", "threshold": 0.0}
        if case.base == "nf4":
            return {"kind": "nf4", "compute_dtype": "float32"}
        if case.base != "merge":
            return {"kind": case.base, "dtype": "float32"}
        if case.shape not in self._merges:
            folders = []
            for seed in ("lora", "rslora"):
                part = Case(shape=case.shape, stages=(seed,))
                results = self.folder / "results" / part.name
                self.run(part)
                folders += map(str, _runs(results))
            self._merges[case.shape] = folders
        return {"kind": "merge", "method": "cat", "runs": self._merges[case.shape], "dtype": "float32"}

    def _export(self, outcome: Outcome, results: Path, folder: Path, merged: bool) -> None:
        case = outcome.case
        out = self.folder / "exports" / case.name / ("merged" if merged else "default")
        try:
            exported = export(results, folder.name, out, merged=merged, task=str(self.task))
        except HarnessError as error:
            outcome.not_exported["model" if merged else "adapter"] = str(error)
            return
        layout = exported.layout or ""
        if layout in outcome.served:
            return
        rows = list(read_lines(folder / "samples.jsonl"))
        program = read_json(out / "program.json")
        expected, loader = self._expected(results, folder, rows, layout)
        serve = program.get("serve") or {}
        self.jobs.append(
            {
                "folder": str(out),
                "base": str(self.model(case.shape)),
                "layout": layout,
                "loader": loader,
                "quantization": serve.get("quantization"),
                "generation": serve.get("generation") or {},
                "max_tokens": program["request"]["max_tokens"],
                "continuation": CONTINUATION,
                "questions": [_question(row) for row in rows],
            }
        )
        outcome.served[layout] = "not asked yet"
        self._awaited.append((outcome, layout, expected))

    def _expected(
        self, results: Path, folder: Path, rows: Sequence[dict[str, Any]], layout: str
    ) -> tuple[list[dict[str, Any]], str]:
        """The run's answers and log-likelihoods, and the class that loads its architecture."""
        from harness.models.architecture import of

        model = load(find(results, folder.name))
        engine = local(model)
        prompts = [model.chat.encode(_messages(row)) for row in rows]
        rounded = layout == "model" and any(
            plain_layers.quantization(m) == "8bit" for m in model.network.modules()
        )
        if rounded:
            # LLM.int8() rounds inputs, which no unquantized network does: the run without that is the measure.
            with plain_layers.unrounded_inputs(model.network):
                scores = engine.loglikelihoods([(ids, CONTINUATION) for ids in prompts])
        else:
            scores = engine.loglikelihoods([(ids, CONTINUATION) for ids in prompts])
        lead = len(model.chat.lead)
        return [
            {
                "ids": ids[lead:],
                "answer": None if rounded else row["output"],
                "score": score,
                "chat": model.chat,
            }
            for ids, row, (score, _) in zip(prompts, rows, scores, strict=True)
        ], of(model.network.config).loader

    def compare(self) -> None:
        """Ask everything exported since the last time, in one process that does not import the product."""
        with tempfile.TemporaryDirectory() as scratch:
            jobs, answers = Path(scratch) / "jobs.json", Path(scratch) / "answers.json"
            jobs.write_text(json.dumps(self.jobs), encoding="utf-8")
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
                "HF_HUB_DISABLE_PROGRESS_BARS": "1"
            }
            command = [sys.executable, str(ROOT / "tests" / "served" / "child.py"), str(jobs), str(answers)]
            subprocess.run(command, check=True, env=environment, cwd=scratch)
            results = json.loads(answers.read_text(encoding="utf-8"))
        for (outcome, layout, expected), given in zip(self._awaited, results, strict=True):
            rounded = outcome.case.base == "int8" and layout == "adapter"
            tolerance = ROUNDED if rounded else TOLERANCE
            outcome.served[layout] = (
                given if isinstance(given, str) else _difference(expected, given, tolerance)
            )
        self.jobs, self._awaited = [], []


def _difference(expected: Sequence[dict[str, Any]], given: Sequence[dict[str, Any]], tolerance: float) -> str:
    same, worst = 0, 0.0
    for ours, theirs in zip(expected, given, strict=True):
        if list(ours["ids"]) != theirs["ids"]:
            return "another prompt"
        text = ours["chat"].decode([i for i in theirs["answer"] if i not in ours["chat"].eos_ids])
        same += ours["answer"] is None or ours["answer"] == text
        worst = max(worst, abs(ours["score"] - theirs["score"]) / max(1.0, abs(ours["score"])))
    if same == len(expected) and worst <= tolerance:
        return ""
    return f"{same} of {len(expected)} answers alike, log-likelihoods differ by up to {worst:.2g}"


def _messages(row: dict[str, Any]) -> list[Message]:
    return [Message("system", "Say the colour."), Message("user", row["input"]["input"])]


def _question(row: dict[str, Any]) -> dict[str, Any]:
    from harness.models.plain_chat import plain_text

    messages = _messages(row)
    return {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "text": plain_text(messages),
    }


def _task(parent: Path) -> Path:
    folder = parent / "colours"
    (folder / "corpus").mkdir(parents=True)
    colours = ("red", "green", "blue")
    for split, count in (("train", 8), ("dev", 2), ("test", 4)):
        rows = []
        for i in range(count):
            text = f"thing {split} {i} " + "abcdefgh" * 20
            length = LENGTHS[i % 4] if split == "test" else 20 + 5 * i
            rows.append({"id": f"{split}-{i}", "input": text[:length], "target": colours[i % 3]})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for i in range(4):
        (folder / "corpus" / f"d{i}.md").write_text(f"Thing {i} is {colours[i % 3]}.\n", "utf-8")
    (folder / "task.yaml").write_text(
        "name: colours\nversion: 1\ninstructions: Say the colour.\n"
        "data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}\n"
        "format: {kind: choice, choices: [red, green, blue]}\nscorers: [{kind: exact}]\nprimary: exact\n"
        "corpus: corpus/\nmax_new_tokens: 6\n",
        "utf-8",
    )
    return folder


def _runs(results: Path) -> list[Path]:
    return [path for path in (results / "runs").iterdir() if path.is_dir()]
