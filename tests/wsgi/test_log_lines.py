"""Promise: lines of the log and of the application are whole, whoever writes them and however long they are; a log that
nobody reads drops lines, tells how many, and keeps no request waiting."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading

import pytest

from records import JSON, found, is_record, records, wait, wait_access
from samples import scrape
from server import APPS, Face, Starter, await_true, environment

LONG = 6000
COUNT = 150
LOGGED = re.compile(rf"app begin (\w) (\d+) x{{{LONG}}} end\n")
PRINTED = re.compile(rf"begin print (\w) (\d+) y{{{LONG}}} end\n")


def test_lines_are_whole(start: Starter) -> None:
    """Eight threads write more than a pipe takes at once, by logging to stderr and by print to stdout, which are one."""
    server = start("logs:application", "--threads", "8", *JSON)

    def ask(name: str) -> None:
        assert server.ask(f"/logs?name={name}&count={COUNT}&length={LONG}").status == 200

    def ask_often() -> None:
        with server.connect() as client:
            for _ in range(300):
                assert client.ask(f"/hello?{'q' * 3000}").status == 200

    clients = [threading.Thread(target=ask, args=(name,)) for name in "abcdefg"]
    clients += [threading.Thread(target=ask_often) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert server.terminate() == 0
    lines = server.log().splitlines(keepends=True)
    logged = [found.groups() for found in map(LOGGED.fullmatch, lines) if found]
    printed = [found.groups() for found in map(PRINTED.fullmatch, lines) if found]
    others = [line for line in lines if not LOGGED.fullmatch(line) and not PRINTED.fullmatch(line)]
    assert not [line[:200] for line in others if not is_record(line)]
    expected = sorted((name, str(number)) for name in "abcdefg" for number in range(COUNT))
    assert sorted(logged) == sorted(printed) == expected
    assert len(found(server, target="monopod::access", path="/hello")) == 600


def test_a_record_begins_a_line(start: Starter) -> None:
    """Even where the application has begun one."""
    server = start("logs:application", *JSON)
    server.ask("/half")
    assert wait_access(server, "/half")
    server.ask("/rest")
    assert wait_access(server, "/rest")
    lines = server.log().splitlines()
    assert "half a line" in lines
    assert ", and its other half" in lines


def test_a_log_that_nobody_reads(start: Starter) -> None:
    server = start("logs:application", "--admin-bind", "127.0.0.1:0", "--threads", "2")
    assert server.admin_port
    server.stop_reading()
    with server.connect() as client:
        # 30 MB.
        for _ in range(10):
            assert client.ask("/complains?count=50&length=60000").status == 200
        for _ in range(100):
            assert client.ask("/hello").status == 200
    dropped = scrape(server).get("monopod_log_lines_dropped_total")
    assert 100 < dropped < 600
    server.go_on_reading()
    line = server.wait_log("log lines were dropped")
    told = re.search(r"dropped=(\d+)", line)
    assert told
    assert int(told[1]) >= dropped
    assert server.ask("/hello?again").status == 200
    server.wait_log("again")
    assert scrape(server).get("monopod_log_lines_dropped_total") == int(told[1])
    assert server.terminate() == 0


def test_the_end_does_not_wait_for_a_reader(start: Starter) -> None:
    server = start("logs:application")
    server.stop_reading()
    assert server.ask("/complains?count=50&length=60000").status == 200
    server.send_signal(15)  # type: ignore[arg-type]
    await_true(lambda: not server.is_running(), "it has ended")


def test_descriptor_1_is_the_applications(start: Starter) -> None:
    server = start("logs:application", *JSON)
    assert server.ask("/closes").body == b"closed"
    server.ask("/prints?to=stdout")
    server.ask("/prints?to=stderr")
    assert server.ask("/raises").status == 500
    assert wait(server, reason="app-raised", level="ERROR")
    assert wait_access(server, "/raises")
    assert "printed to stderr" in server.log()
    assert "printed to stdout" not in server.log()
    assert server.terminate() == 0


def test_an_exception_is_one_record(start: Starter) -> None:
    server = start("logs:application", *JSON)
    server.ask("/raises")
    record = wait(server, reason="app-raised", level="ERROR")
    assert 'ValueError: first\nFORGED {"message":"FORGED"}\r\x1b[31m\x85\u2028 last\n' in record["exception"]
    assert "KeyError: 'the cause'" in record["exception"]
    assert server.terminate() == 0
    assert all(is_record(line) for line in server.log().splitlines(keepends=True))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each["timestamp"]) for each in records(server))


def test_an_exception_in_text_stands_below_its_line(start: Starter) -> None:
    server = start("logs:application")
    server.ask("/raises")
    server.wait_log("ValueError: first")
    assert server.terminate() == 0
    lines = server.log().splitlines()
    begin = next(number for number, line in enumerate(lines) if "the application raised" in line)
    below = [line for line in lines[begin + 1 :] if not re.match(r"\d{4}-", line)]
    assert below
    assert all(line.startswith("    ") for line in below)
    assert "    ValueError: first" in below
    assert '    FORGED {"message":"FORGED"}\\r\\u{1b}[31m\\u{85}\\u{2028} last' in below
    # Everything else begins with its time.
    assert lines[:begin] + below == [line for line in lines if line in below or line in lines[:begin]]


def test_a_forked_child_writes_too(start: Starter) -> None:
    """It has neither the threads nor the locks of its parent."""
    server = start("logs:application", "--threads", "2")
    codes = json.loads(server.ask("/forks").body)
    assert codes == [7] * 20
    assert server.terminate() == 0
    assert server.log().count("from a child\n") == 20
    assert server.log().count("a complaint of a child\n") == 20


def test_streams_are_what_libraries_expect(start: Starter) -> None:
    server = start("logs:application", env={"PYTHONUTF8": "1"})
    found = json.loads(server.ask("/streams").body)
    for number, name in ((1, "stdout"), (2, "stderr")):
        assert found[name] == [number, False, "utf-8", f"<{name}>", True, True, True, True]
    for line in ("by its buffer", "by a view", "gr\xfc\xdfe", "by a child process", "by another stream"):
        server.wait_log(line)
    assert server.terminate() == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_print_shows_when_its_line_ends(start: Starter, unbuffered: str) -> None:
    server = start("logs:application", env={"PYTHONUNBUFFERED": unbuffered} if unbuffered else {})
    assert server.ask("/prints?to=stdout").status == 200
    assert server.wait_log("printed to") == "printed to stdout\n"


@pytest.mark.parametrize(("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colors_are_for_terminals(face: Face, env: dict[str, str], colored: bool) -> None:
    master, slave = pty.openpty()
    command = face.command("serve", "logs:application", "--bind", "127.0.0.1:0", "--log-format", "text")
    env = {"TERM": "xterm", **env}
    with subprocess.Popen(command, cwd=APPS, env=environment(env), stdin=subprocess.DEVNULL, stdout=slave) as process:
        os.close(slave)
        try:
            text = ""
            while "threads=" not in text:
                text += os.read(master, 4096).decode()
        finally:
            process.kill()
            os.close(master)
    assert ("\x1b[" in text) == colored, text
    assert "listening on" in text
