"""Promise: a gigabyte in either direction costs at most 64 MiB of resident memory."""

from __future__ import annotations

import json
import random
import zlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from gate import Gate
from server import Server, Starter, await_true

GIB = 1 << 30
MIB = 1 << 20
ALLOWED = 64 * MIB


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    server = start_once("lab:application", "--max-body-size", "2g", "--threads", "2")
    # Warm: every path has run once.
    for _ in range(20):
        server.ask("/checksum", "POST", body=bytes(3 * MIB))
        server.ask("/big?mib=3")
    return server


class Growth:
    """How far resident memory rises above where it is now, at its peak."""

    def __init__(self, server: Server) -> None:
        server.forget_peak()
        self._server = server
        self._idle = server.memory()

    def check(self) -> None:
        now = self._server.memory()
        grown = max(now.peak, now.total) - self._idle.total
        assert grown <= ALLOWED, f"{grown / MIB:.0f} MiB above {self._idle}: {now}"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload(server: Server, framing: str) -> None:
    block = random.Random(2).randbytes(MIB)
    crc = 0
    growth = Growth(server)
    with server.connect() as client:
        chunked = framing == "chunked"
        header = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(GIB))
        client.request("/checksum", "POST", [header])
        for _ in range(GIB // MIB):
            client.send(b"%x\r\n%s\r\n" % (MIB, block) if chunked else block)
            crc = zlib.crc32(block, crc)
        if chunked:
            client.send(b"0\r\n\r\n")
        client.sock.settimeout(60)
        assert json.loads(client.answer().body) == {"length": GIB, "crc32": crc}
    growth.check()


def test_streamed_download(server: Server) -> None:
    growth = Growth(server)
    with server.connect() as client:
        client.request("/big?mib=1024")
        assert client.head().status == 200
        length, crc = 0, 0
        while chunk := client.chunk():
            length += len(chunk)
            crc = zlib.crc32(chunk, crc)
    assert length == GIB
    expected = 0
    for number in range(1024):
        expected = zlib.crc32(bytes([number % 251]) * MIB, expected)
    assert crc == expected
    growth.check()


def test_a_burst_is_given_back_to_the_system(start: Starter, gate: Gate) -> None:
    """Without another request: nothing else would have the allocator look."""
    if start.face.name != "binary":
        pytest.skip("a wheel has the allocator of its interpreter")
    server = start("lab:application", "--threads", "1", "--queue-size", "100")
    body = bytes(MIB)
    server.ask("/checksum", "POST", body=body)
    before = server.memory().anonymous
    with server.connect() as busy, ExitStack() as stack:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        clients = [stack.enter_context(server.connect()) for _ in range(60)]
        for client in clients:
            client.request("/checksum", "POST", body=body)
        await_true(lambda: server.memory().anonymous - before > 40 * MIB, "all wait in memory")
        visitor.let_through()
        for client in clients:
            assert client.answer().status == 200
        assert busy.answer().status == 200
    await_true(lambda: server.memory().anonymous - before < 20 * MIB, "it is given back", 30)


def test_an_idle_connection_costs_little_more_than_its_socket(start: Starter) -> None:
    if start.face.name != "binary":
        pytest.skip("a wheel has the allocator of its interpreter")
    server = start("lab:application", "--threads", "1", "--max-connections", "1000")
    before = server.memory().anonymous
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(800)]

        def ask_all() -> None:
            for client in clients:
                client.request("/hello")
                assert client.answer().status == 200

        for _ in range(2):
            ask_all()
            await_true(lambda: server.memory().anonymous - before < 800 * 4096, "4 KiB each", 30)
        ask_all()


def test_nothing_is_left_in_the_temporary_directory(start: Starter, tmp_path: Path) -> None:
    server = start("lab:application", "--temp-dir", str(tmp_path))
    assert json.loads(server.ask("/digest", "POST", body=bytes(20 * MIB)).body)["length"] == 20 * MIB
    assert server.ask("/big?mib=20").complete
    assert list(tmp_path.iterdir()) == []
