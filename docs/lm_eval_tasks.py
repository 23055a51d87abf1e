"""How many of lm-eval's shipped tasks our engine can be asked, and why not the others; a block of docs/benchmarks.md.

    python -m docs.lm_eval_tasks         # from the repository's root, without a network

Every task file of the output types `generate_until` and `multiple_choice` is loaded as lm-eval loads it, with what it
includes and the functions that it names. Its documents are on a hub and are not loaded: each task is asked one made-up
question with its own generation settings, and a fake model answers. Tasks whose data lies on this machine would be
loaded whole; lm-eval ships none.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.values import Completion, Request

PAGE = Path(__file__).with_name("benchmarks.md")
BEGIN, END = "<!-- tasks: made by python -m docs.lm_eval_tasks -->", "<!-- end of tasks -->"
KINDS = ("generate_until", "multiple_choice")
LONGEST = 100
"""Characters of a reason."""
SHOWN = 12
"""Reasons that are listed; the others are counted together."""


class Silent:
    """A model that says nothing, at once."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for position, _ in enumerate(requests):
            yield position, Completion(text="", tokens_in=1, tokens_out=0, finish_reason="stop", seconds=0.0)

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        return [(-1.0, False) for _ in pairs]


def task_files() -> list[Path]:
    """lm-eval's own task files, by path."""
    import lm_eval.tasks

    return sorted(Path(str(lm_eval.tasks.__file__)).parent.rglob("*.yaml"))


def loaded(file: Path) -> Mapping[str, Any] | None:
    """A task's configuration; None for a file that defines no single task of these kinds."""
    from lm_eval.tasks._yaml_loader import load_yaml

    if not re.search(r"(?m)^task:[ \t]*[\"']?[\w.-]+", file.read_text(encoding="utf-8")):
        return None
    config = load_yaml(file, resolve_func=False)
    if not isinstance(config.get("task"), str) or config.get("output_type", "generate_until") not in KINDS:
        return None
    whole: Mapping[str, Any] = load_yaml(file, resolve_func=True)
    return whole


def asked(model: Any, config: Mapping[str, Any]) -> str:
    """Ask a task's made-up question; returns its output type."""
    from lm_eval.api.instance import Instance

    kind = str(config.get("output_type", "generate_until"))
    if kind == "multiple_choice":
        pairs = [("Question: how many?\nAnswer:", f" {word}") for word in ("one", "two")]
        model.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in pairs])
        return kind
    delimiter = config.get("fewshot_delimiter") or "\n\n"
    settings = config.get("generation_kwargs") or {"until": [delimiter], "do_sample": False}
    model.generate_until(
        [Instance("generate_until", {}, ("Question: how many?\nAnswer:", dict(settings)), 0)]
    )
    return kind


def counted() -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Tasks by output type, those that were asked, and why the others were not."""
    model = _model()
    tasks: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for file in task_files():
        kind, config = _kind_as_text(file), None
        try:
            config = loaded(file)
            if config is None:
                continue
            kind = str(config.get("output_type", "generate_until"))
            tasks[kind] += 1
            answered[asked(model, config)] += 1
        except (Exception, SystemExit) as error:
            if config is None:
                tasks[kind] += 1
            reasons[_reason(error)] += 1
    return tasks, answered, reasons


def _kind_as_text(file: Path) -> str:
    """The output type of a file that may not load."""
    return (
        "multiple_choice" if "output_type: multiple_choice" in file.read_text(encoding="utf-8") else KINDS[0]
    )


def _model() -> Any:
    from harness.benchmarks.completion_chat import raw
    from harness.benchmarks.lm_eval_model import EngineLM
    from harness.benchmarks.subject import load, of_model

    _, chat = raw(load(of_model(Path("results"), "tiny")))
    return EngineLM(Silent(), chat, 1_000_000)


def _reason(error: Exception) -> str:
    """Its first line, without what differs from task to task."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = re.sub(r"(/[^\s'\"]+)+/", "", line)
    line = re.sub(r"\d{3,}", "N", line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} …"


def block() -> str:
    """The counts and reasons as Markdown."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        tasks, answered, reasons = counted()
    lines = ["| output type | task files | asked |", "|---|---|---|"]
    lines += [f"| `{kind}` | {tasks[kind]:,} | {answered[kind]:,} |" for kind in KINDS]
    lines += ["", "Not asked, and why:" if reasons else "Every one was asked."]
    lines += (
        ["", *(f"- {count:,}: {_quoted(reason)}" for reason, count in reasons.most_common(SHOWN))]
        if reasons
        else []
    )
    rest = sum(count for _, count in reasons.most_common()[SHOWN:])
    return "\n".join([*lines, f"- {rest:,}: other reasons"] if rest else lines)


def _quoted(reason: str) -> str:
    return f"`{reason.replace('`', '')}`"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{block()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
