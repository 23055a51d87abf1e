"""The command that fills the tables of docs/methods.md, from runs of which some are missing."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

from tests.report_data import make

DOCS = Path(__file__).parents[2] / "docs"


def test_rows_that_were_run_show_and_the_others_say_so(tmp_path: Path) -> None:
    folders = make(tmp_path, examples=8, seeds=1)
    for folder in folders:
        if folder.name.startswith("handbook_qa"):
            shutil.rmtree(folder)
    page = tmp_path / "methods.md"
    page.write_text((DOCS / "methods.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = page.read_text(encoding="utf-8")
    runpy.run_path(str(DOCS / "methods_table.py"))["main"](tmp_path, page)
    text = page.read_text(encoding="utf-8")
    part = text.split("<!-- support_tickets -->")[1].split("<!-- end of support_tickets -->")[0]
    rows = {line.split("|")[1].strip(): line for line in part.splitlines() if line.startswith("| ")}
    assert "not run" in rows["dora"]
    assert "not run" not in rows["lora"]
    assert "GiB" in rows["lora"]
    assert len({line.count("|") for line in rows.values()}) == 1
    # A task without any run, and everything else on the page, stays as it was.
    assert text.split("<!-- handbook_qa -->")[1] == before.split("<!-- handbook_qa -->")[1]
    assert text.split("<!-- support_tickets -->")[0] == before.split("<!-- support_tickets -->")[0]
