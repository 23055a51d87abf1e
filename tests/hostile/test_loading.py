"""No call of this package that loads a model, tokenizer, data set or task of others may run their code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import harness
from harness.benchmarks import tasks
from harness.core.errors import ConfigError
from harness.models import gguf

PACKAGE = Path(harness.__file__).parent
OF_OUR_OWN_PROCESSES = ("bounded_child.py", "log_drafts.py", "processes.py", "torchrun.py")
"""Files that unpickle what a process wrote that they themselves started, over its pipe or in its own folder, or what they
have just pickled themselves."""
LOADING = {"from_pretrained", "from_config", "SentenceTransformer", "CrossEncoder"}
NO_CODE = {
    *("PeftModel", "PeftConfig", "GenerationConfig"),  # take no such argument: they read JSON and safetensors
    "recipes",  # our own
    "cls",  # weights and configuration are in memory, none are looked for
}


def _loading_calls() -> list[tuple[str, ast.Call]]:
    calls = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                owner = function.value if isinstance(function, ast.Attribute) else None
                if name in LOADING and not (isinstance(owner, ast.Name) and owner.id in NO_CODE):
                    calls.append((f"{file.relative_to(PACKAGE)}:{node.lineno}", node))
    return calls


def _refuses_code(call: ast.Call, tree: str) -> bool:
    for keyword in call.keywords:
        if keyword.arg == "trust_remote_code":
            return isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg is None and isinstance(keyword.value, ast.Name):
            return (
                f'{keyword.value.id}: dict[str, str | bool] = {{"gguf_file": file.name, "trust_remote_code": False}}'
                in tree
            )
    return False


def test_every_loading_call_says_that_code_is_not_trusted() -> None:
    calls = _loading_calls()
    own = [
        location
        for location, call in calls
        if ast.unparse(call.func) in ("from_config", "catalog.from_config")  # a recipe's, not a network's
    ]
    texts = {
        location: (PACKAGE / location.partition(":")[0]).read_text(encoding="utf-8") for location, _ in calls
    }
    bad = [
        location
        for location, call in calls
        if location not in own and not _refuses_code(call, texts[location])
    ]
    assert len(calls) > 8
    assert bad == []


def test_nothing_else_takes_code_for_trusted() -> None:
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8").replace(" ", "")
        assert "trust_remote_code=True" not in text, file
        assert '"trust_remote_code":True' not in text, file
        assert "pickle.load" not in text or file.name in OF_OUR_OWN_PROCESSES, file
        assert "weights_only=False" not in text, file


def test_a_gguf_file_is_loaded_without_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoConfig": "code.Config"}}')
    (tmp_path / "code.py").write_text("raise SystemExit('ran')")
    records: list[tuple[list[str], object]] = []

    def load(folder: str, **settings: object) -> None:
        records.append((sorted(path.name for path in Path(folder).iterdir()), settings["trust_remote_code"]))
        raise ValueError("cut off")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", load)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="cannot read this GGUF file: cut off"):
        gguf.folder(tmp_path / "m.gguf")
    assert records == [(["m.gguf"], False)]


def test_a_benchmark_file_needs_the_users_word(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("task: t\n")
    with pytest.raises(ConfigError, match=tasks.ALLOW):
        tasks.parse(str(file))
    assert tasks.parse(str(file), allow_code=True) == (str(file),)
    own = tasks.own_file("arc_easy")
    assert own is not None
    assert tasks.parse(str(own)) == (str(own),)
    link = tmp_path / "arc_easy.yaml"
    link.write_text(own.read_text())
    with pytest.raises(ConfigError, match=tasks.ALLOW):
        tasks.parse(str(link))


@pytest.mark.parametrize("include", ["t.yaml", "[u.yaml]", "[t.yaml, t.yaml]"])
def test_a_benchmark_file_that_includes_itself_is_named(tmp_path: Path, include: str) -> None:
    (tmp_path / "t.yaml").write_text(f"task: t\ninclude: {include}\n")
    (tmp_path / "u.yaml").write_text("include: t.yaml\n")
    with pytest.raises(ConfigError, match="includes itself"):
        tasks.identity(str(tmp_path / "t.yaml"))


@pytest.mark.parametrize(
    "text", ["include: 5\n", "include: [1]\n", "dataset_kwargs: 5\n", "[" * 3000, "a: &a [*a]\n"]
)
def test_a_malformed_benchmark_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    try:
        tasks.identity(str(tmp_path / "t.yaml"))
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 one of these is harmless
