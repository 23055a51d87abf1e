"""The live page's server: who is let in, what it says, and what it asks of a run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.engines.fake import FakeEngine
from harness.report import badges
from harness.report.live import opening, tail
from harness.report.live.score_so_far import ScoreSoFar
from harness.report.live.watch import Watch
from harness.results import live, run_scores
from harness.results.folder import RunFolder
from harness.results.live import LiveCell, LiveRun
from harness.results.records.sample import mean_score
from harness.workflows import run as workflow
from harness.workflows import view
from harness.workflows.options.run import RunOptions
from harness.workflows.options.view import ViewOptions
from tests import live_kit
from tests.live_kit import NAME, ask, first_event, served

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    runs = live_kit.folders(folder)
    live_kit.interrupt(runs[-1], 3)
    live_kit.state(folder, runs)
    return folder


@pytest.fixture(scope="module")
def address(results: Path) -> Iterator[str]:
    with served(results) as (_, address):
        yield address


def test_without_the_token_nothing_is_seen(address: str) -> None:
    root = address.removesuffix("a-token/")
    for path in ("", "other/", "a-toke/", "a-token-/", "events", "/a-token/"):
        status, text, _ = ask(root + path)
        assert (status, text) == (403, "forbidden"), path
    assert ask(root + "skip", data=b"x")[0] == 403
    assert ask(address)[0] == 200


def test_another_name_of_the_machine_and_a_page_of_others_are_refused(address: str) -> None:
    assert ask(address, headers={"Host": "evil.example"})[0] == 403
    assert ask(f"{address}stop", data=b"", headers={"Origin": "https://evil.example"})[0] == 403


def test_it_listens_on_loopback_alone() -> None:
    from harness.report.live import server

    with server.bind() as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError, match="in use"):
            server.bind(listening.getsockname()[1])


def test_pages_load_nothing_from_elsewhere_and_are_not_kept(address: str) -> None:
    for path in ("", "report"):
        status, _, headers = ask(address + path)
        assert status == 200
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "http" not in policy


def test_the_first_event_says_everything_in_words(address: str) -> None:
    event = first_event(address)
    words = {cell["name"]: cell["state"] for cell in event["cells"]}  # type: ignore[attr-defined,index]
    assert words["zero_shot"] == "done"
    assert "answering" in words.values()
    assert event["state"] == "running"
    assert event["seconds_left"] == 75.0
    (verdict,) = event["verdicts"]  # type: ignore[misc]
    assert verdict["sentence"]  # type: ignore[index]
    assert all(row["low"] <= row["mean"] <= row["high"] for row in verdict["rows"])  # type: ignore[index]
    assert event["answers"]
    (curve,) = event["curves"]  # type: ignore[misc]
    assert curve["name"] == "lora"  # type: ignore[index]


def test_the_verdict_has_the_reports_badge_and_needs_two_recipes(tmp_path: Path) -> None:
    runs = live_kit.folders(tmp_path)
    live_kit.state(tmp_path, runs[:1])
    watch = Watch(tmp_path, NAME)
    watch.look()
    assert json.loads(watch.json)["verdicts"] == []
    live_kit.state(tmp_path, runs)
    watch = Watch(tmp_path, NAME)
    watch.look()
    (shown,) = json.loads(watch.json)["verdicts"]
    (verdict,) = run_scores.verdicts(runs)
    assert (shown["badge"], shown["tone"]) == (badges.badge(verdict), badges.tone(verdict))


def test_a_cell_at_work_shows_its_score_so_far_and_the_page_says_why_it_has_no_interval(
    results: Path, address: str
) -> None:
    run = live.read(results, NAME)
    assert run is not None
    *ended, current = first_event(address)["cells"]  # type: ignore[misc]
    head = RunFolder(results / "runs" / run.cells[-1].id).head()
    assert head is not None
    rows = RunFolder(results / "runs" / run.cells[-1].id).rows()
    mean = mean_score(rows, head.task.primary)
    assert current["so_far"] == f"{head.task.primary} {mean:.3f} so far, of the first 3"
    assert {cell["so_far"] for cell in ended} == {""}
    assert "not a random sample of the test set" in ask(address)[1]


def test_the_score_so_far_follows_a_file_that_grows_and_one_that_is_written_anew(tmp_path: Path) -> None:
    made = live_kit.folders(tmp_path, examples=6)[-1]
    later = live_kit.interrupt(made, 2)
    folder = RunFolder(made)
    score, samples = ScoreSoFar(folder), folder.samples

    def expected() -> str:
        rows, head = folder.rows(), folder.head()
        assert head is not None
        primary = head.task.primary
        return f"{primary} {mean_score(rows, primary):.3f} so far, of the first {len(rows)}"

    assert score.words() == expected()
    with samples.open("a", encoding="utf-8") as stream:
        stream.write(later[0] + "no answer\n" + later[1][:30])
    before = score.words()
    assert "of the first 3" in before
    with samples.open("a", encoding="utf-8") as stream:
        stream.write(later[1][30:])
    assert "of the first 4" in score.words()
    draft = tmp_path / "draft"
    draft.write_text("".join(later), encoding="utf-8")
    draft.replace(samples)
    assert score.words() == expected()
    samples.unlink()
    assert score.words() == ""


def test_only_a_cell_at_work_can_be_skipped(results: Path, address: str) -> None:
    run = live.read(results, NAME)
    assert run is not None
    *ended, current = (cell.id for cell in run.cells)
    assert ask(f"{address}skip", data=ended[0].encode())[0] == 404
    assert ask(f"{address}skip", data=b"../../etc/passwd")[0] == 404
    assert ask(f"{address}skip")[0] == 405
    assert ask(f"{address}skip", data=current.encode())[0] == 200
    assert live.skip_file(results, current).exists()
    live.clear_skip(results, current)
    assert ask(f"{address}stop", data=b"")[0] == 200
    assert [live.skip_file(results, cell.id).exists() for cell in run.cells] == [False] * len(ended) + [True]
    live.clear_skip(results, current)


def test_text_of_others_stays_text(tmp_path: Path) -> None:
    (folder,) = (path for path in live_kit.folders(tmp_path) if "zero_shot" in path.name)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text("utf-8").splitlines()]
    rows[-1]["output"] = HOSTILE
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    answer, *_ = tail.latest([("zero_shot", RunFolder(folder))])
    assert answer.output.startswith("</script>")
    assert "\u202e" not in answer.output
    cell = LiveCell(id=folder.name, recipe=HOSTILE, state=HOSTILE, result=HOSTILE)
    live.write(tmp_path, LiveRun(name=NAME, cells=(cell,)))
    watch = Watch(tmp_path, NAME)
    watch.look()
    assert "\u202e" not in json.loads(watch.json)["cells"][0]["name"]
    assert "\n" not in watch.json


@pytest.mark.parametrize(
    ("output", "shown"),
    [("\n" * 60, "\n" * 6 + "…"), ("a\nb\nc", "a\nb\nc"), ("x\n" * 7, "x\n" * 6 + "…"), ("x" * 500, None)],
)
def test_an_answer_of_many_lines_does_not_fill_the_page(
    tmp_path: Path, output: str, shown: str | None
) -> None:
    (folder,) = (path for path in live_kit.folders(tmp_path) if "zero_shot" in path.name)
    last = json.loads((folder / "samples.jsonl").read_text("utf-8").splitlines()[-1])
    (folder / "samples.jsonl").write_text(json.dumps(last | {"output": output}) + "\n", "utf-8")
    answer, *_ = tail.latest([("zero_shot", RunFolder(folder))])
    assert answer.output == shown if shown is not None else len(answer.output) < 500


def test_a_killed_command_is_said_to_be_interrupted_and_a_resumed_one_to_be_at_work(tmp_path: Path) -> None:
    runs = live_kit.folders(tmp_path, examples=6)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    live_kit.state(tmp_path, runs, pid=gone.pid)
    watch = Watch(tmp_path, NAME)
    watch.look()
    before = json.loads(watch.json)
    assert before["state"] == "interrupted: to resume, run the same command"
    assert before["cells"][-1]["state"] == "interrupted"
    live_kit.state(tmp_path, runs)
    watch.look()
    assert json.loads(watch.json)["state"] == "running"


def test_a_file_that_only_claims_to_be_a_report_is_not_served(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("secret")
    live.write(tmp_path, LiveRun(name=NAME, ending="done", report=str(secret)))
    watch = Watch(tmp_path, NAME)
    watch.look()
    assert watch.final() is None


def test_a_command_that_ends_between_two_looks_at_it_was_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = LiveRun(name=NAME, pid=2**22, cells=(LiveCell(id="a", state="answering"),))
    readings = iter([running, replace(running, ending="done")])
    monkeypatch.setattr(live, "read", lambda results, name: next(readings))
    watch = Watch(tmp_path, NAME)
    watch.look()
    assert json.loads(watch.json)["state"] == "finished"


@pytest.mark.parametrize("content", ["", "[", "[]", '{"cells": 3}', '{"pid": "x"}', "9" * 5000])
def test_a_state_that_cannot_be_read_is_no_state(tmp_path: Path, content: str) -> None:
    live.folder(tmp_path).mkdir()
    live.file(tmp_path, NAME).write_text(content)
    watch = Watch(tmp_path, NAME)
    watch.look()
    assert json.loads(watch.json)["cells"] == []


def test_lines_that_are_no_answers_are_left_out(tmp_path: Path) -> None:
    (folder, *_) = live_kit.folders(tmp_path, examples=6)
    (folder / "samples.jsonl").write_bytes(b'{"sample_id": 1, "output": "x"}\n[]\n{"scores": 3}\nnull\n{"sam')
    answers = tail.latest([("r", RunFolder(folder))])
    assert [(answer.example, answer.output) for answer in answers] == [("1", "x")]


def test_a_run_tells_how_far_it_is_and_where_its_report_is(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    done = workflow.from_options(_options(tiny_task, tmp_path))
    assert done is not None
    run = live.read(tmp_path / "results", "colours")
    assert run is not None
    assert (run.ending, run.seconds_left) == ("done", 0.0)
    assert [(cell.state, cell.done, cell.total) for cell in run.cells] == [("done", 8, 8)] * 2
    assert Path(run.report) == done.report
    watch = Watch(tmp_path / "results", "colours")
    watch.look()
    assert watch.final() == done.report


def test_a_cell_that_is_skipped_keeps_its_answers_and_the_same_command_goes_on(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.runner import cell_worker

    monkeypatch.setattr(cell_worker, "LOOK_EVERY", 0.0)
    results = tmp_path / "results"
    reply = engine._text

    def third(request: object) -> str | None:
        if len(engine.asked) == 3:
            run = live.read(results, "colours")
            assert run is not None
            live.skip(results, run.cells[0].id)
        return reply(request)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_text", third)
    done = workflow.from_options(_options(tiny_task, tmp_path))
    assert done is not None
    skipped, other = done.outcome.records
    assert (skipped.status, skipped.error_type, other.status) == ("failed", "CellSkippedError", "done")
    kept = {row.sample_id for row in RunFolder(done.outcome.folders[0]).rows()}
    assert 0 < len(kept) < 8
    assert done.exit_code == 3
    assert done.incomplete == ("zero_shot was skipped; to finish it, run the same command again",)
    report = done.report.read_text("utf-8")
    assert f"Left out: {done.incomplete[0]}" in report
    assert "1 run was skipped." in report
    assert "run failed" not in report
    monkeypatch.setattr(engine, "_text", reply)
    engine.asked.clear()
    again = workflow.from_options(_options(tiny_task, tmp_path))
    assert again is not None
    assert [record.status for record in again.outcome.records] == ["done", "done"]
    assert not kept & {request.id for request in engine.asked[: 8 - len(kept)]}


def test_open_serves_the_page_from_a_process_of_its_own(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(opening, "_has_screen", lambda: False)
    begun: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(opening, "_CHILDREN", begun)
    try:
        workflow.from_options(_options(tiny_task, tmp_path, open=True))
        (line,) = (line for line in capsys.readouterr().err.splitlines() if "live page: " in line)
        address = line.split()[2]
        token = address.split("/")[3]
        assert not any(token in word for word in map(str, begun[0].args))
        status, text, _ = ask(address)
        assert status == 200
        assert "harness report" in text
        assert ask(address.replace(token, "other"))[0] == 403
    finally:
        for child in begun:
            child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()


def test_the_file_that_leads_to_the_page_is_for_this_user_alone() -> None:
    file = opening._detour("http://127.0.0.1:1/a&b/")
    assert file.stat().st_mode & 0o077 == 0
    assert "url=http://127.0.0.1:1/a&amp;b/" in file.read_text()
    file.unlink()


def test_view_says_what_there_is_to_view(tmp_path: Path, results: Path) -> None:
    with pytest.raises(ConfigError, match="harness run TASK --open"):
        view.from_options(ViewOptions(results=tmp_path))
    with pytest.raises(ConfigError, match="no experiment 'suport_tickets'.*did you mean"):
        view.from_options(ViewOptions("suport_tickets", results=results))
    with pytest.raises(ConfigError, match="not a valid name"):
        live.file(results, "../x")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="leave out --port"):
            view.from_options(ViewOptions(results=results, port=taken.getsockname()[1]))


def test_what_is_missing_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(opening, "NEEDED", ("no_such_package",))
    with pytest.raises(ConfigError, match=r"needs no_such_package.*\[live\]"):
        opening.beside(tmp_path, NAME)


def _options(task: Path, tmp_path: Path, **more: object) -> RunOptions:
    return RunOptions(
        str(task), model=("fake",), recipes=("zero_shot", "few_shot"), results=tmp_path / "results", quiet=True,
        report=tmp_path / "report.html", **more,
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_command_that_fails_before_it_runs_leaves_the_page_of_the_one_before(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    results = tmp_path / "results"
    assert workflow.from_options(_options(tiny_task, tmp_path)) is not None
    before = live.read(results, "colours")
    with pytest.raises(ConfigError):
        workflow.from_options(replace(_options(tiny_task, tmp_path), model=("no-such-model",)))
    assert live.read(results, "colours") == before
    with pytest.raises(ConfigError):
        workflow.from_options(replace(_options(tmp_path / "nowhere", tmp_path)))
    assert live.names(results) == ["colours"]
