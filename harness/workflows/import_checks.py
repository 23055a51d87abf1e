"""What is checked and said about the logs of an import once their examples have names: how they pair, which of them
cannot be compared and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.core.errors import ConfigError
from harness.imports.pairing import Pairing, pair, pairings, remedy
from harness.imports.sample import ForeignLog
from harness.results.imported_record import Choice
from harness.results.log_draft import LogDraft
from harness.results.stored_logs import StoredLog


def is_one_system(logs: Sequence[ForeignLog]) -> bool:
    return len({log.system for log in logs}) == 1


def paired(drafts: Mapping[str, Sequence[LogDraft]]) -> list[Pairing]:
    """How the logs of each task pair.

    Raises:
        ConfigError: not one example of several systems is in two logs.
    """
    groups = {task: [draft.names for draft in own] for task, own in drafts.items()}
    pairs = [pairing for own in groups.values() for pairing in pairings(own)]
    systems = {log.log.system for own in groups.values() for log in own}
    if pairs and not any(pairing.paired for pairing in pairs):
        second = next(log for log in groups[pairs[0].task] if log.log.system == pairs[0].second)
        raise ConfigError(pairs[0].sentence, file=second.log.origin.file, remedy=remedy(pairs[0], groups))
    if not pairs and len(systems) > 1:
        logs = [log for own in groups.values() for log in own]
        other = next(log for log in logs if log.log.system != logs[0].log.system)
        across = pairings([logs[0], replace(other, log=replace(other.log, task=logs[0].log.task))])[0]
        named = f"{logs[0].log.system} answered {logs[0].log.task}, {other.log.system} {other.log.task}"
        raise ConfigError(
            f"no two logs are of one task: {named}; {across.sentence}",
            file=other.log.origin.file,
            remedy=_one_name(across),
        )
    return pairs


def _one_name(across: Pairing) -> str:
    if across.paired:
        same = "ids" if across.evidence == ("id",) else "prompts"
        return f"did you mean one task? {across.paired} of {across.of} {same} are the same: --task NAME"
    return "compare logs of one task; import each of these on its own to keep both"


def paired_with_stored(
    drafts: Mapping[str, Sequence[LogDraft]], partners: Mapping[str, Sequence[StoredLog]]
) -> list[Pairing]:
    """How a system that is imported alone pairs with the stored runs of its task."""
    return [pair(log, drafts[task][0].names) for task, logs in partners.items() for log in logs]


def about_stored(drafts: Sequence[LogDraft], stored: Sequence[StoredLog], choice: Choice) -> Iterator[str]:
    """Why stored runs are not compared with what was imported now."""
    for log in stored:
        system, file = log.log.system, log.record.imported.file if log.record.imported else ""
        if log.record.task.primary != choice.primary:
            yield (
                f"{system}, which was imported before, is decided on {log.record.task.primary}, and this on "
                f"{choice.primary}: to compare them, import both files in one command, or with --metric"
            )
        elif not log.shows_content and drafts[0].names.evidence.get("content"):
            yield (
                f"{system} was imported before by what its log holds, without prompts: import {file} again, and its "
                f"examples are named after those of {drafts[0].log.system}"
            )


def about_repeated(drafts: Sequence[LogDraft]) -> Iterator[str]:
    """What to know about systems that appear in several logs of a task, and about the task's versions.

    Raises:
        ConfigError: logs of one system that share no example: parts of a log, or of several tasks.
    """
    systems: dict[str, list[LogDraft]] = {}
    for draft in drafts:
        systems.setdefault(draft.log.system, []).append(draft)
    for system, own in systems.items():
        if len(own) > 1:
            yield _of_one_system(system, own)
    versions = {draft.log.system: draft.log.task_version for draft in drafts if draft.log.task_version}
    if len(set(versions.values())) > 1:
        answered = ", ".join(f"{system} {version}" for system, version in versions.items())
        yield (
            f"versions of {drafts[0].log.task} differ ({answered}): scores of two versions are not compared; run the "
            "tool again with one version"
        )


def _of_one_system(system: str, drafts: Sequence[LogDraft]) -> str:
    first, *others = drafts
    task, count = first.log.task, len(drafts)
    shared = first.names.names.intersection(*(draft.names.names for draft in others))
    if not shared:
        raise ConfigError(
            f"{system} appears in {count} logs of {task} that share no example",
            file=others[0].log.origin.file,
            remedy="parts of one log: join the files; logs of several tasks: name one samples file instead of --task",
        )
    if any(draft.log.origin.settings != first.log.origin.settings for draft in others):
        return (
            f"{system} appears in {count} logs of {task} with other settings, taken as {count} systems; --name gives "
            "each file's a name"
        )
    largest = max(len(draft.names.names) for draft in drafts)
    alike = "" if len(shared) == largest else f", of which {len(shared)} of {largest} examples are in all"
    return f"{system} appears in {count} logs of {task}, taken as its seeds{alike}; to compare them, give each file a --name"


def about_uncompared(
    drafts: Mapping[str, Sequence[LogDraft]], partners: Mapping[str, Sequence[StoredLog]]
) -> Iterator[str]:
    """Which tasks only one of several systems answered, so that they are in the store but in no
    comparison."""
    systems = {draft.log.system for own in drafts.values() for draft in own}
    alone: dict[str, list[str]] = {}
    for task, own in drafts.items():
        if is_one_system([draft.log for draft in own]) and not partners[task]:
            alone.setdefault(own[0].log.system, []).append(task)
    if len(systems) > 1:
        for system, tasks in alone.items():
            yield f"{', '.join(tasks)}: only {system} answered {'it' if len(tasks) == 1 else 'them'}; nothing to compare"


def about_logs(drafts: Iterable[LogDraft]) -> list[str]:
    """What to know about each log, said once if it is true of several."""
    lines = [f"{draft.log.system}, {draft.log.task}: {note}" for draft in drafts for note in _of(draft)]
    return list(dict.fromkeys(lines))


def _of(draft: LogDraft) -> list[str]:
    lacks = [lack for writer in draft.writers.values() if (lack := writer.missing()) is not None]
    errors = sum(lack.count for lack in lacks)
    answers = sum(writer.count for writer in draft.writers.values())
    failed = [f"{errors} of {answers} answers failed and count as neither right nor wrong"] if errors else []
    count = len(draft.writers)
    each = "to each example" if answers == count * len(draft.names.names) else "or fewer to an example"
    repeats = [f"{count} answers {each}, taken as seeds"] if count > 1 else []
    asked, offered = draft.log.asked or len(draft.names.names), draft.log.offered
    limit = [f"asked {asked:,} of the task's {offered:,} examples"] if offered and asked < offered else []
    return [*draft.log.notes, *draft.notes, *limit, *failed, *repeats]
