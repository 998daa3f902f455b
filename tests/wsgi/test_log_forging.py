"""Promise: nothing that a client sends or an application says forges a log line or a field of one, or steers the terminal
that shows it: a request is one access line, which parses, without a control character."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server import Server, Starter

# C0, DEL, C1, and what JavaScript and some log viewers take for line ends; U+FFFD is what was no UTF-8.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
ACCESS = "monopod::access"
FIELDS = [
    "client",
    "method",
    "path",
    "query",
    "version",
    "status",
    "bytes",
    "queue_ms",
    "app_ms",
    "total_ms",
    "complete",
]
FIELDS += ["reason", "request_id", "trace_id", "span_id", "user_agent"]
# Only where they are known.
SOMETIMES = {"queue_ms", "app_ms", "trace_id", "span_id"}
# What a record in text says below its line.
BELOW = "    "
LINE = re.compile(r"\S+Z +(?P<level>[A-Z]+) (?P<target>[\w:.]+): (?P<message>.*)")
FIELD = re.compile(r'(?P<key>\w+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"]+))(?: |$)')
ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
Record = dict[str, Any]


def plain(text: str) -> str:
    """A quoted value as it was (Rust's `escape_debug`)."""
    short = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else short.get(found[2], found[2]), text)


def as_text(line: str) -> Record:
    found = LINE.fullmatch(line)
    assert found, line
    record: Record = {"level": found["level"], "target": found["target"]}
    if found["target"] != ACCESS:
        return record
    message, _, rest = found["message"].partition(" ")
    assert message == "request", line
    at = 0
    while at < len(rest):
        field = FIELD.match(rest, at)
        assert field, rest[at:]
        assert field["key"] not in record, line
        record[field["key"]] = field["bare"] if field["quoted"] is None else plain(field["quoted"])
        at = field.end()
    return record


def once(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    assert len(record) == len(pairs), pairs
    return record


def as_json(line: str) -> Record:
    record: Record = json.loads(line, object_pairs_hook=once)
    if record["target"] == ACCESS:
        assert record.pop("message") == "request"
    return record


class Log:
    """A server, its format, and what it said on stdout; stderr is left to Python's tracebacks."""

    def __init__(self, start: Starter, form: str, *options: str) -> None:
        self.parse = {"text": as_text, "json": as_json}[form]
        self.server: Server = start(
            "forging:application", "--log-format", form, "--threads", "1", *options, stderr=subprocess.DEVNULL
        )

    def send(self, request: bytes) -> bytes:
        """A request on a connection of its own; all that is answered."""
        with self.server.connect() as client:
            client.send(request)
            return client.rest()[0]

    def end(self, *, lossy: bool = False) -> list[Record]:
        """Every line, once the server has ended; `lossy`: where a name is no UTF-8, the server says so by U+FFFD."""
        assert self.server.terminate() == 0
        log = self.server.log()
        assert log.endswith("\n")
        lines = (log.replace("\ufffd", "") if lossy else log)[:-1].split("\n")
        for line in lines:
            # A tab is an application's own layout in text, and neither ends a line nor steers anything.
            bad = CONTROL.search(line if self.parse is as_json else line.replace("\t", " "))
            assert not bad, (bad, line)
        if self.parse is as_text:
            lines = [line for line in lines if not line.startswith(BELOW)]
        return [self.parse(line) for line in lines]

    def access(self) -> list[Record]:
        """The access records, which have their fields and no others."""
        records = [record for record in self.end() if record["target"] == ACCESS]
        for record in records:
            record.pop("timestamp", None)
            record.pop("target")
            assert record.pop("level") == "INFO"
            assert list(record) == [field for field in FIELDS if field in record or field not in SOMETIMES], record
        return records


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def get(target: bytes = b"/", headers: bytes = b"", method: bytes = b"GET", host: bytes = b"a") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n" + headers + b"\r\n"


# Sent as path, query and header value.
RAW = [bytes([byte]) for byte in range(256)] + [
    text.encode() for text in ("\x80", "\x85", "\x9b31m", "\x9f", "\u2028", "\u2029", "\u202e", "\ufeff", "\U0001f600")
]
# Whole ones, to be told from what they forge.
TARGETS: list[tuple[bytes, str, str]] = [
    (b"/%0aFORGED%0d%0a?%0aFORGED", "/%0aFORGED%0d%0a", "%0aFORGED"),
    (b"/%1b[31m%7f%c2%85%e2%80%a8", "/%1b[31m%7f%c2%85%e2%80%a8", ""),
    (b'/"status=999', '/"status=999', ""),
    (b'/","status":999,"x":"', '/","status":999,"x":"', ""),
    (b'/\\"status=999\\', '/\\"status=999\\', ""),
    (b"/\\n\\u000aFORGED\\x1b", "/\\n\\u000aFORGED\\x1b", ""),
    (b"/\\u{1b}?a=b&status=999", "/\\u{1b}", "a=b&status=999"),
    ("/\x85\u2028\xe9?\x9b31m\u2029".encode(), "/%C2%85%E2%80%A8%C3%A9", "%C2%9B31m%E2%80%A9"),
    (b'http://a/x"?y', '/x"', "y"),
]
VALUE = b'" status=999 \\" \\n reason="forged'


def test_targets(start: Starter, form: str) -> None:
    log = Log(start, form)
    for target, _, _ in TARGETS:
        assert log.send(get(target)).startswith(b"HTTP/1.1 200 "), target
    told = [(record["path"], record["query"], str(record["status"])) for record in log.access()]
    assert told == [(path, query, "200") for _, path, query in TARGETS]


@pytest.mark.parametrize(
    "place",
    ["path", "query", "method", "version", "host", "user-agent", "referer", "x-request-id", "x-forwarded-for", "name"],
)
def test_every_byte_in_every_place(start: Starter, form: str, place: str) -> None:
    log = Log(start, form)
    requests = [
        {
            "path": lambda raw: get(b"/x" + raw + b"y"),
            "query": lambda raw: get(b"/?x" + raw + b"y"),
            "method": lambda raw: get(method=b"GE" + raw + b"T"),
            "version": lambda raw: get().replace(b"/1.1", b"/1." + raw + b"1"),
            "host": lambda raw: get(host=b"x" + raw + b"y"),
            "name": lambda raw: get(headers=b"X" + raw + b"Y: 1\r\n"),
        }.get(place, lambda raw: get(headers=place.encode() + b": x" + raw + b"y\r\n"))(raw)
        for raw in RAW
    ]
    # LF in a value ends the header and a quoted `y` follows: two lines of one request, not two requests.
    for request in requests:
        assert log.send(request).startswith(b"HTTP/1.1 ")
    records = log.access()
    assert len(records) == len(requests)
    assert {str(record["status"]) for record in records} <= {"200", "400", "505"}
    assert {record["client"] for record in records} == {"127.0.0.1"}


HEADERS = ["User-Agent", "Referer", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"]
HEADERS += ["X-Forwarded-Prefix", "X-Real-IP", "Forwarded", "Traceparent", "Cookie", "Authorization", "X-Anything"]


@pytest.mark.parametrize("trusted", ["127.0.0.1", "none"])
def test_quotes_in_headers(start: Starter, form: str, trusted: str) -> None:
    log = Log(start, form, "--forwarded-allow-ips", trusted)
    for name in HEADERS:
        assert log.send(get(b"/x", name.encode() + b": " + VALUE + b"\r\n")).startswith(b"HTTP/1.1 200 ")
    records = log.access()
    assert [record["user_agent"] for record in records] == [VALUE.decode()] + [""] * (len(HEADERS) - 1)
    assert {(record["client"], str(record["status"])) for record in records} == {("127.0.0.1", "200")}


def test_a_client_is_an_address_or_nothing(start: Starter, form: str) -> None:
    log = Log(start, form)
    sent = {
        b"1.2.3.4": "1.2.3.4",
        b"2001:db8::1": "2001:db8::1",
        b'"1.2.3.4" status=999': "127.0.0.1",
        b'1.2.3.4" status="999': "127.0.0.1",
        b"fe80::1%eth0\\n": "127.0.0.1",
        b"1.2.3.4\x85": "127.0.0.1",
        b"\xc2\x85, 1.2.3.4": "1.2.3.4",
    }
    for value in sent:
        assert log.send(get(headers=b"X-Forwarded-For: " + value + b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert [record["client"] for record in log.access()] == list(sent.values())


def test_methods(start: Starter, form: str) -> None:
    log = Log(start, form)
    methods = [b"status=999", b"GE'T", b"`id`", b"!#$%&'*+-.^_|~"]
    sent = [log.send(get(method=method)).split(b" ")[1].decode() for method in methods]
    told = [(record["method"], str(record["status"])) for record in log.access()]
    expected = [
        (method.decode(), "200") if status == "200" else ("-", "400")
        for method, status in zip(methods, sent, strict=True)
    ]
    assert told == expected


PROXY = [
    b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\nFORGED\r\n",
    b'PROXY TCP4 1.2.3.4" 5.6.7.8 9 10\r\n',
    b"PROXY TCP4 \x1b[31m 5.6.7.8 9 10\r\n",
    b"PROXY \x85\xe2\x80\xa8\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x01\n",
    b"GET /FORGED HTTP/1.1\r\n",
]


def test_proxy_headers(start: Starter, form: str) -> None:
    log = Log(start, form, "--proxy-protocol", "--log-level", "debug")
    for header in PROXY:
        assert log.send(header + get()) == b""
    assert log.send(b"PROXY UNKNOWN \x1b[31m\x0aFORGED\x7f\r\n" + get()).startswith(b"HTTP/1.1 200 ")
    assert log.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n" + get()).startswith(b"HTTP/1.1 200 ")
    assert [record["client"] for record in log.access()] == ["127.0.0.1", "1.2.3.4"]


def test_what_an_application_says(start: Starter, form: str) -> None:
    log = Log(start, form, "--graceful-timeout", "1", "--log-level", "debug")
    paths = json.loads(log.server.ask("/pages").body)
    for path in paths:
        assert b"FORGED" not in log.send(get(path.encode()))
    records = log.end()
    access = [record for record in records if record["target"] == ACCESS]
    assert [record["path"] for record in access] == ["/pages", *paths]
    assert {str(record["status"]) for record in access} == {"200", "500"}
    # A line each for the one that ended with a line end, and for what is in EVIL between its two.
    assert len([record for record in records if record["target"] == "monopod::wsgi.errors"]) == 6


def test_names_of_static_files(start: Starter, form: str, tmp_path: Path) -> None:
    """Which their uploaders may have chosen."""
    (tmp_path / "a\x85FORGED\x9b31m\u2028FORGED").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\nFORGED \x1b[31m\r")).touch()
    log = Log(start, form, "--static", f"/media={tmp_path}")
    assert log.send(get()).startswith(b"HTTP/1.1 200 ")
    records = log.end(lossy=True)
    assert len([record for record in records if record["target"] == ACCESS]) == 1
    assert len([record for record in records if record["target"] == "monopod::static_files::scan"]) == 2


def test_the_parser_sees_forgeries() -> None:
    """It refuses what a forged line would look like, so the tests above can fail."""
    fields = " ".join(f'{name}="x"' for name in FIELDS)
    line = f"2026-01-01T00:00:00Z  INFO {ACCESS}: request {fields}"
    assert list(as_text(line)) == ["level", "target", *FIELDS]
    for forged in (f'{line} status="999"', f'{line}"', f"{line} x y", line.replace('path="x"', 'path="x"y"')):
        with pytest.raises(AssertionError):
            as_text(forged)
    with pytest.raises(AssertionError):
        as_json('{"target": "x", "target": "y"}')
    assert CONTROL.search("\x85")
    assert CONTROL.search("a\u2028")
    assert not CONTROL.search("\xa0 \xe9")
