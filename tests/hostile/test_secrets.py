"""Keys: read without line breaks, and masked in every form in everything that is written."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.core import deadline, secrets, terminal
from harness.core.errors import ConfigError
from harness.core.files import json_line, write_json, write_text
from harness.core.text import markdown
from harness.core.values import Message, Request
from harness.engines.openai import OpenAIEngine
from harness.report.build import build
from harness.report.terminal import tables
from harness.results.folder import ResultsFolder
from harness.results.remote.filesystem import Remote
from tests.e2e.server_kit import completion
from tests.hostile.servers import serving
from tests.report_data import make, read_samples, rewrite_samples

KEY = "sk-s3cret/S3CRET+s3cret=="


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", KEY)


@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n", "\t"])
def test_a_key_from_a_file_loses_its_line_break(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", KEY + end)
    assert secrets.api_key() == KEY


@pytest.mark.parametrize("inner", ["\n", "\r", "\x1b", "\u00e9", "\u2028"])
def test_a_key_with_a_control_character_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", f"sk-first{inner}second9")
    with pytest.raises(ConfigError, match="HARNESS_API_KEY holds") as raised:
        OpenAIEngine("openai:m@http://127.0.0.1:9/v1")
    assert "first" not in str(raised.value)


def forms(key: str) -> list[str]:
    return [
        key,
        repr(f"{key}\n"),
        quote(key, safe=""),
        json.dumps({"a": key}),
        *(base64.b64encode(b"x" * before + key.encode()).decode() for before in range(4)),
        base64.urlsafe_b64encode(f"user:{key}".encode()).decode(),
    ]


@pytest.mark.parametrize("text", forms(KEY))
def test_every_form_of_a_key_is_masked(text: str, tmp_path: Path) -> None:
    shown = secrets.masked(f"before {text} after")
    assert secrets.HIDDEN in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "s3cret" not in shown
    assert base64.b64encode(b"s3cret").decode()[:-2] not in shown
    write_text(tmp_path / "a", text)
    write_json(tmp_path / "b", {"a": [text]})
    for written in (json_line({"a": text}), (tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()):
        assert b"s3cret" not in written
        assert secrets.HIDDEN.encode() in written


def html_json(key: str) -> str:
    return json.dumps(key).replace("&", "\\u0026").replace("+", "\\u002B").replace("'", "\\u0027")


ESCAPES: dict[str, Callable[[str], str]] = {
    "repr with both quote marks around": lambda key: repr(f"\"'{key}"),
    "bytes": lambda key: repr(key.encode()),
    "bytearray": lambda key: repr(bytearray(key.encode())),
    "a repr in a repr": lambda key: repr(repr(bytearray(key.encode()))),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)),
    "JSON with escaped slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "JSON for HTML": html_json,
    "HTML": html.escape,
    "HTML with numbers": lambda key: key.encode("ascii", "xmlcharrefreplace").decode(),
    "URL": quote,
    "URL in a URL": lambda key: quote(quote(key, safe=""), safe=""),
    "form": quote_plus,
    "Markdown": markdown,
    "CSV": lambda key: '"' + key.replace('"', '""') + '"',
    "YAML and SQL": lambda key: "'" + key.replace("'", "''") + "'",
    "XML": lambda key: html.escape(key, quote=False).replace("'", "&apos;").replace('"', "&quot;"),
    "shell": shlex.quote,
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
@pytest.mark.parametrize(
    "key",
    [
        *(KEY, "sk-it's/s3cret+w0rd==", 'p"ss\\w0rd <s3cret> & größe', "-+/='\"s3cret-"),
        *("hf_s3cret_w0rd_123", "p@s3cret://www.w0rd"),
    ],
)
def test_every_escape_of_a_key_is_masked(
    monkeypatch: pytest.MonkeyPatch, key: str, escape: Callable[[str], str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", key)
    for text in (escape(key), escape(f"before {key} after")):
        for shown in (secrets.masked(text), secrets.masked_json(text.encode()).decode()):
            assert secrets.HIDDEN in shown
            assert "cret" not in shown
            assert "w0rd" not in shown


@pytest.mark.parametrize("outer", ESCAPES.values(), ids=ESCAPES.keys())
@pytest.mark.parametrize(
    "key",
    [
        *(KEY, "sk_s3cret-\"q'uote@w0rd.x/y", 'p"ss\\w0rd <s3cret> & größe', "hf_s3cret_w0rd_123"),
        *("s3cret\\\\\"x\\'w0rd%41&amp;q;#", "s3cret😀é\\é w0rd"),
    ],
)
def test_a_key_that_is_escaped_twice_is_masked(
    monkeypatch: pytest.MonkeyPatch, key: str, outer: Callable[[str], str]
) -> None:
    """As `\\&quot;` in HTML that shows JSON, `%5C%22` in the address of one, and every other pair."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", key)
    for name, inner in ESCAPES.items():
        for within in (key, f"\"before\" {key} 'after'"):
            shown = secrets.masked(outer(inner(within)))
            assert secrets.HIDDEN in shown, name
            assert "cret" not in shown, name
            assert "w0rd" not in shown, name


@pytest.mark.parametrize("outer", [json.dumps, quote, html.escape, html_json])
def test_a_key_in_base64_is_masked_however_that_is_escaped(outer: Callable[[str], str]) -> None:
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + KEY.encode()).decode()
        shown = secrets.masked(outer(encoded))
        assert secrets.HIDDEN in shown
        assert encoded[8:16] not in shown


def test_masked_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("\"s3cret'w0rd\\", "\\s3cret1", "'s3cret\"", KEY):
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", key)
        masked = json.loads(secrets.masked(json.dumps({"a": key, key: [f'"{key}"', json.dumps({"b": key})]})))
        assert masked == {"a": "***", "***": ['"***"', '{"b": "***"}']}


def test_what_only_resembles_a_key_stays() -> None:
    for text in (KEY[:-1], KEY.replace("+", "-"), KEY.upper(), "S3CRET"):
        assert secrets.masked(text) == text


def test_tables_csv_and_reports_hold_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = (KEY, {"a": [KEY]}, f"{'wide ' * 60}{KEY}", f'"{KEY}"', 1.5, None)
    tables.print_table((KEY, "b", "c", "d", "e", "f"), [cells])
    tables.print_csv((KEY, "b", "c", "d", "e", "f"), [cells])
    narrow = terminal.console(width=12)
    boxed = Table(title=KEY)
    boxed.add_column(KEY)
    boxed.add_row(KEY)
    for part in (KEY, Text(KEY), boxed, Panel(Text(KEY))):
        narrow.print(part)
    printed = capsys.readouterr().out
    assert "s3c" not in printed
    assert "cret" not in printed
    assert printed.count(secrets.HIDDEN) >= 13
    make(tmp_path, examples=2)
    folders = ResultsFolder(tmp_path).run_folders()
    rows = [row | {"output": KEY} for row in read_samples(folders[0])]
    rewrite_samples(folders[0], rows)
    page = build(
        tmp_path, tmp_path / "r.html", run_ids=[folder.name for folder in folders], verdicts=[], title=KEY
    )
    assert b"s3cret" not in page.read_bytes()


@pytest.mark.parametrize("value", ["", "none", "EMPTY", "placeholder"])
def test_words_are_no_secrets(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", value)
    text = "none EMPTY placeholder"
    assert secrets.masked(text) == text


@pytest.mark.parametrize("text", forms(KEY))
def test_a_server_that_says_the_key_is_not_believed(text: str) -> None:
    with serving(lambda body: (200, completion(text, reasoning_content=text) | {"model": text})) as spec:
        (answer,) = [one for _, one in OpenAIEngine(spec).generate([_request()])]
    shown = repr(answer)
    assert "s3cret" not in shown
    assert secrets.HIDDEN in answer.text
    assert secrets.HIDDEN in answer.thoughts


@pytest.mark.parametrize(
    "words",
    [
        ["--storage", "postgresql://me:p@ss@w0rd@host/db"],
        ["--storage", "postgresql://me:p@ss/w0rd@host/db"],
        ["--set", "token= w0rd"],
        ["--set", "token=", "w0rd"],
        ["--header", "token: w0rd"],
        ["--set", '{"token":"w0rd"}'],
        ["--set", "{'api_key': 'w0rd'}"],
        ["--api-key", "w0rd"],
        ["https://bucket.s3.amazonaws.com/x.csv?X-Amz-Credential=w0rd&X-Amz-Signature=w0rd&x=1"],
        ["https://a.blob.core.windows.net/x?sv=1&sig=w0rd"],
        ["https://host/f?code=w0rd"],
        ["https://host/get?file=/a/b.csv&code=w0rd/x.y"],
        ["https://host/f?a=1;sig=w0rd"],
        ["https://host/f?tempauth=w0rd&hm=w0rd"],
        ["https://host/?url=https%3A%2F%2Fother%2Fx.csv%3Fsig%3Dw0rd"],
        ["a token=w0rd b"],
    ],
)
def test_the_recorded_command_holds_no_secret(words: list[str]) -> None:
    shown = " ".join(secrets.in_command(["run", *words, "tail"]))
    assert "w0rd" not in shown
    assert shown.startswith("run ")
    assert shown.endswith(" tail")


@pytest.mark.parametrize(
    "words", ["-a", "_", "a", "key", "a://", "@ a://b:", '"@a://', "key: ", "'key':'", "?sig=", ".-_"]
)
def test_a_long_text_is_searched_once_and_not_from_every_letter(words: str) -> None:
    """Such a text may be the name of a model in another tool's log, or what a library logs."""
    text = words * (200_000 // len(words))
    with deadline.within(20):
        assert secrets.hidden(text)
        assert secrets.in_addresses(text)
        assert secrets.in_command([text])


def test_several_addresses_lose_their_passwords_each() -> None:
    text = "'http://me:w0rd@a','postgres://w0rd@b' x://me:w@rd@c/p@q 1:2@3 http://h:80/a@b"
    shown = "'http://***@a','postgres://***@b' x://***@q 1:2@3 http://h:80/a@b"
    assert secrets.hidden(text) == secrets.in_addresses(text) == shown


def test_what_is_no_secret_is_recorded_as_it_is() -> None:
    words = ["run", "--model", "openai:m@http://host:8000/v1#budget_tokens=5", "hf://datasets/o/n@rev/f"]
    words += ["https://host/f?design=3&barcode=7&unsigned=1&api-version=2"]
    words += ["--set", "program.k=2", "--set", "max_new_tokens=4", "key.yaml", "s3://bucket/a:b@c"]
    assert secrets.in_command(words) == words


def test_a_signed_address_is_used_and_not_shown() -> None:
    url = "https://host/x.csv?X-Amz-Signature=w0rd"
    assert Remote.open(url, signed=True).shown == "https://host/x.csv?X-Amz-Signature=***"
    with pytest.raises(ConfigError) as raised:
        Remote.open(url)
    assert "w0rd" not in str(raised.value)


def _request() -> Request:
    return Request(id="q", messages=(Message("user", "q"),), max_new_tokens=5)
