"""Measure a GPU and fill the table of docs/gpu.md: `make gpu`, ten minutes at most.

    python -m docs.gpu                                      # the bundled model
    python -m docs.gpu --model meta-llama/Llama-3.1-8B-Instruct

The tests of `tests/gpu`, loading, six methods with their parity checks and memory against the estimate, and tokens a second
beside `transformers.generate` and, where it is installed, vLLM. What fails is written as such; the rest is measured all the
same. What is at work when the time is over is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request

PAGE = Path(__file__).with_name("gpu.md")
BEGIN, END = "<!-- gpu: made by make gpu -->", "<!-- end of gpu -->"
METHODS = ("zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full")
TASK = "handbook_qa"
SETTINGS = ("weights.num_train_epochs=1", "weights.dev_examples=8")
LIMIT, LABELS = 40, 40
ROWS, ANSWER = 32, 128
_LONGEST_TIMER = 1e6
SECONDS = 600.0
"""After which what is at work is stopped, and nothing more is begun."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    what: str
    result: str
    beside: str = ""


class TimeIsOver(BaseException):
    """Raised in what is at work at the deadline; a run that fails would be recorded and gone on from."""


@contextlib.contextmanager
def stopped_at(deadline: float) -> Iterator[None]:
    """Inside the `with` block `TimeIsOver` is raised when `time.monotonic()` reaches `deadline`."""

    def stop(*_: object) -> None:
        raise TimeIsOver

    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeIsOver
    handler = signal.signal(signal.SIGALRM, stop)
    others, _ = signal.setitimer(signal.ITIMER_REAL, min(left, _LONGEST_TIMER))
    began = time.monotonic()
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, others - time.monotonic() + began) if others else 0)


def measure(model: str, task: str, limit: int, rows: int, answer: int) -> Iterator[Line]:
    """Every line, in the order of their cost."""
    from harness.models.layers.out_of_memory import release

    deadline = time.monotonic() + SECONDS
    steps: list[tuple[str, Callable[[], Line]]] = [
        ("tests", _tests),
        ("load", lambda: _loading(model)),
        *((name, lambda name=name: _method(model, task, name, limit)) for name in METHODS),  # type: ignore[misc]
        ("tokens a second", lambda: _speed(model, rows, answer)),
        ("vLLM", lambda: _vllm(model, rows, answer)),
    ]
    for what, step in steps:
        try:
            with stopped_at(deadline):
                line = step()
        except TimeIsOver:
            line = Line(what=what, result=f"not measured: {SECONDS / 60:.0f} minutes were over")
        except Exception as error:  # a fault in one line leaves the others
            first = (str(error).strip().splitlines() or [""])[0]
            line = Line(what=what, result=f"failed: {type(error).__name__}: {first[:160]}")
        release()  # the next line, and vLLM's process, find the card as empty as it was
        yield line


def _tests() -> Line:
    """The tests that need a device, in a process of their own: what they leave on the card goes with it."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-rs", "tests/gpu"]
    done = subprocess.run(words, cwd=PAGE.parents[1], capture_output=True, text=True, check=False)
    last = (done.stdout.strip().splitlines() or [done.stderr.strip()[-160:]])[-1]
    return Line(what="tests", result=last if done.returncode == 0 else f"failed: {last}")


def _loading(spec: str) -> Line:
    import torch

    from harness.core.kinds import build
    from harness.estimate import memory
    from harness.models.dimensions import shape
    from harness.models.load import load
    from harness.models.number_format import dtype_of

    clock = time.monotonic()
    model = load(spec)
    dtype = str(dtype_of(model.network)).removeprefix("torch.")
    estimated = memory.weights(shape(spec), build("base", "plain"), dtype)
    return Line(
        what="load",
        result=f"{time.monotonic() - clock:.1f} s, {_gib(torch.cuda.memory_allocated())} in {dtype}",
        beside=f"{_gib(estimated)} estimated",
    )


def _method(model: str, task: str, recipe: str, limit: int) -> Line:
    from harness.runner.cells import plan
    from harness.runner.progress import Progress
    from harness.runner.runner import run
    from harness.workflows import run as session
    from harness.workflows.options.run import RunOptions

    settings = SETTINGS if recipe in ("lora", "qlora", "full") else ()
    options = RunOptions(
        task,
        model=(model,),
        recipes=(recipe,),
        limit=limit,
        labels=(LABELS,) if settings else (),
        settings=settings,
    )
    with tempfile.TemporaryDirectory() as results:
        cells = plan(session.experiment(options))
        record = run(cells, Path(results), progress=Progress()).records[0]
    if record.status != "done":
        return Line(what=recipe, result=f"failed: {record.error}")
    raw = record.raw
    checks = [str(check["check"]) for check in raw["parity"] if not check["ok"]]
    parity = f"parity failed: {', '.join(checks)}" if checks else f"{len(raw['parity'])} parity checks passed"
    return Line(
        what=recipe,
        result=f"{record.seconds:.0f} s, peak {_gib(raw['peak_device_bytes'])}"
        + (f", {parity}" if settings else ""),
        beside=f"peak {_gib(raw['predicted_peak_bytes'])} predicted" if raw["predicted_peak_bytes"] else "",
    )


def _speed(spec: str, rows: int, answer: int) -> Line:
    from harness.models.load import load

    model = load(spec)
    ours, theirs = (_rate(run, model, rows, answer) for run in (_engine, _generate))
    return Line(
        what=f"tokens a second, {rows} rows",
        result=f"{ours:.0f}",
        beside=f"{theirs:.0f} by transformers.generate ({ours / theirs:.2f} times as fast)",
    )


def _rate(
    run: Callable[[LanguageModel, Sequence[Request]], int], model: LanguageModel, rows: int, answer: int
) -> float:
    """Generated tokens a second, after a first run that warms up."""
    import torch

    run(model, _requests(2, 4))
    torch.cuda.synchronize()
    clock = time.monotonic()
    tokens = run(model, _requests(rows, answer))
    torch.cuda.synchronize()
    return tokens / (time.monotonic() - clock)


def _requests(rows: int, answer: int) -> list[Request]:
    texts = [f"Write a long story about the number {i}." for i in range(rows)]
    return [Request(id=text, messages=(Message("user", text),), max_new_tokens=answer) for text in texts]


def _engine(model: LanguageModel, asked: Sequence[Request]) -> int:
    from harness.engines.engine_for import local

    return sum(len(completion.token_ids) for _, completion in local(model).generate(asked))


def _generate(model: LanguageModel, asked: Sequence[Request]) -> int:
    import torch

    prompts = [model.chat.encode(request.messages) for request in asked]
    longest = max(map(len, prompts))
    device = model.network.device
    ids = torch.tensor([[0] * (longest - len(one)) + one for one in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts], device=device)
    with torch.no_grad():
        whole = model.network.generate(
            ids, attention_mask=mask, max_new_tokens=asked[0].max_new_tokens, do_sample=False, pad_token_id=0
        )
    ends = torch.tensor(sorted(model.chat.eos_ids), device=device)
    ended = torch.isin(whole[:, longest:], ends).cumsum(1)
    # Tokens after the first that ends an answer are padding.
    return int((ended - torch.isin(whole[:, longest:], ends).long() == 0).sum())


_VLLM = """
import json, sys, time
from vllm import LLM, SamplingParams
spec, texts, tokens = json.loads(sys.argv[1])
llm = LLM(spec, gpu_memory_utilization=0.5)
settings = SamplingParams(temperature=0, max_tokens=tokens)
chats = [[{"role": "user", "content": text}] for text in texts]
llm.chat(chats[:2], settings)
clock = time.monotonic()
done = llm.chat(chats, settings)
print(json.dumps(sum(len(one.outputs[0].token_ids) for one in done) / (time.monotonic() - clock)))
"""


def _vllm(spec: str, rows: int, answer: int) -> Line:
    """In a process of its own, which vLLM takes a share of the card for."""
    from harness.models.source import resolve

    if importlib.util.find_spec("vllm") is None:
        return Line(what="tokens a second of vLLM", result="not measured: vLLM is not installed")
    texts = [request.id for request in _requests(rows, answer)]
    words = [sys.executable, "-c", _VLLM, json.dumps([str(resolve(spec)), texts, answer])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return Line(what="tokens a second of vLLM", result=f"{float(done.stdout.splitlines()[-1]):.0f}")


def _gib(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"


def table(model: str, lines: Sequence[Line]) -> str:
    """The lines as Markdown, with what was measured where."""
    import torch

    device = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    rows = [f"| {line.what} | {line.result} | {line.beside} |" for line in lines]
    head = f"`{model}` on {device}, {date.today().isoformat()}:"
    return "\n".join([head, "", "| measured | result | beside |", "|---|---|---|", *rows])


def main(words: Sequence[str] | None = None) -> int:
    import torch

    parser = argparse.ArgumentParser(description="Measure this machine's GPU and fill docs/gpu.md.")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--task", default=TASK)
    parser.add_argument("--limit", type=int, default=LIMIT, help="test examples of each method")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows generated at once")
    parser.add_argument("--answer", type=int, default=ANSWER, help="tokens of each")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args(words)
    if not torch.cuda.is_available():
        print("no CUDA device on this machine: nothing is measured, and the page stays as it is")
        return 0
    lines = []
    for line in measure(chosen.model, chosen.task, chosen.limit, chosen.rows, chosen.answer):
        print(f"{line.what}: {line.result} {line.beside}".rstrip(), flush=True)
        lines.append(line)
    before, rest = chosen.page.read_text(encoding="utf-8").split(BEGIN)
    text = f"{before}{BEGIN}\n{table(chosen.model, lines)}\n{END}{rest.split(END)[1]}"
    chosen.page.write_text(text, encoding="utf-8")
    return int(any(line.result.startswith("failed") for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
