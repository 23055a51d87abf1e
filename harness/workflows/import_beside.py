"""Another tool's answers beside our own runs of the same task: matched to its test examples, and scored by
its scorers.

The tool's own scores are not used: two scores are shown beside each other only if one scorer gave both.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.values import Example
from harness.imports.content import as_text, normalized
from harness.imports.pairing import Pairing
from harness.imports.sample import ForeignLog, ForeignSample
from harness.results import imported, imported_record, log_draft, sample_metrics
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.imported_rows import missing_for_good
from harness.results.put_in_place import put_in_place
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord
from harness.runner import scoring
from harness.runner.cells import describe_task

OURS = "the test examples"
NO_QUESTION, OTHER_TARGET = "no test example asks this", "a test example asks this, with another target"
NOT_ASKED = "not in the log"


class Questions:
    """The test examples of a task, by what they ask."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._by_text: dict[str, list[Example]] = {}
        for example in examples:
            self._by_text.setdefault(_question(example), []).append(example)

    def find(self, sample: ForeignSample) -> tuple[list[Example], str]:
        """The examples that a sample may match, in the file's order, and the reason if there is none.

        What is asked is the whole prompt, a column of the data set's row, or, last, the only example whose question
        ends the prompt.
        """
        texts = dict.fromkeys(_texts(sample))
        asking = [example for text in texts for example in self._by_text.get(text, ())]
        if not asking and sample.prompt is not None:
            asking = self._within(normalized(sample.prompt))
        wanted = set(_targets(sample))
        fitting = [example for example in asking if wanted & set(_accepted(example))]
        return fitting, "" if fitting else OTHER_TARGET if asking else NO_QUESTION

    def _within(self, prompt: str) -> list[Example]:
        """The examples with the longest question in the prompt's last part, behind any shots."""
        inside = [text for text in self._by_text if text and text in prompt]
        last = max(inside, key=lambda text: (prompt.rfind(text) + len(text), len(text)), default=None)
        return [] if last is None else self._by_text[last]


def _question(example: Example) -> str:
    return normalized(" ".join(as_text(value) for value in example.input.values()))


def _texts(sample: ForeignSample) -> Iterator[str]:
    """The texts that a sample may be asking about, one string each."""
    for row in (sample.document, sample.input):
        values = [value for value in (row or {}).values() if isinstance(value, str)]
        yield from map(normalized, values)
        yield normalized(" ".join(values))
    if sample.prompt is not None:
        yield normalized(sample.prompt)


def _targets(sample: ForeignSample) -> Iterator[str]:
    """What a sample's target may be: the target itself, each that a list accepts, and the choice that it numbers."""
    target = as_text(sample.target)
    yield normalized(target)
    for accepted in sample.target if isinstance(sample.target, list) else ():
        yield normalized(as_text(accepted))
    choices = sample.conditions.split("\x1e")
    if target.isdigit() and int(target) < len(choices):
        yield normalized(choices[int(target)])


def _accepted(example: Example) -> list[str]:
    targets = example.target if isinstance(example.target, list) else [example.target]
    return [normalized(as_text(target)) for target in (*targets, example.target)]


def run(
    logs: Sequence[ForeignLog], name: str, results: Path, now: Callable[[str], None]
) -> tuple[list[RunRecord], list[Pairing]]:
    """The logs as runs of our task `name`.

    Raises:
        ConfigError: no such task, or a log of which no sample is one of its test examples.
    """
    from harness.tasks.load import load

    task = load(name)
    questions = Questions(task.splits["test"])
    records, pairs = [], []
    for log in logs:
        now(f"{log.system}: matching the test examples of {task.name}")
        rows, pairing = _rows(task, questions, log)
        if not pairing.paired:
            remedy = "name the task that the log is of, or make one of its data: harness init FILE"
            raise ConfigError(pairing.sentence, file=log.origin.file, remedy=remedy)
        pairs.append(pairing)
        records += [_finish(results, task, log, repeat, own) for repeat, own in sorted(rows.items())]
    return records, pairs


def _rows(task: Task, questions: Questions, log: ForeignLog) -> tuple[dict[int, list[SampleRecord]], Pairing]:
    rows: dict[int, list[SampleRecord]] = {}
    taken: dict[int, set[str]] = {}
    whys: Counter[str] = Counter()
    for sample in log.samples():
        fitting, why = questions.find(sample)
        used = taken.setdefault(sample.repeat, set())
        example = next((example for example in fitting if example.id not in used), None)
        if example is None:
            whys[why or "a duplicate of another one in the log"] += sample.repeat == 0
            continue
        used.add(example.id)
        rows.setdefault(sample.repeat, []).append(_row(task, example, sample))
    matched = set().union(*taken.values())
    left = len(task.splits["test"]) - len(matched)
    reasons = {log.system: dict((+whys).most_common()), OURS: {NOT_ASKED: left} if left else {}}
    pairing = Pairing(
        task=task.name,
        first=log.system,
        second=OURS,
        paired=len(matched),
        of=len(task.splits["test"]),
        evidence=("content",),
        equal=0,
        reasons=reasons,
    )
    return rows, pairing


def _row(task: Task, example: Example, sample: ForeignSample) -> SampleRecord:
    lost = sample.error or ("" if sample.answer is not None else "the log holds no answer")
    row = SampleRecord(
        sample_id=example.id,
        input=dict(example.input),
        turns=example.turns,
        target=example.target,
        group=example.group,
        meta={**example.meta, "id": sample.id},
        context_ids=example.context_ids,
        prompt=sample.prompt,
        output=sample.answer,
        tokens_in=sample.tokens_in,
        tokens_out=sample.tokens_out,
        seconds=sample.seconds,
        finish_reason="error" if lost else "stop",
        error=lost or None,
    )
    return scoring.scored(task, row, example)


def _finish(results: Path, task: Task, log: ForeignLog, repeat: int, rows: list[SampleRecord]) -> RunRecord:
    """Write the run; one that is there already, of the same file and scoring, stays as it is."""
    about = describe_task(task)
    key = digest([log.origin.sha256, log.task, log.system, about.to_json(), repeat])
    lack = missing_for_good((row.error or "" for row in rows if not row.answered), len(rows))
    about_run = imported_record.head(log, repeat, key, task.name)
    record = RunRecord.of(
        {
            **about_run,
            "task": about.to_json(),
            "limit": None if len(rows) == len(task.splits["test"]) else len(rows),
            "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "error": None if lack is None else lack.sentence(),
            "missing": None if lack is None else lack.to_json(),
            "metrics": sample_metrics.metrics(rows),
            "counts": sample_metrics.counts(rows, task.primary),
        }
    )
    folder = ResultsFolder(results).run(record.id)
    if folder.record() is None:
        _write(folder, record, rows, log_draft.folder_of(results, log, key))
    return record


def _write(folder: RunFolder, record: RunRecord, rows: Sequence[SampleRecord], apart: Path) -> None:
    """Write the run in a folder apart, and put it in place."""
    log_draft.remove_left_behind(apart)
    with imported.removed_at_the_end() as folders:
        folders.append(apart)
        made = RunFolder(apart / "run")
        made.path.mkdir(parents=True, exist_ok=True)
        for row in rows:
            made.add(row)
        made.finish(record)
        put_in_place(made.path, folder.path, is_there=lambda: folder.record() is not None)
