"""What reports and terminals call the systems of other tools' logs: they have no recipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit

_UNSEEN = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_RECIPE = re.compile(r".{0,40}\brecipes?\b.{0,40}", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path) -> ImportResult:
    return from_options(ImportOptions(files=files))


def page(done: ImportResult) -> str:
    """The report without its scripts and styles."""
    assert done.report is not None
    return _UNSEEN.sub("", done.report.read_text("utf-8"))


def printed(*words: str) -> str:
    cli.register()
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_report_of_models_calls_them_models_and_names_no_recipe() -> None:
    a = kit.lm_eval(Path("a"), "org/a", [1.0] * 40)
    b = kit.lm_eval(Path("b"), "org/b", [0.0] * 20 + [1.0] * 20)
    html = page(imported(a, b))
    assert ">Models</h2>" in html
    assert "Models compared" in html
    assert "Each line: model minus reference" in html
    assert _RECIPE.findall(html) == []
    text = printed("import", "a", "b")
    assert re.search(r"^model\s+exact_match", text, re.MULTILINE)
    assert _RECIPE.findall(text) == []
    assert printed("report", "--format", "md").count("wrote") == 1
    [markdown] = Path("reports").glob("*.md")
    assert "| model | exact\\_match |" in markdown.read_text("utf-8")


def test_what_another_tool_does_not_measure_is_not_shown_as_zero() -> None:
    a = kit.lm_eval(Path("a"), "org/a", [1.0] * 40)
    b = kit.lm_eval(Path("b"), "org/b", [0.0] * 20 + [1.0] * 20)
    html = page(imported(a, b))
    table = html[html.index('<section id="matrix"') : html.index('<section id="differences"')]
    assert "against best" in table
    for column in ("train", "trained", "to ship", "tokens in", "s / answer", "main failure", "valid, strict"):
        assert column not in table
    assert 'id="cost"' not in html
    first = next(line for line in printed("import", "a", "b").splitlines() if line.startswith("model "))
    assert first.split() == ["model", "exact_match", "[95", "%]", "against", "best"]


def test_where_a_prompt_or_settings_tell_them_apart_they_are_systems() -> None:
    rows = [
        kit.promptfoo_result(word, prompt=prompt, index=index, success=right, score=int(right))
        for index, (prompt, right) in enumerate((("short", True), ("a recipe of words", False)))
        for word in "abcdefgh"
    ]
    html = page(imported(kit.promptfoo(Path("words.json"), rows)))
    assert ">Systems</h2>" in html
    assert set(_RECIPE.findall(html.replace("a recipe of words", ""))) == set()
    assert "echo · a recipe of words" in html, "the name of a system stays as it is"


@pytest.mark.parametrize(("values", "words"), [
    ([[0.0] * 6, [0.0] * 6], "Nothing works yet. No model scores above 0 on 6 examples."),
    ([[1.0] * 6], "Nothing to compare: a verdict needs two models that answered the same examples."),
])  # fmt: skip
def test_verdicts_without_a_winner_say_model_too(values: list[list[float]], words: str) -> None:
    logs = [kit.lm_eval(Path(f"m{n}"), f"org/{n}", given) for n, given in enumerate(values)]
    done = imported(*logs)
    assert [verdict.sentence for verdict in done.verdicts] == [words]
    assert _RECIPE.findall(page(done)) == []


def test_a_system_called_recipe_keeps_its_name_in_the_sentences() -> None:
    logs = [
        kit.lm_eval(Path(name), f"my recipe {name}", [0.25] * 4 + [0.5] * 4, metric="f1") for name in "ab"
    ]
    [verdict] = imported(*logs).verdicts
    text = " ".join((verdict.sentence, *verdict.notes, *verdict.reasons))
    assert "my recipe a" in text
    assert "my model" not in text


def test_where_a_system_answered_more_than_is_compared_the_two_orders_are_explained_between_them() -> None:
    rows = ["id,model,score"]
    for number in range(40):
        rows.append(f"q{number},a,{int(number % 3 > 0)}")
        rows += [f"q{number},b,{int(number % 4 > 0)}"] if number < 20 else []
    Path("scores.csv").write_text("\n".join(rows) + "\n", "utf-8")
    text = printed("import", "scores.csv", "--task", "cups")
    above, _, below = text.partition(
        "note: cups: above, each score is over all that the system answered; below, "
    )
    assert "over 40" in above
    assert below.startswith("over the 20 examples that all of them answered")
    assert "Can't tell" in below


def test_the_badge_of_what_cannot_be_told_says_so() -> None:
    logs = [
        kit.lm_eval(Path(name), name, values * 10) for name, values in (("a", [1.0, 0.0]), ("b", [0.0, 1.0]))
    ]
    done = imported(*logs)
    assert done.verdicts[0].families.badge == "Can't tell"
    assert "Models compared" not in page(done)
