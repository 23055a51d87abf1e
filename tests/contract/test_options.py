"""A field of an options class is an option of its command, an argument of its function, and, where the field is of
an experiment, a key of the experiment file. No list is kept: a new field is judged here as soon as it is written."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import keyword
import pkgutil
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml
from pydantic import TypeAdapter, ValidationError

from harness import api, cli, workflows
from harness.core import options as fields_of
from harness.core.errors import ConfigError
from harness.runner import experiment
from harness.runner.settings import ExperimentSettings
from harness.workflows import options, run
from harness.workflows.options.run import RunOptions

NOT_OPTIONS = {"json", "help"}
"""What concerns only how a command prints."""


def _command(module: str) -> str:
    """The command of a module: where Python has a keyword of its name, the module's name goes on (`import_logs`)."""
    first = module.partition("_")[0]
    return first if keyword.iskeyword(first) else module


def _modules(package: ModuleType) -> dict[str, str]:
    """Command → the name of its module, which is that of its function in Python, too."""
    return {_command(module.name): module.name for module in pkgutil.iter_modules(package.__path__)}


FUNCTIONS = {command: module for command, module in _modules(options).items() if command != "shared"}
CLASSES: dict[str, type] = {
    command: getattr(
        importlib.import_module(f"{options.__name__}.{module}"), f"{command.capitalize()}Options"
    )
    for command, module in FUNCTIONS.items()
}


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", typer.Typer())
        cli.register()
        return dict(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]


def test_every_command_with_a_workflow_has_an_options_class(commands: dict[str, Any]) -> None:
    worked = set(_modules(workflows)) & set(commands)
    assert worked == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_a_field_is_an_option_of_the_command_with_its_help(name: str, commands: dict[str, Any]) -> None:
    texts = fields_of.helps(CLASSES[name])
    shown = {param.name: param.help for param in commands[name].params if param.name not in NOT_OPTIONS}
    assert shown == texts
    assert all(texts.values())


@pytest.mark.parametrize("name", CLASSES)
def test_a_field_is_an_argument_of_the_function_with_its_default_and_help(name: str) -> None:
    function = getattr(api, FUNCTIONS[name])
    arguments = inspect.signature(function).parameters
    declared = inspect.signature(CLASSES[name]).parameters
    assert {key: value.default for key, value in arguments.items()} == {
        key: value.default for key, value in declared.items()
    }
    for field, text in fields_of.helps(CLASSES[name]).items():
        assert f"        {field}: {text}\n" in function.__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_the_function_gives_its_arguments_to_the_options(name: str) -> None:
    taken = fields_of.accepts(CLASSES[name])(lambda given: given)
    values = {item.name: object() for item in dataclasses.fields(CLASSES[name])}
    given = taken(**values)
    assert {item: getattr(given, item) for item in values} == values


def test_a_typed_option_reaches_the_options_and_the_others_keep_their_defaults(
    commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunOptions] = []
    monkeypatch.setattr(run, "from_options", lambda given: asked.append(given))
    words = "colours --model a --model b --recipes lora,full --labels 2,4 --set weights.lora_r=8 --no-cache"
    commands["run"].main([*words.split(), "--executor", "processes:2", "-q"], standalone_mode=False)
    assert asked == [
        RunOptions(
            "colours",
            model=["a", "b"],
            recipes="lora,full",
            labels="2,4",
            settings=["weights.lora_r=8"],
            cache=False,
            executor="processes:2",
            quiet=True,
        )
    ]


VALUES: dict[str, Any] = {
    "model": ["tiny", "fake"],
    "recipes": ["few_shot", {"extends": "few_shot", "name": "other", "program": {"k": 2}}],
    "seeds": 3,
    "limit": 5,
    "labels": [2, 4],
    "settings": ["program.k=1"],
    "report": "mine.html",
    "prices": "prices.yaml",
    "cache": False,
    "executor": {"kind": "processes", "workers": 2},
    "log_to": [{"kind": "wandb", "project": "mine"}],
}
"""An experiment file's settings."""


def test_the_demo_is_a_run_of_the_shipped_experiment(
    commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[RunOptions] = []
    monkeypatch.setattr(run, "from_options", lambda given: asked.append(given))
    commands["demo"].main(["--limit", "5", "-q"], standalone_mode=False)
    (options,) = asked
    experiment_of_demo = run.experiment(options)
    assert (experiment_of_demo.name, experiment_of_demo.limit) == ("demo", 5)
    assert experiment_of_demo.models == ("smollm2-135m-instruct",)


@pytest.mark.parametrize("item", dataclasses.fields(ExperimentSettings), ids=lambda item: item.name)
def test_a_setting_is_a_key_of_the_experiment_file(item: dataclasses.Field[Any], tmp_path: Path) -> None:
    kind = TypeAdapter(typing.get_type_hints(ExperimentSettings, include_extras=True)[item.name])
    value = next(value for value in (3, False, "few_shot", ["few_shot"], [3]) if _fits(kind, value))
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump({"task": "colours", item.name: value}))
    assert getattr(experiment.read_file(file), item.name) == value
    assert item.default in (None, ()), "a default of its own would hide what the file gives"


def _fits(kind: TypeAdapter[Any], value: object) -> bool:
    try:
        return bool(kind.validate_python(value, strict=True) == value)
    except ValidationError:
        return False


def test_what_a_command_gives_wins_over_its_file_and_overrides_add_up(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "task": ["a", "b"], **VALUES}))
    plain = run.experiment(RunOptions(file))
    assert (plain.name, plain.tasks, plain.models, plain.seeds) == ("mine", ("a", "b"), ("tiny", "fake"), 3)
    assert [recipe.name for recipe in plain.recipes] == ["few_shot", "other"]
    assert [recipe.config()["program"]["k"] for recipe in plain.recipes] == [1, 1]
    given = RunOptions(file, model="fake", seeds=1, cache=True, executor="local", settings="program.k=4")
    won = run.experiment(given)
    assert (won.models, won.seeds, won.limit, won.labels) == (("fake",), 1, 5, (2, 4))
    assert (won.settings.cache, won.settings.executor) == (True, "local")
    assert won.settings.settings == ("program.k=1", "program.k=4")
    assert [recipe.config()["program"]["k"] for recipe in won.recipes] == [4, 4]
    assert won.settings.log_to == VALUES["log_to"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seeds", 0, "seeds: Input should be greater than or equal to 1"),
        ("limit", "many", "limit: "),
        ("recipes", [], "recipes: "),
        ("labels", [1.5], "labels: "),
        ("cache", "perhaps", "cache: "),
        ("exector", "local", "unknown key 'exector' — did you mean 'executor'"),
    ],
)
def test_a_bad_value_in_a_file_names_the_file_and_the_key(
    key: str, value: object, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump({"task": "colours", key: value}))
    with pytest.raises(ConfigError) as error:
        experiment.from_file(file)
    assert str(error.value).startswith(f"{file}")
    assert message in str(error.value)
