"""`harness init`: a task folder from a data file or a hub data set."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.core.secrets import beginning
from harness.core.terminal import say, say_json

if TYPE_CHECKING:
    from harness.tasks.columns import Column
    from harness.tasks.validation_report import Shown

LONGEST = 300
"""Characters of a message that are shown."""


def init(
    data: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV, JSON(L), Parquet or .xlsx file; a folder or .zip with train and test files or with a "
            "folder of texts per label; or a hub data set."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="The task's name. Default: from the data.")] = None,
    into: Annotated[Path, typer.Option(help="Where task folders are kept.")] = Path("tasks"),
    target: Annotated[
        str | None, typer.Option(help="Column with the answer, or a path into it: answers.text.0.")
    ] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", help="Input column (repeatable). Default: guessed.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column whose equal rows belong together, such as a customer.")
    ] = None,
    context_ids: Annotated[
        str | None, typer.Option(help="Column with the ids of the documents that hold the answer.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="What retrieval reads: a folder of .md and .txt, or a .jsonl file.")
    ] = None,
    instructions: Annotated[
        str | None, typer.Option(help="What every prompt starts with (Jinja2). Default: from the format.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="text, choice, number, json_schema … Default: guessed.")
    ] = None,
    primary: Annotated[str | None, typer.Option(help="The scorer that decides. Default: guessed.")] = None,
    limit_rows: Annotated[
        int | None, typer.Option(min=1, help="Use only so many rows of each file, evenly spaced.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of a text file, such as latin-1.")] = "utf-8",
    sheet: Annotated[str | None, typer.Option(help="Sheet of an .xlsx workbook.")] = None,
    train_size: Annotated[
        int | None, typer.Option(min=1, help="Rows for train. Default: all others, at most 2,000.")
    ] = None,
    dev_size: Annotated[
        int | None, typer.Option(min=1, help="Rows for dev. Default: a tenth, at most 200.")
    ] = None,
    test_size: Annotated[
        int | None, typer.Option(min=1, help="Rows for test. Default: a fifth, at most 500.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """Make a task folder from data: guesses columns, format and scorers, and says what it guessed.

    Splits are seeded and stratified by label; rows with the same input stay on one side. Files or hub
    splits named train, dev (validation) and test are kept apart as they are.

    Examples:

      harness init tickets.csv --target category

      harness init questions.jsonl --name faq --test-size 200

      harness init faq.csv --corpus manuals/ --context-ids page --group customer
    """
    from harness.tasks.init import Wish
    from harness.tasks.init import init as make
    from harness.workflows.first_run import first_run

    sizes = {"train": train_size, "dev": dev_size, "test": test_size}
    wish = Wish(
        name=name,
        target=target,
        inputs=tuple(input_ or ()),
        group=group,
        context_ids=context_ids,
        corpus=corpus,
        instructions=instructions,
        format=format_,
        primary=primary,
        limit_rows=limit_rows,
        encoding=encoding,
        sheet=sheet,
        sizes={split: size for split, size in sizes.items() if size is not None},
        seed=seed,
        force=force,
    )
    made = make(data, into, wish)
    if json:
        say_json(made.as_json())
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in made.sizes.items())
    say(f"wrote {made.folder / 'task.yaml'}: {counts}")
    if name is None:
        say(f"  name: {made.name}, after the data; for another: --name NAME")
    for line in (*_table(made.columns), *made.guesses):
        say(f"  {line}")
    if sum(column.role == "input" for column in made.columns) > 1:
        say("  to leave one of the inputs out, name the others: --input COLUMN --input COLUMN")
    for line in _rendered(made.example, made.handle):
        say(f"  {line}")
    first = first_run(made.prompt_size, made.sizes["train"], made.sizes["test"])
    look, whole = first.command(made.handle), shlex.join(["harness", "run", made.handle])
    # Whoever made it before has had a first look, and may have answers to more examples.
    following = whole if made.again else look
    say(f"  a first look takes {first.duration}{'' if following == look else f': {look}'}")
    say(f"next: {following}")


def _rendered(example: Shown | None, handle: str) -> list[str]:
    """One example of the task `handle` as a model will see it, a line for each message."""
    if example is None:
        return []
    messages = [(message.role, message.content) for message in example.messages]
    texts = ((role, " ⏎ ".join(text.splitlines())) for role, text in [*messages, ("target", example.target)])
    lines = (f"  {role}: {beginning(text, LONGEST)}" for role, text in texts)
    whole = shlex.join(["harness", "validate", handle])
    return [f"example {example.id}, as a model sees it (in full: {whole}):", *lines]


def _table(columns: Sequence[Column]) -> list[str]:
    """What becomes of each column, aligned."""
    rows = (
        [("column", "becomes", "because"), *((c.name, c.role, c.reason) for c in columns)] if columns else []
    )
    first = max((len(name) for name, _, _ in rows), default=0)
    return [f"{name:<{first}}  {role:<12}  {reason}".rstrip() for name, role, reason in rows]
