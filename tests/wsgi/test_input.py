"""Promise: wsgi.input is a complete, seekable file with the whole body, whatever its framing and size."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any
from urllib.parse import quote

import pytest

from server import Server

LINES = b"first\nsecond line\r\n\nlast without end"


def run(server: Server, ops: list[list[Any]], body: bytes = LINES) -> Any:
    answer = server.ask(f"/body?ops={quote(json.dumps(ops))}", "POST", body=body)
    assert answer.status == 200, answer
    return json.loads(answer.body)["results"]


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


@pytest.mark.parametrize(
    ("ops", "results"),
    [
        ([["read"]], [LINES.decode()]),
        ([["read", -1]], [LINES.decode()]),
        ([["read", 5], ["read", 0], ["read", 7]], ["first", "", "\nsecond"]),
        ([["read", 1000], ["read"], ["read", 1]], [LINES.decode(), "", ""]),
        ([["readline"], ["readline"], ["readline"], ["readline"], ["readline"]],
         ["first\n", "second line\r\n", "\n", "last without end", ""]),
        ([["readline", 3], ["readline", 100], ["readline", -1]], ["fir", "st\n", "second line\r\n"]),
        ([["readlines"]], [["first\n", "second line\r\n", "\n", "last without end"]]),
        ([["readlines", 8], ["read"]], [["first\n", "second line\r\n"], "\nlast without end"]),
        ([["iterate"], ["read"]], [["first\n", "second line\r\n", "\n", "last without end"], ""]),
        ([["read"], ["seek", 0], ["read", 5], ["tell"], ["seek", -3, 2], ["read"]],
         [LINES.decode(), 0, "first", 5, len(LINES) - 3, "end"]),
        ([["readinto", 5], ["readinto", 100]], ["first", LINES[5:].decode()]),
        ([["readable"], ["seekable"]], [True, True]),
    ],
)  # fmt: skip
def test_file_methods(lab: Server, ops: list[list[Any]], results: list[Any]) -> None:
    assert run(lab, ops) == results


def test_without_a_body_it_is_empty(lab: Server) -> None:
    seen = json.loads(lab.ask("/body").body)
    assert seen["results"] == [""]
    assert seen["terminated"] is True


def test_a_spooled_body_has_the_same_methods(lab: Server) -> None:
    body = b"head\n" + bytes(5 << 20) + b"\ntail"
    ops: list[list[Any]] = [
        ["readline"],
        ["seek", -4, 2],
        ["read"],
        ["tell"],
        ["seek", 0],
        ["read", 4],
        ["readline", 1],
    ]
    assert run(lab, ops, body) == ["head\n", len(body) - 4, "tail", len(body), 0, "head", "\n"]


@pytest.mark.parametrize("size", [1, 1000, 64 * 1024, 64 * 1024 + 1, 256 * 1024, 1 << 20, 5 << 20])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_of_every_size_arrive_whole(lab: Server, size: int, framing: str) -> None:
    body = random.Random(size).randbytes(size)
    with lab.connect() as client:
        if framing == "length":
            client.request("/digest", "POST", body=body)
        else:
            client.request("/digest", "POST", [("Transfer-Encoding", "chunked")])
            client.send(chunked(body, 10_007 if size > 1 else 1))
        seen = json.loads(client.answer().body)
        assert seen == {"length": size, "sha256": hashlib.sha256(body).hexdigest(), "declared": str(size)}
        assert client.ask("/hello").status == 200


def test_a_chunked_body_has_a_length_and_no_transfer_coding(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/body", "POST", [("Transfer-Encoding", "chunked")])
        client.send(b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
        seen = json.loads(client.answer().body)
    assert seen["results"] == ["hello world"]
    assert (seen["length"], seen["transfer"], seen["terminated"]) == ("11", None, True)


def test_an_empty_chunked_body(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/body", "POST", [("Transfer-Encoding", "chunked")])
        client.send(b"0\r\n\r\n")
        assert json.loads(client.answer().body)["results"] == [""]


def test_a_body_that_nobody_reads_does_not_hurt_the_next_request(lab: Server) -> None:
    with lab.connect() as client:
        for size in (10, 3 << 20):
            assert client.ask("/unread", "POST", body=bytes(size)).body == b'"unread"'
        assert client.ask("/hello").body == b"hello world\n"


def test_the_application_never_sees_a_body_that_did_not_end(single: Server) -> None:
    """The client leaves in the middle; the key is counted when the application is called."""
    with single.connect() as client:
        client.request("/closing?key=half-a-body", "POST", [("Content-Length", "100")])
        client.send(b"half")
    assert single.ask("/hello").status == 200
    assert single.ask("/closed?key=half-a-body").body == b"0"
