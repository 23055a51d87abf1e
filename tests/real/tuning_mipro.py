"""DSPy's MIPROv2 and the prompt arm of `--tune`, side by side: the same task, model, server and number of calls.

In an environment of its own, with DSPy beside this package (`pip install . dspy`), against any OpenAI-compatible server:

    python -m tests.real.tuning_mipro support_tickets --server openai:NAME@URL --out OUT [--trials 12] [--limit 80]

The prompt arm runs first. MIPROv2 then gets as many candidates and full evaluations on the same dev examples as make about
as many calls; both are scored on the same test examples by the task's own scorer. It prints scores and calls, those of the
proposals and of the bootstrapping among them, and those on test not. The key of the server, where it needs one, is in
HARNESS_API_KEY.

A small model writes no field markers, and DSPy's adapters raise an error for an answer without them. Here such an answer is
the one field that was asked for, so that MIPROv2 loses no answer that the prompt arm's parser would read.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.core.protocols import Task
from harness.core.values import Example, Parsed
from harness.results.folder import ResultsFolder
from harness.results.lines import samples
from harness.results.trials import read as read_trials
from harness.tasks.load import load
from harness.tasks.sampling import sample
from harness.tasks.templates import render
from harness.workflows import run
from harness.workflows.options.run import RunOptions


@dataclass(frozen=True)
class Side:
    """One way to find a prompt: its score on test, on dev, and how often the server was asked to find it."""

    name: str
    dev: float
    test: float
    calls: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task")
    parser.add_argument("--server", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--limit", type=int, default=80, help="dev and test examples")
    given = parser.parse_args()
    task = load(given.task)
    given.out.mkdir(parents=True, exist_ok=True)
    os.chdir(given.out)
    ours = tuned(task, given)
    theirs = optimized(task, given, calls=ours.calls)
    print("| | dev | test | calls to find it |\n|---|---|---|---|")
    for side in (ours, theirs):
        print(f"| {side.name} | {side.dev:.3f} | {side.test:.3f} | {side.calls} |")


def tuned(task: Task, given: argparse.Namespace) -> Side:
    """The prompt arm. Its calls are the rows that its runs on dev and train asked for, and its proposals."""
    options = RunOptions(
        given.task,
        tune=given.trials,
        model=given.server,
        recipes="prompt_opt",
        limit=given.limit,
    )
    done = run.from_options(options)
    assert done is not None
    assert done.tuning is not None
    (arm,) = done.tuning.arms
    folder = ResultsFolder(Path("results"))
    asked = sum(
        len(samples(run_folder / "samples.jsonl"))
        for run_folder in folder.run_folders()
        if (head := folder.run(run_folder.name).head()) is not None and head.split != "test"
    )
    proposals = len(
        {
            row.params["program.instructions"]
            for row in read_trials(Path("results"))
            if row.study == arm.study and str(row.params.get("program.instructions")).startswith("proposed")
        }
    )
    assert arm.dev.tuned is not None
    assert arm.test.tuned is not None
    return Side("harness, prompt arm", arm.dev.tuned.mean, arm.test.tuned.mean, asked + proposals)


def optimized(task: Task, given: argparse.Namespace, *, calls: int) -> Side:
    """MIPROv2 over one `dspy.Predict` with the task's instructions."""
    import dspy

    calls_of = _counted(dspy)
    model, proposer = (_model(calls_of, given.server, tokens) for tokens in (task.max_new_tokens + 40, 300))
    dspy.configure(lm=model, adapter=_whole_text(dspy))
    train, dev, test = (
        [_row(dspy, task, example) for example in sample(task.splits[split], size)]
        for split, size in (("train", 100), ("dev", given.limit), ("test", given.limit))
    )
    signature = dspy.Signature(
        "question -> answer", render(task.instructions, dict(task.splits["train"][0].input))
    )
    known = {example.id: example for split in task.splits.values() for example in split}
    evaluations = max(calls // max(len(dev), 1) - 1, 1)

    def metric(gold: Any, answer: Any, trace: object = None) -> float:
        value = score(task, known[gold.id], str(answer.answer or ""))
        return value if trace is None else float(value >= 1.0)

    optimizer = dspy.MIPROv2(
        metric=metric,
        prompt_model=proposer,
        task_model=model,
        auto=None,
        num_candidates=max(evaluations // 2, 2),
        num_threads=1,
    )
    program = optimizer.compile(
        dspy.Predict(signature), trainset=train, valset=dev, num_trials=evaluations, minibatch=False
    )
    asked = calls_of.calls
    (predictor,) = program.predictors()
    print(f"MIPROv2 chose {len(predictor.demos)} demonstrations and: {predictor.signature.instructions}")
    scores = [_mean(program, metric, part) for part in (dev, test)]
    return Side("DSPy MIPROv2", scores[0], scores[1], asked)


def _counted(dspy: Any) -> Any:
    """A `dspy.LM` that counts its requests, those of its copies among them."""

    class Counted(dspy.LM):  # type: ignore[misc]  # dspy is not installed where types are checked
        calls = 0

        def forward(self, *positional: Any, **named: Any) -> Any:
            Counted.calls += 1
            return super().forward(*positional, **named)

    return Counted


def _model(kind: Any, server: str, max_tokens: int) -> Any:
    name, _, url = server.removeprefix("openai:").partition("@")
    return kind(
        f"openai/{name}",
        api_base=url,
        api_key=os.environ.get("HARNESS_API_KEY", "none"),
        max_tokens=max_tokens,
        temperature=0.0,
        cache=False,
    )


def _whole_text(dspy: Any) -> Any:
    """DSPy's default adapter, but an answer without field markers is the only field that was asked for."""
    from dspy.utils.exceptions import AdapterParseError

    class WholeText(dspy.ChatAdapter):  # type: ignore[misc]  # as above
        def parse(self, signature: Any, completion: str) -> dict[str, Any]:
            try:
                parsed: dict[str, Any] = super().parse(signature, completion)
            except AdapterParseError:
                if len(signature.output_fields) != 1:
                    raise
                return dict.fromkeys(signature.output_fields, completion.split("[[ ##")[0].strip())
            return parsed

    return WholeText(use_json_adapter_fallback=False)


def _row(dspy: Any, task: Task, example: Example) -> Any:
    answer = task.format.render(example.target)
    row = dspy.Example(id=example.id, question=render(task.input, dict(example.input)), answer=answer)
    return row.with_inputs("question")


def _mean(program: Any, metric: Any, rows: Sequence[Any]) -> float:
    return fmean(metric(row, program(question=row.question)) for row in rows)


def score(task: Task, example: Example, text: str) -> float:
    """The task's primary score of an answer; an answer that cannot be read is wrong, as in a run."""
    scorer = next(one for one in task.scorers if one.name() == task.primary)
    value = task.format.read(text).extracted
    return scorer.score(value.value, example.target, example)[0] if isinstance(value, Parsed) else 0.0


if __name__ == "__main__":
    main()
