"""The report's parts: the contract of sections, the first screen, scales, the cap on answers."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from harness.core import formatting
from harness.report import badges, build, sections
from harness.report.data import ReportData, load, with_verdicts
from harness.report.html import page, svg
from harness.report.sections import cost, examples, failures, fields, matrix, trend, verdict
from harness.results.run_scores import verdicts
from tests.report_data import make, read_samples, rewrite_samples


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    results = tmp_path_factory.mktemp("results")
    return loaded(results, make(results, examples=30, seeds=2, labels=(25, 100)))


def loaded(results: Path, folders: list[Path]) -> ReportData:
    return with_verdicts(load(results, [folder.name for folder in folders]), "a title", verdicts(folders))


def test_every_file_in_sections_is_a_section(data: ReportData) -> None:
    result = build.discover()
    files = {path.stem for path in Path(sections.__path__[0]).glob("*.py")} - {"__init__"}
    assert {name for name, _ in result} == files
    orders = [section.ORDER for _, section in result]
    assert orders == sorted(set(orders))
    for name, section in result:
        assert section.TITLE, name
        info = section.collect(data)
        if info is not None:
            assert section.render(info).strip(), name


def test_sections_with_nothing_to_say_are_left_out() -> None:
    empty = ReportData(title="", groups=())
    sentences = [name for name, section in build.discover() if section.collect(empty) is not None]
    assert sentences == ["verdict", "provenance"]
    assert "nothing to decide" in build.render(empty)


def test_verdict_comes_first_with_its_sentence_certainty_cost_and_next_step(data: ReportData) -> None:
    text = build.render(data)
    first = text[: text.index('<section id="matrix"')]
    for group in data.groups:
        assert group.verdict is not None
        for words in (group.verdict.sentence, *group.verdict.reasons, group.verdict.next_step):
            assert str(page.html("{{ words }}", words=words[1:])) in first
        for words in group.verdict.notes:
            assert str(page.html("{{ words }}", words=words[1:])) in first
        least = group.verdict.minimum_detectable_difference
        claimed = [abs(c.difference) for c in group.verdict.comparisons if c.outcome in ("better", "worse")]
        shown = f"smallest detectable difference</dt><dd>{formatting.score(least)}" in first
        assert shown == (least is not None and least <= min(claimed, default=1.0)), (
            "never above one that was claimed"
        )
        assert f"What {group.verdict.recommended} costs" in first


def test_a_recipes_name_keeps_its_spelling_where_it_begins_a_line(data: ReportData) -> None:
    group = next(group for group in data.groups if "lora (n=100)" in group.recipes)
    assert group.verdict is not None
    names = dict.fromkeys([*group.recipes, "few_shot", "lora"])
    lines = [f"{name}{then}" for name in names for then in (" beats full", ", which is cheaper", ": 3")]
    decided = dataclasses.replace(
        group.verdict,
        sentence=lines[0],
        notes=tuple(lines),
        reasons=tuple(lines),
        evidence=(*lines, "lorax is ours"),
    )
    text = verdict.render(verdict.Info((dataclasses.replace(group, verdict=decided),)))
    for line in lines:
        assert text.count(str(page.html(">{{ line }}<", line=line))) == 3 + (line == lines[0])
    assert ">Lorax is ours<" in text


@pytest.mark.parametrize(
    ("state", "kind", "tone"),
    [
        ("ahead", "winner", "winner"),
        ("ahead", "inconclusive", "winner"),
        ("level", "winner", "winner"),
        ("level", "tie", "tie"),
        ("open", "inconclusive", "inconclusive"),
        ("open", "no_difference", "no_difference"),
        ("only", "winner", "winner"),
        ("only", "inconclusive", "inconclusive"),
        ("nothing_works", "nothing_works", "nothing_works"),
        ("nothing_to_compare", "nothing_to_compare", "nothing_to_compare"),
    ],
)
def test_the_badge_is_the_state_of_the_families(data: ReportData, state: str, kind: str, tone: str) -> None:
    group = data.groups[0]
    assert group.verdict is not None
    families = dataclasses.replace(group.verdict.families, state=state, badge="A state", claims=())
    changed = dataclasses.replace(group.verdict, kind=kind, families=families)
    text = verdict.render(verdict.Info((dataclasses.replace(group, verdict=changed),)))
    assert f'class="verdict {tone}"' in text
    assert '<span class="badge">A state</span>' in text


def test_a_provisional_lead_is_marked_as_such(data: ReportData) -> None:
    decision = next(g.verdict for g in data.groups if g.verdict and g.verdict.families.claims)
    claims = tuple(
        dataclasses.replace(claim, outcome="ahead", provisional=True) for claim in decision.families.claims
    )
    families = dataclasses.replace(decision.families, state="ahead", claims=claims, badge="Finetune")
    changed = dataclasses.replace(decision, families=families)
    assert (badges.badge(changed), badges.tone(changed)) == ("Finetune, provisional", "inconclusive")


def test_matrix_shows_the_verdicts_own_numbers(data: ReportData) -> None:
    info = matrix.collect(data)
    assert info is not None
    for (_, table, _), group in zip(info.tables, data.groups, strict=True):
        assert group.verdict is not None
        shown = {str(row[0].text): (row[1].sort, row[1].note) for row in table.rows}
        for summary in group.verdict.summaries:
            low, high = formatting.score(summary.low), formatting.score(summary.high)
            assert shown[summary.recipe] == (summary.mean, f"{low} – {high}")
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_difference_in_the_matrix_is_mean_minus_best_mean(data: ReportData) -> None:
    """With no example left out, the paired difference is the difference of the means."""
    group = next(g for g in data.groups if g.task == "support_tickets")
    assert group.verdict is not None
    info = matrix.collect(dataclasses.replace(data, groups=(group,)))
    assert info is not None
    means = {s.recipe: s.mean for s in group.verdict.summaries}
    for row in info.tables[0][1].rows:
        recipe, difference = str(row[0].text), row[2].sort
        if recipe != "zero_shot" and row[2].text != "best":
            assert difference == pytest.approx(means[recipe] - means[str(group.verdict.best)], abs=1e-9)


def test_the_fields_section_counts_every_field_of_every_answer(data: ReportData) -> None:
    info = fields.collect(data)
    assert info is not None
    (shown_group,) = info.groups  # the other task's targets are plain text
    assert shown_group.group.task == "support_tickets"
    assert shown_group.right.names == ("area", "order.id", "order.refund", "sentiment", "urgency")
    for recipe in shown_group.right.recipes:
        rows = [row for run in shown_group.group.of(recipe) for row in run.rows if row.answered]
        right = [row.target["area"] == (row.extracted.value or {}).get("area") for row in rows]
        share = shown_group.right.shares["area"][recipe]
        assert share.mean == pytest.approx(sum(right) / len(right))
        assert share.low <= share.mean <= share.high
    text = str(fields.render(info))
    assert f"What {shown_group.recipe} gets wrong" in text
    assert all(name in text for name in shown_group.right.names)


def test_the_constant_answer_is_a_row_of_its_own(data: ReportData) -> None:
    group = data.groups[0]
    assert group.verdict is not None
    floor = dataclasses.replace(group.verdict.summaries[0], recipe="constant answer", mean=0.125)
    changed = dataclasses.replace(group, verdict=dataclasses.replace(group.verdict, constant=floor))
    info = matrix.collect(dataclasses.replace(data, groups=(changed,)))
    assert info is not None
    ((_, table, _),) = info.tables
    assert (table.rows[-1][0].text, table.rows[-1][1].text) == ("constant answer", "12.5")
    assert "constant answer" in verdict.render(verdict.Info((changed,)))


def test_failure_bars_count_every_answer_once(data: ReportData) -> None:
    info = failures.collect(data)
    assert info is not None
    for _, bars, modes in info.groups:
        for bar in bars:
            assert bar.total == len(bar.run.rows) == 30
            assert set(bar.counts) <= {*modes, failures.RIGHT_ANSWER}


def point(name: str, mean: float, price: float, *, oracle: bool = False) -> cost.Point:
    return cost.Point(recipe=name, oracle=oracle, mean=mean, low=mean, high=mean, cost=price)


def test_frontier_has_what_nothing_cheaper_matches() -> None:
    points = [
        point("cheap", 0.2, 1),
        point("dominated", 0.1, 5),
        point("level", 0.2, 3),
        point("dear", 0.9, 9),
        point("gold", 1.0, 2, oracle=True),
    ]
    assert [point.recipe for point in cost.frontier(points)] == ["cheap", "dear"]


@pytest.mark.parametrize(
    "scale", [svg.Scale(0, 1, 0, 100), svg.Scale(-0.37, 0.12, 10, 500), svg.Scale(0.2, 900, 0, 9, log=True)]
)
def test_scales_map_their_ends_and_tick_inside(scale: svg.Scale) -> None:
    assert scale(scale.low) == pytest.approx(scale.start)
    assert scale(scale.high) == pytest.approx(scale.end)
    assert len(scale.ticks()) >= 2
    assert all(scale.low - 1e-9 <= tick <= scale.high + 1e-9 for tick in scale.ticks())


def test_pictures_have_a_text_alternative_and_their_numbers(data: ReportData) -> None:
    text = build.render(data)
    plots = re.findall(r'<svg [^>]*role="(?:img|group)"[^>]*>', text)
    assert len(plots) > 10
    assert all(re.search(r'aria-label="[^"]{20,}"', plot) for plot in plots)
    assert text.count('<div class="draw">') == text.count('data-copy="csv"') == len(plots)


def test_names_beside_a_drawing_are_not_cut_off(data: ReportData) -> None:
    """A run's name with labels and seed needs more room than that of a recipe."""
    bars = [
        failures.Bar(run, "a_recipe_of_mine (n=100) · seed 1", {"right": 3})
        for run in data.groups[0].runs[:2]
    ]
    drawn = failures._drawing(bars, ())
    places = re.findall(r'<text x="([\d.]+)"[^>]*class="label"', drawn)
    assert len(places) == 2
    # In the report's font letters are less than 6 wide on average.
    assert all(float(x) > 6 * len(bars[0].name) for x in places)


def test_answers_past_the_cap_are_left_out_in_the_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = make(tmp_path, examples=8, seeds=1)[:2]
    rows = read_samples(folders[0])
    rows[3]["output"] = "y" * 50_000
    rewrite_samples(folders[0], rows)
    monkeypatch.setattr(examples, "CAP", 40_000)
    info = examples.collect(loaded(tmp_path, folders))
    assert info is not None
    assert info.left_out.startswith("1 of 16 answers is not in this file")
    kept = [len(json.loads(content)["answers"]) for _, content in info.blocks]
    assert sorted(kept) == [7, 8]
    assert "1 of 16 answers is not in this file" in examples.render(info)


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert page.visible("a\x00\x1b\ud800\u202eb\tc\n") == "a␀␛\ufffd⟦U+202E⟧b\tc\n"


@pytest.mark.parametrize("text", ["</script>", "<!--", "a & b", "\u2028\u2029", "\ud800", "NUL \x00", '"\\'])
def test_embedded_json_is_read_back_and_has_no_markup(text: str) -> None:
    result = str(page.embedded_json({"k": text, "n": float("nan")}))
    assert not set("<>&\u2028\u2029") & set(result)
    assert result.encode()
    assert json.loads(result) == {"k": text.replace("\ud800", "\ufffd"), "n": None}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.score(0.8134), "81.3"), (formatting.signed(-0.004), "-0.4"), (formatting.signed(None), "–"),
        (formatting.seconds(0.0314), "31 ms"), (formatting.seconds(90), "90 s"), (formatting.seconds(400), "6.7 min"),
        (formatting.size(3 * 2**29), "1.50 GiB"), (formatting.count(4_884_480), "4.9 M"), (formatting.count(1204), "1,204"),
    ],
)  # fmt: skip
def test_numbers_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected


def test_trend_shows_each_recipe_under_each_model(tmp_path: Path) -> None:
    data = loaded(tmp_path, make(tmp_path, examples=12, seeds=1, models=("small", "large")))
    info = trend.collect(data)
    assert info is not None
    assert [result.task for result in info.trends] == ["support_tickets", "handbook_qa"]
    for result in info.trends:
        assert set(result.models) == {"small", "large"}
        assert set(result.recipes) == {"zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full"}
        for group in data.groups:
            if group.task == result.task and group.verdict is not None:
                means = {s.recipe: s.mean for s in group.verdict.summaries}
                assert {name: row[group.model].mean for name, row in result.recipes.items()} == means
    text = str(trend.render(info))
    assert text.count('class="mark') == 2 * (2 + 1) * 6  # under two models, and beside its name
    assert (
        trend.collect(loaded(tmp_path, [p for p in (tmp_path / "runs").iterdir() if "small" in p.name]))
        is None
    )


def test_answers_past_the_cap_are_in_the_file_beside_and_nowhere_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = make(tmp_path, examples=20, seeds=1)[:2]
    out = tmp_path / "page.html"
    beside = tmp_path / "page.samples.jsonl"

    def written(cap: int) -> str:
        monkeypatch.setattr(examples, "CAP", cap)
        ids = [folder.name for folder in folders]
        build.build(tmp_path, out, run_ids=ids, verdicts=verdicts(folders), title="a title")
        return out.read_text(encoding="utf-8")

    text = written(20_000)
    left = [json.loads(line) for line in beside.read_text(encoding="utf-8").splitlines()]
    blocks = re.findall(r'id="answers-\d+">(.*?)</script>', text)
    inside = [answer["id"] for block in blocks for answer in json.loads(block)["answers"]]
    assert 0 < len(left) < 40
    assert len(inside) + len(left) == 40
    assert f"{len(left)} of 40 answers are not in this file" in text
    assert "page.samples.jsonl, beside this file" in text
    rows = {(folder.name, row["sample_id"]): row for folder in folders for row in read_samples(folder)}
    for answer in left:
        row = rows[answer["run"], answer["id"]]
        assert (answer["output"], answer["prompt"]) == (row["output"], row["prompt"])
        assert [p["text"] for p in answer["passages"]] == [p["text"] for p in row["passages"]]
    assert len(out.read_bytes()) < 20_000 + len(written(0).encode()) + 5_000
    assert "answers are not in this file" not in written(10**9)
    assert not beside.exists()
