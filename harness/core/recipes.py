"""A recipe has four slots; an empty slot leaves that part alone.

data  →  base  →  weights  →  program
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.core import guarded, shipped
from harness.core.errors import ConfigError, nearest
from harness.core.kinds import build
from harness.core.protocols import Base, Data, Program, Weights
from harness.core.text import whole

SLOTS = ("data", "base", "weights", "program")
MAX_NODES = 100_000
"""Values in a file once its aliases are written out: thirty doublings of one name would fill any memory."""
FOLDER = shipped.ROOT / "baselines"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A method: its training data, base model, trained weights (stages in order), and prompting program."""

    name: str
    data: Data
    base: Base
    weights: tuple[Weights, ...]
    program: Program
    about: str = ""

    @property
    def seeded(self) -> bool:
        """Whether another seed could give another result."""
        chosen = self.program.shows_examples and self.data.seeded
        return bool(self.weights) or self.program.seeded or chosen

    @property
    def oracle(self) -> bool:
        """Whether it sees gold passages, which no user has: an upper bound, never a winner."""
        return self.program.oracle

    @property
    def learns(self) -> bool:
        """Whether labeled examples can change the result, so that a label curve makes sense."""
        return bool(self.weights) or self.program.shows_examples

    @property
    def uses_scores(self) -> bool:
        """Whether scoring affects what is learned or shown, not only how answers are judged."""
        trained = any(stage.uses_scores for stage in self.weights)
        return trained or (self.learns and self.data.uses_scores)

    def config(self) -> dict[str, object]:
        """The resolved recipe, ready to be written as YAML."""
        slots = {
            "data": self.data.config(),
            "base": self.base.config(),
            "weights": [stage.config() for stage in self.weights],
            "program": self.program.config(),
        }
        return {"name": self.name, "about": self.about, **slots}

    def identity(self) -> dict[str, object]:
        """The parts of this recipe that affect a result. Its name does not."""
        return {
            "data": self.data.identity() if self.learns else None,
            "base": self.base.identity(),
            "weights": [stage.identity() for stage in self.weights],
            "program": self.program.identity(),
        }


def from_config(
    config: Mapping[str, Any], *, name: str, about: str = "", file: Path | str | None = None
) -> Recipe:
    """Build a recipe from its YAML mapping; empty slots get their defaults.

    Raises:
        ConfigError: unknown slot, kind or setting.
    """
    for key in config:
        if key not in (*SLOTS, "name", "about"):
            raise ConfigError(f"unknown slot '{key}' in a recipe", file=file, remedy=nearest(key, SLOTS))
    stages = config.get("weights") or []
    stages = stages if isinstance(stages, Sequence) and not isinstance(stages, str) else [stages]
    return Recipe(
        name=name,
        about=about or str(config.get("about", "")),
        data=build("data", config.get("data") or "train", file=file),
        base=build("base", config.get("base") or "plain", file=file),
        weights=tuple(build("weights", stage, file=file) for stage in stages),
        program=build("programs", config.get("program") or "zero_shot", file=file),
    )


def available(folder: Path | None = None) -> dict[str, Path]:
    """Recipes by name: the shipped ones and those in ./baselines, the latter first."""
    folders = [FOLDER, Path("baselines")] if folder is None else [folder]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def load(name: str, *, others: Collection[str] = ()) -> Recipe:
    """The recipe of that name, or of a YAML file.

    Args: others: further names that the caller knows, for the error message.

    Raises:
        ConfigError: no such recipe (names the nearest), or a malformed file.
    """
    files = available()
    path = Path(name) if name.endswith((".yaml", ".yml")) else files.get(name)
    if path is None or not path.is_file():
        raise ConfigError(f"unknown recipe '{name}'", remedy=nearest(name, dict.fromkeys([*others, *files])))
    return from_config(read_yaml(path), name=path.stem, file=path)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping, safely loaded.

    Raises:
        ConfigError: missing, not UTF-8, not YAML (with the line), half a character, or not a mapping.
    """
    try:
        text = (
            guarded.read_bytes(path, limit=guarded.MAX_YAML).decode() if path.exists() else path.read_text()
        )
        refuse_bombs(text, path)
        value = whole(yaml.safe_load(text))
    except FileNotFoundError:
        beside = [one.name for one in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []
        raise ConfigError(
            "no such file", file=path, remedy=nearest(path.name, beside) if beside else ""
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 (byte {error.start})", file=path, remedy="save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"not YAML: {problem}", file=path, line=line) from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"not YAML: {reason}", file=path) from None
    if not isinstance(value, dict):
        raise ConfigError("must be a mapping of names to values", file=path)
    return value


def refuse_bombs(text: str, path: Path) -> None:
    """Aliases are a convenience, but nested aliases can fill the memory.

    Raises:
        ConfigError: more than `MAX_NODES` values once they are written out, with the line.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None) -> int:
        if node is None:
            return 0
        known = sizes.get(id(node))
        if known is None:
            sizes[id(node)] = MAX_NODES + 1  # what an alias to itself would have
            known = sizes[id(node)] = 1 + sum(map(size, _children(node)))
        if known > MAX_NODES:
            raise ConfigError(
                f"more than {MAX_NODES:,} values once its aliases (*name) are written out",
                file=path,
                line=node.start_mark.line + 1,
            )
        return known

    size(yaml.compose(text, yaml.SafeLoader))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
