"""What decides a weight, an answer, a score, a comparison, a study, a noise floor: the table of docs/store.md.

    python -m docs.decides        # from the repository's root: rewrites the table

`tests/unit/test_what_decides.py` changes every setting and finds that exactly these keys change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("store.md")
BEGIN, END = "<!-- decides: made by python -m docs.decides -->", "<!-- end of decides -->"
COLUMNS = ("weights", "answer", "score", "comparison", "study", "floor")
HEADINGS = ("a weight", "an answer", "a score", "a comparison", "a study", "a noise floor")
ALL = frozenset(COLUMNS) - {"score"}
"""What made an answer, but not how it is scored."""
SCORED = frozenset({"score", "comparison", "study", "floor"})
ASKED = ALL - {"weights"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A setting and what it decides: of a recipe that trains and chooses a checkpoint by its score on dev, and
    of one that only asks."""

    setting: str
    trained: frozenset[str]
    prompted: frozenset[str] | None = None
    """None: as `trained`, without the weights."""

    @property
    def asked(self) -> frozenset[str]:
        return self.trained - {"weights"} if self.prompted is None else self.prompted


NOTHING: frozenset[str] = frozenset()
COMPARED = frozenset({"comparison"})
TABLE = {
    "name": Row(setting="name of the task", trained=frozenset({"comparison", "study", "floor"})),
    "version": Row(setting="`version` of the task", trained=frozenset({"comparison", "study", "floor"})),
    "instructions": Row(setting="`instructions`", trained=ALL),
    "schema_in_prompt": Row(setting="`schema_in_prompt`", trained=ALL),
    "input": Row(setting="`input`", trained=ALL),
    "data.train": Row(setting="rows of train", trained=ALL),
    "data.dev": Row(setting="rows of dev", trained=ALL),
    "data.test": Row(setting="rows of test", trained=ASKED),
    "data.turns": Row(setting="earlier turns of test rows", trained=ASKED),
    "format": Row(setting="`format`: how answers are read", trained=ALL | SCORED, prompted=SCORED),
    "scorers": Row(setting="`scorers` and their settings", trained=ALL | SCORED, prompted=SCORED),
    "primary": Row(setting="`primary`", trained=ALL | SCORED, prompted=SCORED),
    "corpus": Row(setting="`corpus`", trained=ALL),
    "max_new_tokens": Row(setting="`max_new_tokens`", trained=ALL),
    "margin": Row(setting="`margin`", trained=COMPARED),
    "gate": Row(setting="`gate`", trained=NOTHING),
    "licence": Row(setting="`licence`", trained=NOTHING),
    "prompts": Row(setting="`prompts` (what `--tune` finds with them is a recipe)", trained=NOTHING),
    "recipe.name": Row(setting="name of the recipe", trained=frozenset({"comparison", "study"})),
    "recipe.about": Row(setting="`about` of the recipe", trained=NOTHING),
    "recipe.setting": Row(setting="a setting of a slot", trained=ALL),
    "recipe.machine": Row(
        setting="a setting that cannot change a result (`save_steps`, `sharding`)",
        trained=frozenset({"comparison", "floor"}),
    ),
    "model": Row(setting="the model's files; what a server says that it serves", trained=ALL),
    "model.limits": Row(setting="limits in a server's address", trained=NOTHING),
    "seeds": Row(setting="seed", trained=frozenset({"weights", "answer", "study"})),
    "labels": Row(setting="`--labels`", trained=ALL),
    "limit": Row(setting="`--limit`", trained=frozenset({"study"})),
    "stop_when_sure": Row(setting="`--stop-when-sure`: how many are asked", trained=NOTHING),
    "frugal": Row(setting="`--frugal`: which recipes run", trained=NOTHING),
    "settings": Row(setting="`--set`: as the setting in the recipe", trained=ALL),
}
"""By setting of the task file, the recipe, the model and the command line."""
MADE_WITH = (
    "Library versions, number format and class of device are in the key of remembered answers; a finished run that "
    "others made, whole or in part, is taken as it is and named, until `--fresh` runs it again; gate and upgrade name it."
)


def table() -> str:
    """The rows in Markdown; "if trained" where only what a recipe learns is decided."""
    lines = [f"| | {' | '.join(HEADINGS)} |", f"|---|{'---|' * len(HEADINGS)}"]
    for row in TABLE.values():
        lines.append(f"| {row.setting} | {' | '.join(_cell(row, column) for column in COLUMNS)} |")
    return "\n".join([*lines, "", MADE_WITH])


def _cell(row: Row, column: str) -> str:
    if column not in row.trained:
        return "no"
    return (
        "yes"
        if column in row.asked or (column == "weights" and row.prompted is None)
        else "if scores choose it"
    )


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
