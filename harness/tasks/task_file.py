"""The task file: what `task.yaml` may say, checked once, with the line of what is wrong.

The models below are also the source of the published JSON Schema, `task.schema.json`:
`python -m harness.tasks.task_file` writes it again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from harness.core.errors import ConfigError, nearest
from harness.core.recipes import read_yaml

SCHEMA = Path(__file__).with_name("task.schema.json")

Columns = str | list[str] | dict[str, str]


def _share(value: int | float) -> int | float:
    if value <= 0 or (isinstance(value, float) and value >= 1):
        raise ValueError("must be a share between 0 and 1, or a whole number of rows")
    return value


Share = Annotated[
    int | float,
    AfterValidator(_share),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Spec(BaseModel):
    """A format or scorer: its kind, and the kind's own settings beside it."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(description="Name of the kind: a file in harness/formats or harness/scorers.")


class SplitFile(_Strict):
    """How splits that have no file of their own are cut from the others, by seed."""

    dev: Share | None = Field(default=None, description="Share (0.1) or number (200) of rows for dev.")
    test: Share | None = Field(default=None, description="Share (0.2) or number (500) of rows for test.")
    seed: int = Field(default=0, description="Another seed, another split.")


class MapFile(_Strict):
    """Which columns of foreign data hold what. A dotted name reaches into objects and lists: a.b.0"""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"oneOf": [{"required": ["target"]}, {"required": ["chosen"]}]}
    )

    input: Columns = Field(description="A column, a list of columns, or {field: column}.")
    target: Columns | None = Field(
        default=None, description="The column with the answer, or {field: column} for an object."
    )
    chosen: Columns | None = Field(default=None, description="The same as target, for preference pairs.")
    rejected: str | None = Field(default=None, description="Column with an answer worse than the target.")
    system: str | None = Field(default=None, description="Column with the row's system prompt.")
    turns: str | None = Field(default=None, description="Column with the messages before the question.")
    tools: str | None = Field(default=None, description="Column with the functions that the model may call.")
    id: str | None = Field(default=None, description="Column with unique ids; else ids are made from rows.")
    group: str | None = Field(default=None, description="Rows of one group are not independent.")
    context_ids: str | None = Field(default=None, description="Ids of the documents that hold the answer.")
    meta: list[str] = Field(default_factory=list, description="Columns to carry along for the report.")

    @model_validator(mode="after")
    def _one_answer(self) -> MapFile:
        if self.target is None and self.chosen is None:
            raise ValueError("names no answer: give target (or chosen) the column that holds it")
        if self.target is not None and self.chosen is not None:
            raise ValueError("'target' and 'chosen' are two names of the same: give one")
        return self

    @property
    def answer(self) -> Columns:
        """The column of the answer, by any of its names."""
        answer = self.target if self.target is not None else self.chosen
        assert answer is not None  # the validator has seen to it
        return answer


class DataFile(_Strict):
    """Where the rows come from: a file per split, one file to be split, or a hub data set."""

    train: str | None = Field(default=None, description="File, or name of the hub data set's split.")
    dev: str | None = Field(default=None, description="File, or name of the hub data set's split.")
    test: str | None = Field(default=None, description="File, or name of the hub data set's split.")
    file: str | None = Field(default=None, description="One file for everything; `split` cuts it.")
    hf: str | None = Field(default=None, description="Data set on the Hugging Face hub: owner/name.")
    config: str | None = Field(default=None, description="Configuration of the hub data set.")
    revision: str | None = Field(default=None, description="Commit of the hub data set.")
    split: SplitFile | None = None
    map: MapFile | None = None
    encoding: str = Field(default="utf-8", description="Encoding of text files, such as latin-1.")
    sheet: str | None = Field(default=None, description="Sheet of an .xlsx workbook, by name.")

    @model_validator(mode="after")
    def _one_source(self) -> DataFile:
        if self.file and (self.hf or self.train or self.dev or self.test):
            raise ValueError("'file' is for everything in one file; leave out hf, train, dev and test")
        if not (self.file or self.hf or self.train or self.test):
            raise ValueError("names no rows: give train, dev and test, or file with split, or hf")
        if self.split and not (self.file or self.train or self.hf):
            raise ValueError("'split' has nothing to cut: give 'file' or 'train'")
        return self


Margin = Annotated[float, Field(gt=0, lt=1, strict=True)]


class GateFile(BaseModel):
    """What `harness gate` holds a run to: a margin per metric. Any scorer's name is a metric too."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Margin]

    primary: Margin | None = Field(default=None, description="Points of the primary score: 0.02 is 2.")
    valid_strict: Margin | None = Field(default=None, description="Share of valid answers as written.")
    valid_extracted: Margin | None = Field(default=None, description="The same after extraction.")
    latency: Margin | None = Field(default=None, description="Relative: 0.2 is 20 % slower.")
    cost: Margin | None = Field(default=None, description="Relative: 0.1 is 10 % more tokens.")
    benchmarks: dict[str, Margin] = Field(default_factory=dict, description="Benchmark: margin to the pin.")
    forgetting: dict[str, Margin] = Field(default_factory=dict, description="Benchmark: margin to the base.")
    must_pass: list[str] = Field(default_factory=list, description="Ids of examples that must not break.")


class TaskFile(_Strict):
    """A task for `harness`: instructions, rows, the format of an answer, and how it is scored."""

    name: str = Field(
        default="", description="Default: the folder's name.", pattern=r"^([\w.][\w.-]*)?$", max_length=200
    )
    version: int = Field(default=1, description="Raise it when the task changes its meaning.")
    instructions: str = Field(default="", description="Jinja2; the system message.")
    schema_in_prompt: bool = Field(
        default=False, description="Show the format's schema, in compact form, after the instructions."
    )
    prompts: list[str] = Field(
        default_factory=list,
        description="Other instructions for harness run --tune to try: texts, or files (.txt, .md, .j2).",
    )
    input: str | None = Field(default=None, description="Jinja2; the user message. Default: the fields.")
    data: DataFile
    format: str | Spec = Field(default="text", description="What an answer looks like.")
    scorers: list[str | Spec] = Field(default=["exact"], min_length=1)
    primary: str | None = Field(default=None, description="The scorer that decides. Default: the first.")
    corpus: str | None = Field(default=None, description="Folder of .md and .txt files, or a .jsonl file.")
    max_new_tokens: int = Field(default=128, ge=1, description="Longest answer, in tokens.")
    margin: float = Field(default=0.02, ge=0, lt=1, description="A smaller difference does not matter.")
    gate: GateFile = Field(
        default_factory=lambda: GateFile.model_validate({}),
        description="Limits that `harness gate` enforces.",
    )
    licence: str = Field(default="", description="Where the data came from, under which licence.")


def read(path: Path) -> TaskFile:
    """Read and check a task file.

    Raises:
        ConfigError: missing, not YAML, an unknown key (with the nearest), or a wrong value, with its line.
    """
    raw = read_yaml(path)
    try:
        return TaskFile.model_validate(raw)
    except ValidationError as error:
        raise _explained(error, path) from None


def line_of(path: Path, keys: Sequence[str | int]) -> int | None:
    """Line of a key in a YAML file (1-based); if the key is absent, of the nearest key above it."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line = None
    for part in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def bare_words(path: Path, keys: Sequence[str | int]) -> list[tuple[str, int]]:
    """Items of the list at `keys` that YAML reads as something other than text, as written, with their lines:
    a bare `yes` is true, `010` is 8, `2024-01-01` a date.
    """
    node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    for part in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == str(part)), None)
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    return [
        (item.value, item.start_mark.line + 1)
        for item in items
        if isinstance(item, yaml.ScalarNode) and item.tag != "tag:yaml.org,2002:str"
    ]


def json_schema() -> dict[str, object]:
    """The published JSON Schema of a task file."""
    schema = TaskFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "harness task"}


def write_schema() -> None:
    """Write `task.schema.json` beside this module."""
    SCHEMA.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _explained(error: ValidationError, path: Path) -> ConfigError:
    # An unknown key explains a missing one; in a union, the branch that got furthest explains most.
    first = min(error.errors(), key=lambda fault: (fault["type"] != "extra_forbidden", -len(fault["loc"])))
    keys = [part for part in first["loc"] if not _is_branch(part)] or list(first["loc"])
    name, line = ".".join(str(part) for part in keys), line_of(path, keys)
    if first["type"] == "extra_forbidden":
        known = _keys_at(keys[:-1])
        if keys == ["task"] and isinstance(first["input"], str | list):
            named = first["input"] if isinstance(first["input"], str) else first["input"][0]
            return ConfigError(
                "is an experiment file, which only 'run' and 'upgrade' read",
                file=path,
                line=line,
                remedy=f"name its task here: {named}",
            )
        return ConfigError(
            f"unknown key '{name}'", file=path, line=line, remedy=nearest(str(keys[-1]), known)
        )
    if first["type"] == "missing":
        return ConfigError(f"'{name}' is missing", file=path, line=line, remedy="see docs/tasks.md")
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
    return ConfigError(f"{name}: {message}{value}", file=path, line=line)


def _is_branch(part: str | int) -> bool:
    """Whether a part of an error's place is pydantic's name of a union's branch, not a key."""
    return isinstance(part, str) and (part in ("str", "int", "float", "Spec") or "[" in part or "-" in part)


def _keys_at(keys: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = TaskFile
    inner: dict[str, type[BaseModel]] = {"data": DataFile, "split": SplitFile, "map": MapFile}
    for part in keys:
        model = inner.get(str(part), model)
    return list(model.model_fields)


if __name__ == "__main__":
    write_schema()
