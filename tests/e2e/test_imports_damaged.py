"""Logs with wrong values in any field: each is read for what it is, or refused by name with what to do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.results.database import ingest
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit

HALF = "\ud800"
"""Half a character: no file can hold it."""
WRONG = (None, -1, [{"a": HALF}], {})
Step = str | int


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, verdict: bool = False, results: str = "results") -> ImportResult:
    return from_options(ImportOptions(files=files, verdict=verdict, results=results))


def attempted(*files: Path) -> ImportResult | ConfigError:
    """What an import gives, or why it is refused."""
    try:
        return imported(*files)
    except ConfigError as error:
        return error


def fields(value: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where the values of a JSON value are, those inside others included."""
    parts: list[tuple[Step, object]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value[:1]))
    for step, item in parts:
        yield (*path, step)
        yield from fields(item, (*path, step))


def changed(text: str, path: tuple[Step, ...], value: object) -> str:
    """JSON text with another value in a field."""
    whole = parent = json.loads(text)
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return json.dumps(whole)


def test_a_wrong_value_in_a_line_of_lm_eval_unpairs_its_example_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "sync", lambda *_: ingest.Ingested(0, ()))
    kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0])
    kit.lm_eval(Path("b"), "b", [0.0, 1.0, 1.0])
    samples = next(Path("a").glob("samples_*"))
    first, *others = samples.read_text("utf-8").splitlines()
    asks = {("target",), ("arguments",), ("arguments", "gen_args_0"), ("arguments", "gen_args_0", "arg_0")}
    scores = {("exact_match",), ("filter",)}
    for path in fields(json.loads(first)):
        for value in WRONG:
            samples.write_text("\n".join([changed(first, path, value), *others, ""]), "utf-8")
            done = attempted(Path("a"), Path("b"))
            if isinstance(done, ConfigError):
                assert path in scores, (path, value)
                assert "average to" in done.message or "are not scores" in done.message
            else:
                assert path not in scores, (path, value)
                (pairing,) = done.pairings
                assert (pairing.paired, pairing.of) == (3 - (path in asks), 3), (path, value)


TOOLS: dict[str, Callable[[], Path]] = {
    "lm-eval": lambda: kit.lm_eval(Path("a"), "a", [1.0, 0.0]),
    "Inspect": lambda: kit.inspect_json(Path("i.json"), "a", kit.inspect_rows(["C", "I"])),
    "promptfoo": lambda: kit.promptfoo(Path("p.json"), [kit.promptfoo_result("amber")]),
    "OpenAI Evals": lambda: kit.openai_evals(Path("o.jsonl"), {"a": [[True], [False]]}),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_wrong_value_in_any_field_is_read_or_refused_by_file_and_remedy(
    tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "sync", lambda *_: ingest.Ingested(0, ()))
    file = TOOLS[tool]()
    lines = file.read_text("utf-8").splitlines()
    every = [(number, path) for number, line in enumerate(lines) for path in fields(json.loads(line))]
    read = 0
    for number, path in every:
        for value in (HALF, None):
            wrong = changed(lines[number], path, value)
            file.write_text("\n".join([*lines[:number], wrong, *lines[number + 1 :], ""]), "utf-8")
            done = attempted(file)
            if isinstance(done, ConfigError):
                assert done.remedy, (path, value)
                assert done.file, (path, value)
            read += isinstance(done, ImportResult)
    assert read > 10


@pytest.mark.parametrize("tool", TOOLS)
def test_half_a_character_in_a_name_is_replaced(tool: str) -> None:
    file = TOOLS[tool]()
    text = file.read_text("utf-8")
    for name in ('"model_name": "a"', '"model": "a"', '"id": "echo"', '"completion_fns": ["a"]'):
        text = text.replace(name, name.replace('a"', 'a\\ud800"').replace('o"', 'o\\ud800"'))
    file.write_text(text, "utf-8")
    done = imported(file, verdict=True)
    assert [record.recipe.name[1:] for record in done.records] in (["\ufffd"], ["cho\ufffd"])


def test_a_results_file_that_names_nothing_does_not_hide_its_samples() -> None:
    results = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    results.write_text('{"results": {}, "model_name": "a"}', "utf-8")
    done = imported(Path("a"), kit.lm_eval(Path("b"), "b", [0.0, 1.0]))
    assert [(pairing.first, pairing.second, pairing.paired) for pairing in done.pairings] == [("a", "b", 2)]


def _refused(text: str, name: str = "t.csv") -> ConfigError:
    Path(name).write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refused:
        imported(Path(name))
    return refused.value


def test_percentages_are_refused_with_how_to_make_scores_of_them() -> None:
    error = _refused("id,model,score\nq1,a,87\nq2,a,12\n")
    assert "values from 12 to 87 are not scores within [0, 1]" in error.message
    assert error.remedy is not None
    assert error.remedy.startswith("divide percentages by 100")


def test_a_table_without_a_needed_column_is_refused_with_its_first_line() -> None:
    error = _refused("id,score\nq1,1\n")
    assert error.message == "not a log of a known tool: its first line is 'id,score'"
    assert error.remedy == (
        "name its columns id or prompt, model, and score in the first line; for labeled rows: harness init t.csv"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tickets.csv", "text,category\nmy card is lost,card\n"),
        ("tickets.tsv", "text\tcategory\nmy card is lost\tcard\n"),
        ("tickets.jsonl", '{"text": "my card is lost", "category": "card"}\n'),
        ("tickets.json", '[{"text": "my card is lost", "category": "card"}]'),
    ],
)
def test_labeled_rows_that_are_no_log_lead_to_init(name: str, content: str) -> None:
    Path(name).write_text(content, "utf-8")
    with pytest.raises(ConfigError) as refused:
        imported(Path(name))
    assert refused.value.remedy.endswith(f"for labeled rows: harness init {name}")


def test_where_two_logs_share_no_metric_the_remedy_says_which_has_which() -> None:
    files: list[Any] = [kit.lm_eval(Path(m), m, [1.0, 0.0], metric=s) for m, s in (("a", "f1"), ("b", "em"))]
    with pytest.raises(ConfigError, match="the logs share no metric") as refused:
        imported(*files)
    assert refused.value.remedy == "metrics there are: f1 (a); em (b)"


def test_repeats_of_some_examples_are_not_said_to_be_of_each() -> None:
    Path("t.csv").write_text("id,model,score,repeat\nq1,a,1,1\nq1,a,0,2\nq2,a,1,1\n", "utf-8")
    assert imported(Path("t.csv")).notes == ("a, t: 2 answers or fewer to an example, taken as seeds",)


def test_a_packed_file_under_another_name_is_refused_with_a_command_that_unpacks_it() -> None:
    file = TOOLS["promptfoo"]()
    file.write_bytes(gzip.compress(file.read_bytes()))
    with pytest.raises(ConfigError, match="is packed by gzip") as refused:
        imported(file)
    assert refused.value.remedy == "unpack it first: gzip -dc < p.json > unpacked.json"
