"""What servers do wrong, through the command: what the terminal, `ls`, the report and the exit code say."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.models.source import resolve
from tests.e2e.server_kit import Body, Reply, Server, completion, first, page, records, right, rows, thing

Harness = Callable[..., tuple[int, str, str]]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Runs a command in an empty folder; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, words)])
        # Each call of `main` registers all commands: those of the calls before would only cost time.
        monkeypatch.setattr(cli.app, "registered_commands", [])
        monkeypatch.setattr(cli.app, "registered_groups", [])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code
        printed = capsys.readouterr()
        return int(code or 0), printed.out, printed.err

    return call


@pytest.fixture
def run(harness: Harness, server: Server, tiny_task: Path) -> Callable[..., tuple[int, str]]:
    """`harness run` of the tiny task against the server: exit code and stdout."""

    def call(recipes: str = "zero_shot", *words: str, model: str = "") -> tuple[int, str]:
        command = ("run", tiny_task, "--recipes", recipes, "--model", model or server.model(), "-q", *words)
        code, out, _ = harness(*command)
        return code, out

    return call


def listed(harness: Harness) -> str:
    return " ".join(harness("ls")[1].split())


def test_half_of_the_answers_missing_is_partial_said_first_and_asked_again(
    run: Run, harness: Harness, server: Server
) -> None:
    server.reply = lambda body, _: (503, {"error": {"message": "busy"}}) if thing(body) % 2 else None
    code, out = run()
    line = "4 of 8 answers of zero_shot are missing: HTTP 503: busy"
    assert code == 3
    assert first(out) == line
    assert page().startswith(f"Incomplete {line}")
    assert "partial: 4 of 8 answers are missing: HTTP 503: busy" in listed(harness)
    assert records()[0]["metrics"]["exact"] == {"mean": 1.0, "n": 4}

    server.reply, before = (lambda body, _: None), len(server.bodies)
    code, out = run()
    again = [thing(body) for body in server.bodies[before:]]
    assert code == 0
    assert "missing" not in out
    assert again[:4] == [1, 3, 5, 7]
    assert [row["finish_reason"] for row in rows().values()] == ["stop"] * 8
    assert (records()[0]["status"], records()[0]["missing"]) == ("done", None)
    assert "Incomplete" not in page()


def test_the_verdict_says_which_answers_it_did_without(run: Run, server: Server) -> None:
    def reply(body: Body, _: int) -> Reply | None:
        shots = len(body["messages"]) > 2
        return None if shots or thing(body) < 4 else (503, {"error": {"message": "busy"}})

    server.reply = reply
    code, out = run("zero_shot,few_shot", "--json")
    printed, line = json.loads(out), "4 of 8 answers of zero_shot are missing: HTTP 503: busy"
    assert code == 3
    assert (printed["exit_code"], printed["incomplete"]) == (3, [line])
    assert printed["verdict"]["reasons"][0].startswith(line)
    assert printed["verdict"]["winner"] is None


@pytest.mark.parametrize(
    ("status", "message", "asked"),
    [
        (401, "no such key", 1),
        (404, "no model named m", 1),
        (400, "this deployment is being retired", 5),
        (422, "parameter top_k is needed", 5),
    ],
)
def test_when_everything_fails_for_one_reason_few_are_asked_and_the_reason_comes_first(
    run: Run, harness: Harness, server: Server, status: int, message: str, asked: int
) -> None:
    server.reply = lambda body, _: (status, {"error": {"message": message}})
    code, out = run()
    assert code == 3
    assert f"HTTP {status}: {message}" in first(out)
    assert first(out).startswith("zero_shot failed: ")
    assert len(server.bodies) == asked
    assert records()[0]["status"] == "failed"
    assert f"failed: EngineError: http://127.0.0.1:{server.server_port}/v1 refuses" in listed(harness)
    assert f"HTTP {status}: {message}" in page()


def test_a_refusal_of_some_requests_stops_nothing(run: Run, server: Server) -> None:
    long = {"error": {"message": "maximum context length is 20 tokens", "code": "context_length_exceeded"}}
    server.reply = lambda body, _: (400, long) if thing(body) < 6 else None
    code, out = run()
    assert code == 3
    assert first(out).startswith("6 of 8 answers of zero_shot are missing: HTTP 400: maximum context length")


def test_a_server_that_goes_away_leaves_what_it_answered(run: Run, harness: Harness, server: Server) -> None:
    def reply(body: Body, number: int) -> Reply:
        if number == 3:
            server.socket.close()
        return 200, completion(right(body)), {"Connection": "close"}

    server.reply = reply
    code, out = run()
    assert code == 3
    assert first(out).startswith("5 of 8 answers of zero_shot are missing: no server at http://127.0.0.1:")
    assert "connection refused" in first(out)
    assert "partial: 5 of 8 answers are missing" in listed(harness)
    code, out = run()
    assert code == 3
    assert first(out).startswith("5 of 8 answers")


def test_max_completion_tokens_is_sent_where_a_server_wants_it(run: Run, server: Server) -> None:
    unsupported = "Unsupported parameter: 'max_tokens' is not supported with this model."
    server.reply = lambda body, _: (
        (400, {"error": {"message": unsupported, "param": "max_tokens"}}) if "max_tokens" in body else None
    )
    assert run("zero_shot,few_shot")[0] == 0
    refused = [body for body in server.bodies if "max_tokens" in body]
    assert len(refused) == 1
    assert {body.get("max_completion_tokens") for body in server.bodies} == {None, 6}
    assert records()[0]["metrics"]["exact"]["mean"] == 1.0


def test_a_limit_that_is_too_large_is_not_sent_under_another_name(run: Run, server: Server) -> None:
    too_large = {"message": "max_tokens is too large: this model supports at most 5", "param": "max_tokens"}
    server.reply = lambda body, _: (400, {"error": too_large})
    code, out = run()
    assert (code, len(server.bodies)) == (3, 5)
    assert "max_tokens is too large" in first(out)


@pytest.mark.parametrize(
    "words", ["System role not supported", "Unsupported value: 'messages[0].role' does not support 'system'"]
)
def test_a_system_message_is_folded_where_a_server_takes_none(run: Run, server: Server, words: str) -> None:
    server.reply = lambda body, _: (
        (400, {"error": {"message": words}}) if body["messages"][0]["role"] == "system" else None
    )
    assert run()[0] == 0
    refused = [body for body in server.bodies if body["messages"][0]["role"] == "system"]
    assert len(refused) == 1
    (message,) = server.bodies[-1]["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("Say the colour.")
    assert rows()["test-0"]["prompt"].startswith("user: Say the colour.")
    assert "does not accept a system message" in " ".join(records()[0]["answer"]["notes"])


def test_a_server_without_a_temperature_is_asked_without_and_it_is_said(run: Run, server: Server) -> None:
    text = "Unsupported value: 'temperature' does not support 0 with this model."
    server.reply = lambda body, _: (400, {"error": {"message": text}}) if "temperature" in body else None
    assert run()[0] == 0
    assert "does not accept a temperature" in " ".join(records()[0]["answer"]["notes"])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            completion(None, refusal="I can't help with that."),
            "refused by the model: I can't help with that.",
        ),
        (completion(None, "content_filter"), "content_filter"),
    ],
)
def test_a_refusal_is_a_wrong_answer_with_its_reason(
    run: Run, server: Server, answer: Body, why: str
) -> None:
    server.reply = lambda body, _: (200, answer) if thing(body) == 0 else None
    assert run()[0] == 0
    row = rows()["test-0"]
    assert (row["finish_reason"], row["failure"]) == ("refused", "refused")
    assert why in row["error"]
    assert records()[0]["metrics"]["exact"] == {"mean": 7 / 8, "n": 8}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (completion(None, "tool_calls", tool_calls=[{"id": "a"}]), "a tool call instead of a text"),
        (completion(None), "content is null (finish_reason stop)"),
    ],
)
def test_an_answer_without_a_text_is_missing_with_its_finish_reason(
    run: Run, server: Server, answer: Body, why: str
) -> None:
    server.reply = lambda body, _: (200, answer) if thing(body) == 0 else None
    code, out = run()
    assert code == 3
    assert first(out).startswith("1 of 8 answers of zero_shot is missing: ")
    assert why in first(out)
    assert records()[0]["metrics"]["exact"] == {"mean": 1.0, "n": 7}


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}])
def test_missing_token_counts_are_estimated_and_said(run: Run, server: Server, usage: Any) -> None:
    server.reply = lambda body, _: (200, completion(right(body), usage=usage))
    assert run(model=server.model(str(resolve("tiny"))))[0] == 0
    row, record = rows()["test-0"], records()[0]
    # The tiny model's tokenizer has one token a byte.
    assert (row["tokens_in"], row["tokens_out"]) == (len("Say the colour.\nthing test 0"), len("red"))
    assert record["metrics"]["exact"] == {"mean": 1.0, "n": 8}
    assert "are estimated with the model's own tokenizer" in " ".join(record["answer"]["notes"])


def test_an_error_under_http_200_is_retried_by_its_code(run: Run, server: Server) -> None:
    limited = {"error": {"code": 429, "message": "slow down"}}
    headers = {"Retry-After": "0.05"}
    server.reply = lambda body, number: (200, limited, headers) if number == 1 else None
    assert run(model=server.model(limits="concurrency=1,max_retries=1"))[0] == 0
    row = rows()["test-0"]
    assert row["retries"] == 1
    assert row["waited"] >= 0.05
    assert all(row["retries"] == 0 for row in list(rows().values())[1:])
    assert records()[0]["answer"]["retries"] == 1


def test_an_error_under_http_200_keeps_its_message(run: Run, server: Server) -> None:
    error = {"error": {"code": 502, "message": "the upstream is down"}, "choices": None}
    server.reply = lambda body, _: (200, error) if thing(body) == 2 else None
    code, out = run()
    assert code == 3
    assert first(out) == "1 of 8 answers of zero_shot is missing: HTTP 502: the upstream is down"


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_asks_whether_v1_is_missing(run: Run, server: Server, status: int) -> None:
    server.reply = lambda body, _: (status, b"<!doctype html><html><body>Welcome</body></html>")
    code, out = run()
    assert code == 3
    assert "is /v1 missing from the address?" in first(out)
    assert "Welcome" not in out
    assert len(server.bodies) <= 5


def test_a_proxy_that_is_down_is_named(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    code, out = run()
    assert code == 3
    assert "the proxy http://127.0.0.1:9 does not answer: connection refused" in first(out)
    assert "secret" not in out + page()
    assert server.bodies == []


def test_throughput_is_answers_over_the_clock(run: Run, server: Server) -> None:
    together = threading.Barrier(4)

    def reply(body: Body, number: int) -> None:
        if number <= 8:
            together.wait(timeout=20)

    server.reply = reply
    assert run(model=server.model(limits="concurrency=4"))[0] == 0
    record = records()[0]
    shares = [row["clock"] for row in rows().values()]
    assert record["answer"]["throughput"] == pytest.approx(8 / sum(shares))
    assert record["answer"]["seconds"] == pytest.approx(sum(shares))
    # Four at a time wait for one another, so that their seconds overlap.
    assert sum(shares) < sum(row["seconds"] for row in rows().values())
    assert sum(shares) <= record["seconds"]


def test_a_report_is_not_replaced_by_one_that_holds_less(run: Run, harness: Harness, server: Server) -> None:
    assert run("zero_shot,few_shot")[0] == 0
    before = Path("reports/colours.html").read_bytes()

    server.reply = lambda body, _: (401, {"error": {"message": "no such key"}})
    code, out = run("bm25_rag")
    assert code == 3
    assert Path("reports/colours.html").read_bytes() == before
    assert out.strip().endswith("(reports/colours.html is kept: it holds 2 finished runs)")

    server.reply = lambda body, _: None
    code, out = run("bm25_rag")
    assert code == 0
    assert Path("reports/colours.html").read_bytes() == before
    assert "report: reports/colours-2.html" in out
    assert "bm25_rag" in page("colours-2")


def test_a_report_names_the_runs_that_it_leaves_out(run: Run, harness: Harness, server: Server) -> None:
    assert run("zero_shot,few_shot")[0] == 0
    # A later command on fewer examples was stopped, another one failed.
    assert run("bm25_rag", "--limit", "3")[0] == 0
    (stopped,) = Path("results/runs").glob("colours-bm25_rag-*")
    (stopped / "run.json").unlink()
    server.reply = lambda body, _: (401, {"error": {"message": "no such key"}})
    assert run("gold_context", "--limit", "3")[0] == 3

    code, _, err = harness("report", "--task", "colours", "-o", "all.html")
    assert code == 0
    assert "not finished, and left out: " in err
    assert stopped.name in err
    text = re.sub(r"<[^>]+>", " ", Path("all.html").read_text(encoding="utf-8"))
    assert "Left out: bm25_rag was interrupted; to finish it, run the same command again" in text
    assert "Left out: gold_context failed: " in text
    assert {"zero_shot", "few_shot"} <= set(re.findall(r"\w+", text))
    _, out, _ = harness("report", "--json", "-o", "all.html")
    output = json.loads(out)
    assert [run.split("-")[1] for run in sorted(output["runs"])] == ["few_shot", "zero_shot"]
    assert len(output["unfinished"]) == 2
    assert {s["recipe"] for s in output["verdicts"][0]["summaries"]} == {"zero_shot", "few_shot"}


def test_a_search_and_a_diagnosis_take_no_partial_run(
    harness: Harness, server: Server, tiny_task: Path
) -> None:
    def reply(body: Body, _: int) -> Reply:
        odd = int(body["messages"][-1]["content"][-1]) % 2
        return (503, {"error": {"message": "busy"}}) if odd else (200, completion("red"))

    server.reply = reply
    model = ("--model", server.model())
    code, _, err = harness("diagnose", tiny_task, *model)
    assert code == 3
    assert "probe zero_shot partial: 3 of 6 answers are missing: HTTP 503: busy" in err
    words = ("--recipe", "few_shot", "--trials", "1", "--seeds", "0")
    code, _, err = harness("search", tiny_task, *words, *model)
    assert code == 3
    assert "3 of 6 answers are missing: HTTP 503: busy" in err


@pytest.mark.parametrize(
    "error",
    [{"error": "model 'm' is not loaded"}, {"error": {"message": "model 'm' is not loaded", "type": "oops"}}],
    ids=["text", "object"],
)
def test_an_error_under_http_200_to_every_request_is_final_and_said_first(
    run: Run, server: Server, error: Body
) -> None:
    """With the default number of retries: none is made, and few of the eight examples are asked."""
    server.reply = lambda *_: (200, error)
    code, out = run(model=server.model(limits="concurrency=1"))
    assert code == 3
    assert "model 'm' is not loaded (5 in a row)" in first(out)
    assert len(server.bodies) == 5


def test_an_error_under_http_200_that_may_pass_is_asked_again(run: Run, server: Server) -> None:
    busy = {"error": {"message": "the server is overloaded"}}
    server.reply = lambda _, number: (200, busy, {"Retry-After": "0.01"}) if number == 1 else None
    assert run(model=server.model(limits="concurrency=1,max_retries=1"))[0] == 0
    assert rows()["test-0"]["retries"] == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("run", "nowhere"), "unknown task 'nowhere'"),
        (("run", "colours", "--limit", "many"), "Invalid value for '--limit'"),
        (("run",), "Missing argument 'target'"),
        (("ls", "--colour"), "No such option: --colour"),
        (("run", "colours", "--recipes", "dpo"), "unknown recipe 'dpo' — did you mean 'lora_dpo'?"),
    ],
)
def test_with_json_an_error_of_usage_is_one_json_object(
    harness: Harness, tiny_task: Path, words: tuple[str, ...], error: str
) -> None:
    code, out, err = harness(*(str(tiny_task) if word == "colours" else word for word in words), "--json")
    assert code == 2
    assert err
    output = json.loads(out)
    assert error in output["error"]
    assert output["exit_code"] == 2


def test_exit_codes_stand_in_the_help(harness: Harness) -> None:
    text = " ".join(harness("--help")[1].split())
    assert "3 some run failed or is partial" in text
    assert "130 stopped with Ctrl-C" in text
