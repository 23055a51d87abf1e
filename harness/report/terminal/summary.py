"""The verdict on a terminal: the sentence first, then the table that supports it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rich.table import Table
from rich.text import Text

from harness.core import formatting, terminal
from harness.core.terminal import line
from harness.evidence.provisional_text import ALONE_LEGEND, starred
from harness.evidence.triage import Triage
from harness.evidence.verdict_text import legend
from harness.evidence.verdict_types import RecipeSummary, Verdict
from harness.report.badges import tone
from harness.results.run_labels import IMPORTED

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "winner": "bold green",
    "tie": "bold cyan",
    "no_difference": "bold cyan",
    "inconclusive": "bold yellow",
    "nothing_works": "bold red",
}
"""By `badges.tone`."""


def print_verdict(verdict: Verdict, console: Console | None = None) -> None:
    """Print one verdict to stdout (or to `console`)."""
    # A log is as wide as its longest line; only a terminal wraps.
    console = console or terminal.console(soft_wrap=False, width=None if sys.stdout.isatty() else 120)
    console.print()
    seeds = "1 seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds"
    about = f"{verdict.task} · {verdict.model} · {verdict.n} examples · {seeds}"
    console.print(line(about, "dim"))
    console.print(line(verdict.sentence, STYLES.get(tone(verdict), "bold")))
    for note in verdict.notes:
        console.print(line(note))
    console.print()
    console.print(_table(verdict))
    if verdict.summaries:
        console.print(Text(legend(verdict.compared), style="dim"))
    if any(_difference(verdict, row.recipe).endswith("*") for row in verdict.summaries):
        console.print(Text(ALONE_LEGEND, style="dim"))
    for reason in verdict.reasons:
        console.print(line(f"  · {reason}"))
    if verdict.next_step:
        console.print()
        # One line whatever the width: it is meant to be pasted.
        console.print(Text.assemble(("next: ", "bold"), line(verdict.next_step)), soft_wrap=True)
        for evidence in verdict.evidence:
            console.print(line(f"  · {evidence}", "dim"))
    console.print()


def _table(verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = (f"{verdict.primary} [95 %]", "valid", "against best", "train", "answer", "memory")
    rows = [_cells(verdict, row) for row in verdict.summaries]
    kept = [column for column in range(len(names)) if _is_shown(verdict, names[column], rows, column + 1)]
    table.add_column(verdict.compared, no_wrap=True)
    for column in kept:
        table.add_column(names[column], justify="right", no_wrap=True)
    for row, cells in zip(verdict.summaries, rows, strict=True):
        style = "bold" if row.recipe == verdict.recommended else ""
        table.add_row(line(cells[0]), *(cells[column + 1] for column in kept), style=style)
    if verdict.constant is not None:
        floor = verdict.constant
        table.add_row(line(floor.recipe), _score(floor), *[""] * (len(kept) - 1), style="dim")
    return table


def _is_shown(verdict: Verdict, name: str, rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column is shown. What other tools' answers cost is not known, and only we check which are valid."""
    if verdict.compared == "recipe":
        return True
    return any(row[column] not in ("", "–") for row in rows) and not (
        name == "valid" and verdict.model == IMPORTED
    )


def _cells(verdict: Verdict, row: RecipeSummary) -> list[str]:
    cost = row.cost
    memory = "" if cost.peak_memory_bytes is None else formatting.size(cost.peak_memory_bytes)
    return [
        _name(verdict, row),
        _score(row),
        f"{row.valid_extracted:.0%}",
        _difference(verdict, row.recipe),
        f"{cost.train_seconds:.0f} s" if cost.train_seconds else "–",
        f"{cost.answer_seconds:.2f} s" if cost.answer_seconds else "–",
        memory,
    ]


def _score(row: RecipeSummary) -> str:
    low, high = formatting.decimal(row.low, 2), formatting.decimal(row.high, 2)
    return f"{formatting.decimal(row.mean)} [{low} {high}]"


def _name(verdict: Verdict, row: RecipeSummary) -> str:
    """The recipe, marked if it is recommended, with its number of examples if that differs from the others'."""
    fewer = "" if row.n == max(summary.n for summary in verdict.summaries) else f" (n={row.n})"
    return row.recipe + fewer + (" ←" if row.recipe == verdict.recommended else "")


def _difference(verdict: Verdict, recipe: str) -> str:
    """This recipe minus the best one, with its interval, and a star where that covers these runs only; the first of
    several that score the same is not best."""
    if verdict.best is None or recipe == verdict.best:
        means = [row.mean for row in verdict.summaries if not row.oracle]
        return "best" if means.count(max(means)) == 1 else "level"
    pair = verdict.comparison(recipe, verdict.best)
    if pair is None:
        return ""
    sign = 1 if pair.recipe == recipe else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    ends = f"[{formatting.signed_decimal(low, 2)} {formatting.signed_decimal(high, 2)}]"
    return f"{formatting.signed_decimal(sign * pair.difference)} {ends}{starred(pair)}"


class Diagnosed(Protocol):
    """A triage with its task and model, and the next step."""

    @property
    def task(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def triage(self) -> Triage: ...
    @property
    def next_step(self) -> str: ...
    @property
    def evidence(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def asked(self) -> str: ...


def print_triage(diagnosis: Diagnosed, console: Console | None = None) -> None:
    """Print a triage: the sentence, the shares as bars, what each method is predicted to bring, and the
    command to run next."""
    console = console or terminal.console(soft_wrap=False, width=None if sys.stdout.isatty() else 120)
    triage = diagnosis.triage
    console.print()
    console.print(line(f"{diagnosis.task} · {diagnosis.model} · {diagnosis.asked}", "dim"))
    console.print(line(triage.sentence, "bold"))
    for note in diagnosis.notes:
        console.print(line(note))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("gap", "share of the lost score", "", "95 % interval"):
        table.add_column(name)
    for share in triage.shares:
        if not share.measured:
            table.add_row(share.gap, "not measured", "", "")
            continue
        bar = "█" * round(30 * share.share)
        ends = f"{formatting.percent(share.low)} … {formatting.percent(share.high)}"
        table.add_row(share.gap, formatting.percent(share.share), bar, ends)
    console.print(table)
    for prediction in triage.predictions:
        style = "green" if prediction.worth else "dim" if prediction.certain else "yellow"
        names = ", ".join(prediction.recipes)
        console.print(
            Text.assemble(
                ("  ", ""), (f"{prediction.words:13}", style), (names, "bold"), f": {prediction.because}"
            )
        )
    console.print(Text.assemble(("next: ", "bold"), line(diagnosis.next_step)), soft_wrap=True)
    for evidence in diagnosis.evidence:
        console.print(line(f"  · {evidence}", "dim"))
    console.print()


def print_estimate(estimate: Mapping[str, Any]) -> None:
    """The textbook figures, and each method's terms if a model was named."""
    console, rule = terminal.console(), estimate["textbook"]
    console.print(f"{formatting.count(estimate['parameters'])} parameters")
    figures = ", ".join(
        f"{name[:-3].replace('_', ' ')} {rule[name]:g} GB" for name in rule if name.endswith("_gb")
    )
    console.print(f"textbook, full finetuning: {figures} (training without activations)")
    if "methods" not in estimate:
        console.print("LoRA and QLoRA depend on the shape: name a model or a config.json")
        return
    methods = estimate["methods"]
    table = Table("GB", *methods)
    for name in ("weights", "gradients", "masters", "optimizer", "activations", "cache", "total"):
        table.add_row(name, *(f"{terms[f'{name}_gb']:.3g}" for terms in methods.values()))
    trained = (formatting.count(terms["trainable_parameters"]) for terms in methods.values())
    table.add_row("trainable parameters", *trained)
    console.print(table)
    for note in estimate.get("notes", ()):
        console.print(note, highlight=False, soft_wrap=True)
    for recipe, fit in estimate.get("fits", {}).items():
        line = f"{estimate['gpu_gib']:g} GiB: {recipe} {fit['summary']}"
        console.print(line, highlight=False, soft_wrap=True)
