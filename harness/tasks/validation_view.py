"""An inspection for people (rich) and for scripts (plain JSON values)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.core.terminal import line
from harness.tasks.label_checks import Labels
from harness.tasks.validation_report import Inspection, Shown

COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
SHOWN_LABELS = 15


def as_json(inspection: Inspection) -> dict[str, object]:
    """The inspection as one JSON object."""
    task = inspection.task
    return {
        "task": task.name,
        "version": task.version,
        "folder": str(task.folder),
        "data_hash": task.data_hash,
        "usable": inspection.usable,
        "measured": dict(inspection.measured),
        "splits": {split: len(part) for split, part in task.splits.items()},
        "corpus": len(task.corpus),
        "format": task.format.config(),
        "scorers": [scorer.name() for scorer in task.scorers],
        "primary": task.primary,
        "unit": inspection.measure.unit,
        "measured_with": inspection.measure.model,
        "lengths": {
            split: {part: None if lengths is None else asdict(lengths) for part, lengths in parts.items()}
            for split, parts in inspection.lengths.items()
        },
        "labels": None if inspection.labels is None else asdict(inspection.labels),
        "example": None if inspection.example is None else inspection.example.as_json(),
        "problems": [asdict(problem) for problem in inspection.problems],
    }


def show(inspection: Inspection, console: Console) -> None:
    """Print the inspection."""
    for part in _parts(inspection):
        console.print(part)


def _parts(inspection: Inspection) -> Iterable[RenderableType]:
    task = inspection.task
    yield Text.assemble((task.name, "bold"), f" version {task.version} · {task.folder}")
    scorers = ", ".join(scorer.name() for scorer in task.scorers)
    yield Text(f"format {task.format.name()} · scorers {scorers} · primary {task.primary}")
    if task.corpus:
        yield Text(f"corpus of {len(task.corpus)} documents")
    if inspection.example is not None:
        yield _example(inspection.example)
    yield _lengths(inspection)
    if inspection.labels is not None:
        yield _labels(inspection.labels)
    for problem in inspection.problems:
        ids = f" [{', '.join(problem.ids)}]" if problem.ids else ""
        head = (f"{problem.level} ", COLOURS[problem.level])
        yield Text.assemble(head, (f"{problem.check}: ", "bold"), line(problem.message), line(ids, "dim"))
    yield (
        Text("usable", "bold green") if inspection.usable else Text("not usable: fix the errors", "bold red")
    )


def _example(example: Shown) -> RenderableType:
    """The messages of one example, or the exact text and ids that a given model sees."""
    turns = example.messages[:-1]
    if example.prompt:
        ids = " ".join(str(i) for i in example.token_ids[:12])
        more = " …" if len(example.token_ids) > 12 else ""
        parts: list[RenderableType] = [
            Panel(
                Text(example.prompt),
                title=Text(f"prompt, {len(example.token_ids)} tokens"),
                title_align="left",
            ),
            Text(f"token ids: {ids}{more}", "dim"),
        ]
    else:
        titles = [
            "instructions (system)" if m.role == "system" else f"earlier turn ({m.role})" for m in turns
        ]
        parts = [
            Panel(Text(m.content), title=Text(title), title_align="left")
            for m, title in zip(example.messages, [*titles, "input (user)"], strict=True)
        ]
    answer = Panel(Text(example.target), title="target (the answer to give)", title_align="left")
    return Group(line(f"example {example.id}", "bold"), *parts, answer)


def _lengths(inspection: Inspection) -> RenderableType:
    measure = inspection.measure
    with_model = f" of {measure.model}" if measure.chat is not None else ""
    title = f"splits; lengths in {measure.unit}{with_model}"
    if measure.chat is None:
        title += f" ({measure.why})"
    if any(count < len(inspection.task.splits[split]) for split, count in inspection.measured.items()):
        title += "; of large splits a sample and the longest"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("split")
    for name in ("rows", "of", "min", "median", "p95", "max"):
        table.add_column(name, justify="left" if name == "of" else "right")
    for split, parts in inspection.lengths.items():
        rows = f"{len(inspection.task.splits[split]):,}"
        for part, lengths in parts.items():
            first = (split, rows) if part == "prompt" else ("", "")
            numbers = (lengths.min, lengths.median, lengths.p95, lengths.max) if lengths else ("–",) * 4
            table.add_row(*first, part, *(n if isinstance(n, str) else f"{n:g}" for n in numbers))
    return table


def _labels(labels: Labels) -> RenderableType:
    table = Table(title="labels", title_justify="left", title_style="bold")
    table.add_column("label")
    for split in labels.counts:
        table.add_column(split, justify="right")
    order = sorted(labels.totals, key=lambda label: (-labels.totals[label], label))
    for label in order[:SHOWN_LABELS]:
        table.add_row(line(label), *(str(counts.get(label, 0)) for counts in labels.counts.values()))
    more = f"… and {len(order) - SHOWN_LABELS} more labels. " if len(order) > SHOWN_LABELS else ""
    text = f"{more}Always saying '{labels.majority}' scores {labels.baseline:.1%} on test."
    return Group(table, line(text))
