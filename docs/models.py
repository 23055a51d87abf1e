"""Fill the table of docs/models.md: which architectures answer, share prefixes and learn, tried on random models.

    python -m docs.models                  # from the repository's root; ten minutes on one core
    python -m docs.models mamba llama      # prints these rows and leaves the page alone

Every cell is tried: answers are compared with transformers' own `generate`, token for token, and what is trained goes
through the parity gate, is saved, loaded and compared with itself.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.architectures import SHAPES, make
from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.core.recipes import Recipe
from harness.core.values import Message, Request

PAGE = Path(__file__).with_name("models.md")
BEGIN, END = "<!-- models: made by python -m docs.models -->", "<!-- end of models -->"
COLUMNS = ("answer", "shared prefix", "lora", "qlora", "full")
_CLOSE = 1e-4
_ANSWER = 8


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What came of a trial: `yes`, `no` with a reason that is given before any work, or `fails` with the error."""

    outcome: str
    reason: str = ""


YES = Cell(outcome="yes")


@dataclass(frozen=True, kw_only=True)
class Row:
    architecture: str
    cells: tuple[Cell, ...]


def row(architecture: str) -> Row:
    """Every column's outcome for a random model of an architecture."""
    with tempfile.TemporaryDirectory() as folder:
        spec = str(make(architecture, Path(folder) / "model"))
        training = (_trained(name, spec, Path(folder) / name) for name in ("lora", "qlora", "full"))
        return Row(architecture=architecture, cells=(*_answers(spec), *training))


def _answers(spec: str) -> tuple[Cell, Cell]:
    """Whether the engine answers as transformers does, and whether it computes shared prefixes once."""
    recipe = recipes.from_config({"base": {"kind": "plain", "dtype": "float32"}}, name="zero_shot")
    if refused := _refused(spec, recipe):
        return refused, refused
    notes: list[str] = []
    with _heard("harness.engines", notes.append):
        model = recipe.base.load(spec)
        answer = _tried(lambda: _compared_with_generate(model))
    shared = Cell(outcome="no", reason=notes[0].partition("model: ")[2]) if notes else YES
    return answer, shared if answer == YES else answer


def _compared_with_generate(model: LanguageModel) -> Cell:
    import torch

    from harness.engines.engine_for import local

    texts = [f"Say the next letter after {letter}" + "!" * len(letter) for letter in ("a", "bcd", "e")]
    asked = [Request(id=text, messages=(Message("user", text),), max_new_tokens=_ANSWER) for text in texts]
    ours = dict(local(model).generate(asked))
    for i, request in enumerate(asked):
        if ours[i].error:
            return Cell(outcome="fails", reason=str(ours[i].error))
        ids = torch.tensor([model.chat.encode(request.messages)])
        with torch.no_grad():
            whole = model.network.generate(
                ids, max_new_tokens=_ANSWER, do_sample=False, attention_mask=ids.ne(-1)
            )
        theirs = whole[0, ids.shape[1] :].tolist()
        ends = [at for at, token in enumerate(theirs) if token in model.chat.eos_ids]
        theirs = theirs[: ends[0] + 1] if ends else theirs
        if list(ours[i].token_ids) != theirs:
            return Cell(outcome="fails", reason=f"answers {list(ours[i].token_ids)}, transformers {theirs}")
    return YES


def _trained(name: str, spec: str, folder: Path) -> Cell:
    base = (
        {"kind": "nf4", "compute_dtype": "float32"}
        if name == "qlora"
        else {"kind": "plain", "dtype": "float32"}
    )
    weights = {"kind": "full" if name == "full" else "lora", "num_train_epochs": 1, "learning_rate": 1e-3}
    recipe = recipes.from_config({"base": base, "weights": weights}, name=name)
    return _refused(spec, recipe) or _tried(lambda: _learned(recipe, spec, folder))


def _learned(recipe: Recipe, spec: str, folder: Path) -> Cell:
    """Train, check, save, and load again."""
    from harness.training import parity
    from tests.unit.training_kit import context, lessons

    stage, taught = recipe.weights[0], lessons(8)
    model = recipe.base.load(spec)
    before = parity.canary(model, taught)
    model = stage.train(model, taught, context(folder)).model
    stage.save(model, folder)
    exported = parity.Exported(stages=(folder,)) if stage.adapter else None
    if failed := [check for check in parity.check(model, taught, before, adapter=exported) if not check.ok]:
        return Cell(outcome="fails", reason=f"{failed[0].check}: {failed[0].detail}")
    after = parity.canary(model, taught).logits
    again = parity.canary(stage.load(recipe.base.load(spec), folder), taught).logits
    if (gap := float((after - again).abs().max())) > _CLOSE:
        return Cell(outcome="fails", reason=f"loaded again, logits differ by {gap:.1g}")
    return YES


def _refused(spec: str, recipe: Recipe) -> Cell | None:
    from harness.runner.suitable import of_model

    misfit = of_model(spec, recipe)
    return (
        None
        if misfit is None
        else Cell(outcome="no", reason=misfit.reason.replace(f" '{spec}'", " the model"))
    )


def _tried(attempt: Callable[[], Cell]) -> Cell:
    try:
        return attempt()
    except Exception as error:  # whatever an architecture does is what the table is about
        first = (str(error).strip().splitlines() or [""])[0]
        return Cell(outcome="fails", reason=f"{type(error).__name__}: {first}")


class _heard(logging.Handler):  # noqa: N801
    """Inside the `with` block a logger's warnings are given to `note` alone."""

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.log, self.note = logging.getLogger(name), note

    def emit(self, record: logging.LogRecord) -> None:
        self.note(record.getMessage())

    def __enter__(self) -> None:
        self.log.addHandler(self)
        self.log.propagate = False

    def __exit__(self, *_: object) -> None:
        self.log.removeHandler(self)
        self.log.propagate = True


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, with reasons numbered below it."""
    reasons: dict[str, int] = {}
    lines = [f"| architecture | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for one in rows:
        cells = (_text(cell, reasons) for cell in one.cells)
        lines.append(f"| {one.architecture} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())])


def _text(cell: Cell, reasons: dict[str, int]) -> str:
    if not cell.reason:
        return cell.outcome
    return f"{cell.outcome} ({reasons.setdefault(cell.reason, len(reasons) + 1)})"


def rows(architectures: Sequence[str]) -> Iterator[Row]:
    """One row after another, each said on stderr, because all take minutes."""
    for architecture in architectures:
        made = row(architecture)
        print(architecture, *(cell.outcome for cell in made.cells), file=sys.stderr, flush=True)
        yield made


def main(architectures: Sequence[str]) -> None:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in architectures:
        if name not in SHAPES:
            raise ConfigError(f"no architecture '{name}'", remedy=f"known: {', '.join(SHAPES)}")
    text = table(list(rows(architectures or list(SHAPES))))
    if architectures:
        print(text)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
