"""Kinds of installed packages: found by their entry points, joined to the same lookup, never a silent replacement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.core import kinds
from harness.core.errors import ConfigError
from harness.core.values import Example
from harness.report.build import discover
from harness.tasks.load import load

SCORER = """\
from dataclasses import dataclass
from harness.core.protocols import Scorer

@dataclass(frozen=True, kw_only=True)
class Letters(Scorer):
    least: int = 1

    def score(self, value, target, example):
        return float(len(str(value)) >= self.least), ""
"""
SECTION = "from markupsafe import Markup\nORDER, TITLE = -1, 'Mine'\ndef collect(data): return None\ndef render(info): return Markup('')\n"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of modules with entry points: a folder on the path with its metadata, as pip leaves it."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    packages: list[str] = []

    def caches() -> None:
        kinds._plugins.cache_clear()
        kinds.lookup.cache_clear()

    def put_in(package: str, modules: dict[str, str], entry_points: str) -> None:
        folder, metadata = tmp_path / "site" / package, tmp_path / "site" / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        metadata.mkdir()
        for name, text in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        packages.append(package)
        caches()

    yield put_in
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
    monkeypatch.undo()
    caches()


def test_a_plugin_is_named_in_a_task_file_like_any_other_kind(install: Install, tiny_task: Path) -> None:
    install("lettering", {"letters": SCORER}, "[harness.scorers]\nletters = lettering.letters\n")
    assert "letters" in kinds.names("scorers")
    assert "lettering.letters" not in sys.modules
    file = tiny_task / "task.yaml"
    settings = yaml.safe_load(file.read_text("utf-8")) | {
        "scorers": [{"kind": "letters", "least": 4}, "exact"],
        "primary": "letters",
    }
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    scorer = load(tiny_task).scorers[0]
    assert scorer.name() == "letters"
    assert [scorer.score(word, "", Example(id="x", input={}, target=""))[0] for word in ("red", "blue")] == [
        0,
        1,
    ]
    with pytest.raises(ConfigError, match=r"letters: unknown setting 'leest'.*did you mean 'least'"):
        kinds.build("scorers", {"kind": "letters", "leest": 4})


def test_a_plugin_names_its_package_in_its_key_and_own_kinds_do_not(install: Install) -> None:
    install("lettering", {"letters": SCORER}, "[harness.scorers]\nletters = lettering.letters\n")
    identity = kinds.build("scorers", "letters").identity()
    assert identity == {"kind": "letters", "least": 1, "package": "lettering", "version": 1}
    assert "package" not in kinds.build("scorers", "exact").identity()


def test_a_section_of_a_plugin_stands_in_the_report(install: Install) -> None:
    install("reporting", {"mine": SECTION}, "[harness.sections]\nmine = reporting.mine\n")
    section = dict(discover())["mine"]
    assert section.TITLE == "Mine"


def test_a_plugin_never_replaces_a_kind_of_the_harness(install: Install) -> None:
    install("lettering", {"exact": SCORER}, "[harness.scorers]\nexact = lettering.exact\n")
    with pytest.raises(ConfigError, match=r"'exact' comes from harness and lettering\.exact"):
        kinds.build("scorers", "exact")
    assert kinds.build("scorers", "f1").name() == "f1"


def test_two_plugins_of_one_name_are_refused(install: Install) -> None:
    for package in ("first_package", "second_package"):
        install(package, {"letters": SCORER}, f"[harness.scorers]\nletters = {package}.letters\n")
    with pytest.raises(
        ConfigError, match=r"first_package\.letters and second_package\.letters|second.*and first"
    ):
        kinds.build("scorers", "letters")


def test_a_plugin_that_does_not_import_is_an_error_of_configuration(install: Install) -> None:
    install(
        "broken", {"letters": "import no_such_module_here\n"}, "[harness.scorers]\nletters = broken.letters\n"
    )
    with pytest.raises(ConfigError, match=r"broken\.letters.*ModuleNotFoundError.*no_such_module_here"):
        kinds.build("scorers", "letters")
    assert kinds.build("scorers", "exact").name() == "exact"


@pytest.mark.parametrize("value", ["lettering.letters:Letters", "lettering.other"])
def test_an_entry_point_names_the_module_of_the_kind(install: Install, value: str) -> None:
    install("lettering", {"letters": SCORER, "other": SCORER}, f"[harness.scorers]\nletters = {value}\n")
    with pytest.raises(ConfigError, match=r"its entry point names a module.*package\.letters"):
        kinds.build("scorers", "letters")
