"""The verdict and its table outside a page: Markdown for a pull request, JSON, CSV."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.core import formatting
from harness.core.errors import ConfigError
from harness.core.files import draft
from harness.core.secrets import masked
from harness.core.text import cell_text, code_span, visible
from harness.core.text import markdown as escape
from harness.evidence.provisional_text import ALONE_LEGEND, starred
from harness.evidence.verdict_types import Cost, RecipeSummary, Verdict
from harness.results.run_labels import BESIDE, IMPORTED

FORMATS = ("html", "md", "json", "csv")
_COLUMNS = (
    *("task", "model", "primary", "recipe", "seeds", "n", "mean", "low", "high", "seed_sd"),
    *(
        "valid_strict",
        "valid_extracted",
        "difference_from_best",
        "difference_low",
        "difference_high",
        "p_holm",
    ),
    *("train_seconds", "answer_seconds", "prompt_tokens", "output_tokens", "trainable_parameters"),
    *("peak_memory_bytes", "bytes_to_ship", "latency_p50", "latency_p95"),
)


_AGAINST = ("difference_from_best", "difference_low", "difference_high", "p_holm")


def parse(text: str) -> tuple[str, ...]:
    """Comma-separated formats.

    Raises:
        ConfigError: one that is not known.
    """
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in kinds:
        if name not in FORMATS:
            raise ConfigError(f"unknown format '{name}'", remedy=f"known: {', '.join(FORMATS)}")
    return kinds or ("html",)


Diagnoses = Mapping[tuple[str, str], Sequence[str]]
"""(task, model) → sentences about how its runs trained (`harness.results.run_scores.diagnoses`)."""


def write(verdicts: Sequence[Verdict], kind: str, out: Path, diagnoses: Diagnoses | None = None) -> Path:
    """Write `md`, `json` or `csv` to `out`; Markdown includes the training diagnoses.

    Raises:
        ConfigError: `out` cannot be written.
    """
    plain = {"json": as_json, "csv": as_csv}
    text = plain[kind](verdicts) if kind in plain else markdown(verdicts, diagnoses)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with draft(out) as part:
            part.write_text(masked(text), encoding="utf-8", newline="")
    except OSError as error:
        remedy = "choose another file for the report"
        raise ConfigError(f"cannot be written: {error.strerror}", file=out, remedy=remedy) from None
    return out


def subjects(verdicts: Iterable[Verdict], kind: str) -> frozenset[str]:
    """What a file of this kind says that its verdicts are about: tasks with models, or imported systems."""
    plain = escape if kind == "md" else str
    rows = [(v.task, v.model, recipe) for v in verdicts for recipe in ("", *(s.recipe for s in _shown(v)))]
    return frozenset(_subject(*map(plain, row)) for row in rows)


def subjects_in(file: Path, kind: str) -> frozenset[str]:
    """The same, read from a file; nothing where it is not one that `write` made."""
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if kind == "md":
            return frozenset(_subjects_in_markdown(text))
        if kind == "csv":
            rows = [(row["task"], row["model"], row["recipe"]) for row in csv.DictReader(io.StringIO(text))]
        else:
            verdicts = json.loads(text or "{}")["verdicts"]
            rows = [(v["task"], v["model"], s["recipe"]) for v in verdicts for s in v["summaries"]]
        return frozenset(itertools.starmap(_subject, rows))
    except (OSError, ValueError, LookupError, TypeError, csv.Error, RecursionError):
        return frozenset()


def _subject(task: str, model: str, recipe: str) -> str:
    return f"{task} · {model}" if model not in (IMPORTED, BESIDE) else f"{task} · {recipe}"


def _subjects_in_markdown(text: str) -> Iterator[str]:
    task = model = ""
    below_head = False
    if not text.startswith("## "):
        return
    for line in text.splitlines():
        if line.startswith("## "):
            task, _, model = line.removeprefix("## ").rpartition(" · ")
            if model not in (IMPORTED, BESIDE):
                yield _subject(task, model, "")
        elif line.startswith("|---"):
            below_head = True
        elif not line.startswith("| "):
            below_head = False
        elif below_head and model in (IMPORTED, BESIDE):
            yield _subject(task, model, line.split(" | ")[0].removeprefix("| ").strip("*"))


def as_json(verdicts: Sequence[Verdict]) -> str:
    """`{verdicts: [...]}`, each as `harness run --json` prints it."""
    return (
        json.dumps({"verdicts": [verdict.to_json() for verdict in verdicts]}, ensure_ascii=False, indent=1)
        + "\n"
    )


def as_csv(verdicts: Sequence[Verdict]) -> str:
    """One line per task, model and recipe; scores in [0, 1], seconds, bytes; empty: not measured."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for verdict in verdicts:
        shared = {"task": verdict.task, "model": verdict.model, "primary": verdict.primary}
        for summary in verdict.summaries:
            plain = summary.to_json()
            against = dict(zip(_AGAINST, _against(verdict, summary), strict=True))
            row = {**shared, **plain, **_measured_cost(summary), **against}
            writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return stream.getvalue()


def _csv_cell(value: object) -> object:
    """A cell that has no power over the terminal or CI log that shows the file, nor over a spreadsheet."""
    return cell_text(visible(value) if isinstance(value, str) else value)


def _measured_cost(summary: RecipeSummary) -> Mapping[str, object]:
    """Empty if nothing was measured, as of a log that another tool wrote."""
    return asdict(summary.cost) if summary.cost != Cost() else {}


def _against(verdict: Verdict, summary: RecipeSummary) -> tuple[float | None, ...]:
    """This recipe minus the best, its interval and p after Holm; nothing for the best itself."""
    pair = None if verdict.best is None else verdict.comparison(summary.recipe, verdict.best)
    if pair is None:
        return None, None, None, None
    sign = 1 if pair.recipe == summary.recipe else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    return sign * pair.difference, low, high, pair.p_holm


def markdown(verdicts: Sequence[Verdict], diagnoses: Diagnoses | None = None) -> str:
    """A heading, the sentence, the table, the reasons and the training of each verdict."""
    known = diagnoses or {}
    return "\n".join(_one(verdict, known.get((verdict.task, verdict.model), ())) for verdict in verdicts)


def _one(verdict: Verdict, diagnosis: Sequence[str]) -> str:
    lines = [
        _heading(verdict.task, verdict.model),
        "",
        f"**{escape(verdict.sentence)}**",
        "",
        *(f"{escape(note)}\n" for note in verdict.notes),
    ]
    if verdict.summaries:
        heads = (
            verdict.compared,
            escape(verdict.primary),
            "95 % interval, all together",
            "n",
            "seeds",
            "valid",
            "minus best",
            "train",
            "answer",
        )
        lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(_cells(verdict, summary))} |" for summary in _shown(verdict)]
        lines.append("")
        if any(_star(verdict, summary) for summary in verdict.summaries):
            lines += [escape(ALONE_LEGEND), ""]
    lines += [f"- {escape(reason)}" for reason in verdict.reasons]
    if diagnosis:
        lines += ["", "Training:", "", *(f"- {escape(sentence)}" for sentence in diagnosis)]
    if verdict.next_step:
        lines += ["", f"Next: {code_span(verdict.next_step)}", ""]
        lines += [f"- {escape(line)}" for line in verdict.evidence]
    return "\n".join(lines) + "\n"


def _shown(verdict: Verdict) -> list[RecipeSummary]:
    return [*verdict.summaries, *([verdict.constant] if verdict.constant else [])]


def _heading(task: str, model: str) -> str:
    return f"## {escape(task)} · {escape(model)}"


def _cells(verdict: Verdict, summary: RecipeSummary) -> list[str]:
    name = escape(summary.recipe)
    difference, low, high, _ = _against(verdict, summary)
    against = "best" if summary.recipe == verdict.best else ""
    if difference is not None:
        ends = f"[{formatting.signed(low)}, {formatting.signed(high)}]"
        against = f"{formatting.signed(difference)} {ends}{escape(_star(verdict, summary))}"
    return [
        f"**{name}**" if summary.recipe == verdict.recommended else name,
        formatting.score(summary.mean),
        f"{formatting.score(summary.low)} – {formatting.score(summary.high)}",
        str(summary.n),
        str(summary.seeds),
        formatting.percent(summary.valid_extracted),
        "best"
        if difference is None and summary.recipe == verdict.best
        else against
        if difference is not None
        else "",
        *(
            formatting.seconds(value) if summary.cost != Cost() else formatting.NONE
            for value in (summary.cost.train_seconds, summary.cost.answer_seconds)
        ),
    ]


def _star(verdict: Verdict, summary: RecipeSummary) -> str:
    pair = None if verdict.best is None else verdict.comparison(summary.recipe, verdict.best)
    return "" if pair is None else starred(pair)
