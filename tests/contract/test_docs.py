"""Every link, path, make target, command and option that the documentation names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from harness import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w/.-])((?:harness|tests|docs)/[\w./-]*\w)")
COMMAND = re.compile(r"(?:`|\$ |bin/| {4})harness (db [a-z]+|[a-z]+)\b([^`\n#]*)")
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]+)")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@cache
def options() -> dict[str, frozenset[str]]:
    """Each command, a subcommand as `group name`, with its options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", typer.Typer())
        cli.register()
        group = typer.main.get_command(cli.app)
    commands: dict[str, frozenset[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        subcommands = getattr(command, "commands", {})
        for path, leaf in {
            name: command,
            **{f"{name} {sub}": each for sub, each in subcommands.items()},
        }.items():
            opts = {opt for param in leaf.params for opt in (*param.opts, *param.secondary_opts)}
            commands[path] = frozenset(opts | {"--help"})
    return commands


def unknown_commands(text: str) -> Iterator[str]:
    for name, rest in COMMAND.findall(text):
        if name not in options():
            yield name
        else:
            yield from (f"{name} {opt}" for opt in OPTION.findall(rest) if opt not in options()[name])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_repository_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    to_be_written = re.findall(r"^`(\S+)`\n\n```python$", text, re.MULTILINE)
    paths = set(PATH.findall(text)) - set(to_be_written)
    assert [
        path for path in sorted(paths) if not (ROOT / path).exists() and not [*ROOT.glob(f"{path}*")]
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    assert list(unknown_commands(text)) == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets


def test_an_unknown_command_and_an_unknown_option_are_noticed() -> None:
    assert list(unknown_commands("`harness runn` and `harness run TASK --sedes 3`")) == [
        "runn",
        "run --sedes",
    ]


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[here](#a-title) [gone](gone.md) [wrong](#other)\n", encoding="utf-8")
    assert list(broken_links(page)) == ["gone.md", "#other"]
