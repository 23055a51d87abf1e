"""What every section of the report owes: an order and a title of its own, None for nothing, and safe markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markupsafe import Markup

from harness.report.build import Section, discover
from harness.report.data import ReportData, load
from tests.report_data import make, read_samples, rewrite_samples

SECTIONS = dict(discover())
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(params=SECTIONS)
def section(request: pytest.FixtureRequest) -> Section:
    return SECTIONS[request.param]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """Three small tasks' runs whose answers are markup."""
    folder = tmp_path_factory.mktemp("results")
    runs = make(folder, examples=8, seeds=1)
    for run in runs:
        rewrite_samples(run, [row | {"output": HOSTILE} for row in read_samples(run)])
    return load(folder, [run.name for run in runs])


def test_it_has_a_place_and_a_title(section: Section) -> None:
    assert isinstance(section.ORDER, int)
    assert section.TITLE.strip()


def test_no_two_sections_have_one_title() -> None:
    assert len({section.TITLE for section in SECTIONS.values()}) == len(SECTIONS)


def test_it_has_nothing_to_say_of_no_runs(section: Section, data: ReportData) -> None:
    empty = replace(data, groups=())
    info = section.collect(empty)
    assert info is None or isinstance(section.render(info), Markup)


def test_what_it_renders_is_markup_in_which_answers_are_text(section: Section, data: ReportData) -> None:
    info = section.collect(data)
    if info is None:
        pytest.skip("these runs give it nothing to say")
    body = section.render(info)
    assert isinstance(body, Markup), (
        "render returns Markup, made with harness.report.html: a str is not escaped"
    )
    assert "<img src=x" not in body
    assert not re.search(r"\b(src|href)=[\"']?https?:", body)
    assert section.render(section.collect(data)) == body
