"""One evaluation: lm-eval's tasks, with lm-eval's prompts, answered by our engine."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmarks import result_files, tasks
from harness.benchmarks.graded_targets import GradedTargets
from harness.benchmarks.own_shots import OwnShots
from harness.benchmarks.result_files import Settings
from harness.benchmarks.subject import Target
from harness.core.errors import ConfigError
from harness.core.files import write_json
from harness.core.keys import digest
from harness.core.protocols import LanguageModel
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine

if TYPE_CHECKING:
    from harness.benchmarks.lm_eval_model import EngineLM

log = logging.getLogger(__name__)

SEED = 1234
"""lm-eval's default for few-shot examples, so that both show the same ones."""

Progress = Callable[[str, int, int], None]


def key_of(target: Target, name: str, settings: Settings) -> str:
    """The key of a task's results: with an equal key no second evaluation is needed."""
    options = [settings.limit, settings.num_fewshot, settings.chat_template]
    return digest([target.identity, tasks.identity(name), options])


def evaluate(
    target: Target,
    model: LanguageModel,
    name: str,
    settings: Settings,
    *,
    answers: Path | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> list[BenchmarkRecord]:
    """Measure one task (or group of tasks), keep everything, and return its rows.

    `answers` is the folder of cached answers; None disables the cache. `batch` bounds the rows that generate
    at once.

    Raises:
        ConfigError: an unknown task, data that cannot be read, or a model without a chat template
            when one is requested.
    """
    clock = time.monotonic()
    lm = language_model(target, model, answers=answers, batch=batch, progress=progress)
    if settings.chat_template and not lm.tokenizer.chat_template:
        raise ConfigError(f"'{target.model}' has no chat template", remedy="omit --chat-template")
    shots, targets = OwnShots(SEED), GradedTargets()
    with _quiet():
        results = _run(lm, name, settings, shots, targets)
    for sentence in filter(None, (shots.sentence(name), targets.sentence(name))):
        log.warning(sentence)
    samples = {task: [_as_file(row) for row in rows] for task, rows in results.pop("samples").items()}
    key = key_of(target, name, settings)
    about = _about(target, settings, lm) | {"total_evaluation_time_seconds": str(time.monotonic() - clock)}
    results = _plain(results | about | {"task_hashes": _hashes(samples)})
    file = result_files.save(target.folder, key, tasks.label(name), results, samples)
    rows = result_files.rows_of(results, _common(target, settings, key, file))
    if target.run is None:
        write_json(target.folder / "model.json", target.head())
    result_files.append(target.folder, rows)
    return rows


def language_model(
    target: Target,
    model: LanguageModel,
    *,
    answers: Path | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> EngineLM:
    """The loaded model as an `lm_eval.api.model.LM`. Imports lm-eval."""
    from harness.benchmarks.completion_chat import raw
    from harness.benchmarks.lm_eval_model import Answering, EngineLM
    from harness.benchmarks.loglikelihood_cache import RememberingEngine
    from harness.engines.answer_cache import CachedEngine
    from harness.engines.engine_for import local
    from harness.models.architecture import DECODER, of

    kind = of(model.network.config)
    if kind is not DECODER:
        raise ConfigError(
            f"benchmarks ask decoders; '{target.model}' is an {kind.name}", remedy="name another model"
        )
    plain, chat = raw(model)
    engine = local(plain, batch)
    asked: Answering = engine
    if answers is not None:
        identity = digest([target.identity, "benchmarks"])
        asked = RememberingEngine(CachedEngine(engine, answers, identity), answers, identity)
    return EngineLM(asked, chat, model.context - len(chat.lead), progress)


def _run(
    lm: EngineLM, name: str, settings: Settings, shots: OwnShots, targets: GradedTargets
) -> dict[str, Any]:
    import numpy
    import torch
    from lm_eval.evaluator import evaluate as lm_evaluate

    random.seed(0)
    numpy.random.seed(SEED)
    torch.manual_seed(SEED)
    loaded = tasks.load([name])
    for task in loaded["tasks"].values():
        fixed = task.get_config("num_fewshot")
        if fixed is None or (settings.num_fewshot is not None and fixed != 0):
            task.set_config(key="num_fewshot", value=settings.num_fewshot or 0)
        task.set_fewshot_seed(seed=SEED)
        shots.watch(task)
        targets.watch(task)
    output = lm_evaluate(
        lm=lm,
        task_dict=loaded,
        limit=settings.limit,
        apply_chat_template=settings.chat_template,
        fewshot_as_multiturn=settings.chat_template,
    )
    return dict(output or {})


def _common(target: Target, settings: Settings, key: str, file: Path) -> Mapping[str, object]:
    return {
        "key": key,
        "folder": file.name,
        "model": target.model,
        "fingerprint": target.fingerprint,
        "base": target.recipe.base.config(),
        "example_limit": settings.limit,
        "chat_template": settings.chat_template,
        "source": "harness",
        "measured_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _about(target: Target, settings: Settings, lm: EngineLM) -> dict[str, object]:
    import importlib.metadata

    return {
        "config": {
            "model": "harness",
            "model_args": {"pretrained": target.name, "fingerprint": target.fingerprint},
            "limit": settings.limit,
            "bootstrap_iters": 100000,
            "random_seed": 0,
            "numpy_seed": SEED,
            "torch_seed": SEED,
            "fewshot_seed": SEED,
        },
        "date": time.time(),
        "transformers_version": importlib.metadata.version("transformers"),
        "lm_eval_version": importlib.metadata.version("lm_eval"),
        "max_length": lm.max_length,
        "eot_token_id": lm.eot_token_id,
        "model_source": "harness",
        "model_name": target.name,
        "chat_template": lm.tokenizer.chat_template if settings.chat_template else None,
    }


def _as_file(sample: Mapping[str, Any]) -> JsonLine:
    """A sample as lm-eval writes it to a file: flat arguments, and responses as texts."""
    from lm_eval.utils import sanitize_list

    arguments = {
        f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(argument)}
        for i, argument in enumerate(sample["arguments"])
    }
    return dict(
        _plain(
            dict(sample)
            | {
                "arguments": arguments,
                "resps": sanitize_list(sample["resps"]),
                "filtered_resps": sanitize_list(sample["filtered_resps"]),
                "target": str(sample["target"]),
            }
        )
    )


def _hashes(samples: Mapping[str, list[JsonLine]]) -> dict[str, str]:
    """One hash per task of all documents, prompts and targets, computed as lm-eval does."""
    from lm_eval.utils import hash_string

    parts = ("doc_hash", "prompt_hash", "target_hash")
    return {
        task: hash_string("".join(row[part] for row in rows for part in parts))
        for task, rows in samples.items()
    }


def _plain(value: object) -> Any:
    """Plain JSON values, converted by lm-eval's own rule."""
    from lm_eval.utils import handle_non_serializable

    return json.loads(json.dumps(value, default=handle_non_serializable))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and log messages of libraries, and keep their output off stdout."""
    from datasets.utils import logging as bars

    bars.disable_progress_bar()
    hidden = io.StringIO()
    try:
        with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
            yield
    finally:
        bars.enable_progress_bar()
