"""Writes the table of docs/serving.md: which combinations were run, exported, and asked in plain transformers and peft.

python -m tests.served      # a quarter of an hour on one core
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.served import cases
from tests.served.kit import Bench, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
BEGIN, END = "<!-- served: made by python -m tests.served -->", "<!-- end of served -->"


def verdict(outcome: Outcome) -> str:
    """One word for a case."""
    if outcome.refused:
        return "refused"
    if outcome.failed or any(outcome.served.values()):
        return "wrong"
    return "same" if outcome.served else "not exported"


def matrix(
    outcomes: Iterable[Outcome], head: str, columns: tuple[str, ...], row: str, column: str
) -> list[str]:
    """A table of how many cases of each verdict there are; `row` and `column` name what of a case they show."""
    cells: dict[tuple[str, str], Counter[str]] = {}
    names: dict[str, None] = {}
    for outcome in outcomes:
        for name in _names(outcome, row):
            names.setdefault(name)
            for other in _names(outcome, column):
                cells.setdefault((name, other), Counter())[verdict(outcome)] += 1
    lines = [f"| {head} | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 1)}"]
    for name in names:
        shown = (_cell(cells.get((name, other), Counter())) for other in columns)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return lines


def _names(outcome: Outcome, what: str) -> tuple[str, ...]:
    case = outcome.case
    return {
        "shape": (case.shape,),
        "base": (case.base,),
        "stage": tuple(dict.fromkeys(case.stages)),
        "first": case.stages[:1],
        "second": case.stages[1:],
    }[what]


def _cell(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "–"


def main() -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("harness").setLevel(logging.ERROR)
    clock, outcomes = time.monotonic(), []
    chosen = cases.every()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        for number, case in enumerate(chosen, start=1):
            outcomes.append(bench.run(case))
            if number % 40 == 0 or number == len(chosen):
                bench.compare()
                for outcome in outcomes[(number - 1) // 40 * 40 :]:
                    if verdict(outcome) == "wrong":
                        print(
                            f"WRONG {outcome.case.name}: {outcome.failed or outcome.served}",
                            file=sys.stderr,
                            flush=True,
                        )
            print(
                f"{time.monotonic() - clock:6.0f}s {number}/{len(chosen)} {case.name}",
                file=sys.stderr,
                flush=True,
            )
    wrong = [outcome for outcome in outcomes if verdict(outcome) == "wrong"]
    pairs = [
        outcome for outcome in outcomes if len(outcome.case.stages) == 2 and outcome.case.stages != cases.FIT
    ]
    total = Counter(verdict(outcome) for outcome in outcomes)
    layouts = sum(len(outcome.served) for outcome in outcomes)
    lines = [
        f"{len(outcomes)} combinations, {layouts} exported folders: {_cell(total)}.",
        "",
        *matrix(outcomes, "architecture", cases.BASES, "shape", "base"),
        "",
        *matrix(outcomes, "stage, alone or in a pair", cases.BASES, "stage", "base"),
        "",
        *matrix(pairs, "first stage, then", cases.PAIRED, "first", "second"),
    ]
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
