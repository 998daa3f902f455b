"""Promise: wsgi.errors is a text stream: whole lines of each thread reach the log, quickly, whatever is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gate import Gate
from server import Server, Starter, await_true


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    return start_once("edge:application", "--threads", "4")


def called(server: Server, way: str) -> Any:
    answer = server.ask(f"/error_calls?way={way}")
    assert answer.status == 200, server.log()[-2000:]
    return json.loads(answer.body)


def test_halves_of_two_requests_do_not_mix(server: Server, gate: Gate) -> None:
    with server.connect() as one, server.connect() as other:
        one.request(f"/error_halves?name=one&gate={gate.port}")
        first = gate.wait("half")
        other.request(f"/error_halves?name=other&gate={gate.port}")
        second = gate.wait("half")
        for client, visitor in ((one, first), (other, second)):
            visitor.let_through()
            assert client.answer().status == 200
    for name in ("one", "other"):
        line = server.wait_log(f"second half of {name}")
        assert f"first half of {name}, second half of {name}" in line
        assert line.count("half") == 2


def test_lines_of_two_threads_do_not_mix(server: Server) -> None:
    assert server.ask("/error_threads").status == 200
    expected = {f"from {name} {number} {name} end" for name in ("ping", "pong") for number in range(500)}

    def lines() -> list[str]:
        return [line[line.find("from p") :] for line in server.log().splitlines() if "from p" in line]

    await_true(lambda: len(lines()) >= len(expected), "all lines are in the log")
    assert sorted(lines()) == sorted(expected)


def test_a_lone_surrogate(server: Server) -> None:
    """Paths with bytes that are no UTF-8 have them (PEP 383)."""
    assert called(server, "surrogate")["result"] == "19"
    line = server.wait_log("a lone ")
    assert line.rstrip().endswith(" surrogate")


def test_characters_are_kept_and_counted(server: Server) -> None:
    assert called(server, "wide")["result"] == "10"
    server.wait_log("gr\xfc\xdfe \u20ac \U0001f600")


def test_many_short_lines_in_one_write(start: Starter) -> None:
    """Two megabytes; time that grows by the square of the length would be ten seconds."""
    server = start("edge:application", "--threads", "1")
    seen = called(server, "many")
    assert seen["result"] == "2000000"
    assert seen["took"] < 2
    # The reader of the log is Python, and slower than the server.
    await_true(lambda: server.log().count("one of many lines .\n") == 100_000, "every line is in the log", timeout=60)


def test_writelines(server: Server) -> None:
    assert called(server, "writelines")["result"] == "None"
    server.wait_log("first of a list")
    server.wait_log("second of a list")
    assert called(server, "generated")["result"] == "None"
    for number in range(3):
        server.wait_log(f"number {number} of a generator")


def test_print_writes_one_line(server: Server) -> None:
    assert called(server, "print")["result"] == "None"
    assert server.wait_log("printed 1 thing").rstrip().endswith("printed 1 thing")


def test_a_part_of_a_line_appears_at_flush(server: Server, gate: Gate) -> None:
    with server.connect() as client:
        client.request(f"/error_calls?way=partial&gate={gate.port}")
        gate.wait("written").let_through()
        visitor = gate.wait("flushed")
        assert server.wait_log("no line end yet")
        visitor.let_through()
        assert client.answer().status == 200
    assert server.log().count("no line") == 1
