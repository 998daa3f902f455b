"""Promise: without room in --temp-dir bodies live in memory up to --buffer-memory, then a thread waits for its client;
no response is cut short, and only an upload that fits nowhere is refused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate import Gate
from server import Server, Starter
from wire import Answer

MIB = 1 << 20
ROOM = 4 * MIB


@pytest.fixture(params=["missing", "small", "full"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A directory that does not exist, one with 4 MiB of room, and one with none."""
    if request.param == "missing":
        yield "/nonexistent"
        return
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    try:
        if request.param == "full":
            with contextlib.suppress(OSError):
                (place / "ballast").write_bytes(bytes(ROOM))
        yield str(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def path(shape: str, mib: int) -> str:
    return f"/big?mib={mib}" if shape == "stream" else f"/listed?kib={mib * 1024}"


def check(answer: Answer, shape: str, mib: int) -> None:
    assert answer.status == 200
    assert answer.complete, f"{len(answer.body)} bytes of {mib} MiB"
    step = MIB if shape == "stream" else MIB // 16
    expected = (bytes([number % 251]) * step for number in range(mib * MIB // step))
    assert answer.body == b"".join(expected)


@pytest.mark.parametrize("memory", ["1m", "64m"])
@pytest.mark.parametrize("shape", ["stream", "list"])
def test_a_response_to_a_client_that_reads(disk: str, start: Starter, shape: str, memory: str) -> None:
    server = start("edge:application", "--threads", "2", "--temp-dir", disk, "--buffer-memory", memory)
    for _ in range(2):
        check(server.ask(path(shape, 10)), shape, 10)


@pytest.mark.parametrize("shape", ["stream", "list"])
def test_a_thread_waits_for_a_client_that_reads_late(disk: str, start: Starter, gate: Gate, shape: str) -> None:
    """Neither memory nor disk can hold it, nor the sockets' buffers."""
    server = start("edge:application", "--threads", "2", "--temp-dir", disk, "--buffer-memory", "1m")
    with server.connect(receive_buffer=4096) as late:
        late.request(f"{path(shape, 24)}&gate={gate.port}")
        late_head = late.head()
        assert server.ask("/hello").body == b"hello world\n"
        assert gate.is_quiet()
        late.sock.settimeout(60)
        body, complete = late.body(late_head)
        check(Answer(**vars(late_head), body=body, complete=complete), shape, 24)
    if shape == "stream":
        gate.wait("closed")
    check(server.ask(path(shape, 10)), shape, 10)


def test_memory_frees_the_thread_while_the_budget_lasts(disk: str, start: Starter, gate: Gate) -> None:
    server = start("edge:application", "--threads", "1", "--temp-dir", disk, "--buffer-memory", "64m")
    with server.connect(receive_buffer=4096) as late:
        late.request(f"/big?mib=10&gate={gate.port}")
        gate.wait("closed")
        assert server.ask("/hello").body == b"hello world\n"
        check(late.answer(), "stream", 10)


@pytest.mark.parametrize("memory", ["1m", "64m"])
def test_a_client_that_leaves_frees_thread_and_memory(disk: str, start: Starter, gate: Gate, memory: str) -> None:
    server = start("edge:application", "--threads", "1", "--temp-dir", disk, "--buffer-memory", memory)
    for _ in range(8):
        with server.connect(receive_buffer=4096) as leaving:
            leaving.request(f"/big?mib=24&gate={gate.port}")
            leaving.head()
        gate.wait("closed")
    check(server.ask(path("stream", 10)), "stream", 10)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_within_the_budget(disk: str, start: Starter, framing: str) -> None:
    server = start("edge:application", "--threads", "2", "--temp-dir", disk, "--buffer-memory", "64m")
    body = bytes(range(256)) * (3 * MIB // 256)
    with server.connect() as client:
        for _ in range(2):
            if framing == "length":
                client.request("/digest", "POST", body=body)
            else:
                client.request("/digest", "POST", [("Transfer-Encoding", "chunked")])
                client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            seen = json.loads(client.answer().body)
            assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_that_fits_nowhere_is_refused(disk: str, start: Starter, framing: str) -> None:
    server = start("edge:application", "--threads", "2", "--temp-dir", disk, "--buffer-memory", "1m")
    size = (8 if disk.endswith("disk") else 3) * MIB
    for _ in range(3):
        refused(server, size, framing)
        # What the refused one held is given back.
        assert json.loads(server.ask("/digest", "POST", body=bytes(MIB // 2)).body)["length"] == MIB // 2


def refused(server: Server, size: int, framing: str) -> None:
    with server.connect() as client:
        header = ("Transfer-Encoding", "chunked") if framing == "chunked" else ("Content-Length", str(size))
        client.request("/digest", "POST", [header])
        block = bytes(1 << 16)
        # The server may answer and close before it has all of it.
        with contextlib.suppress(ConnectionError):
            for _ in range(size // len(block)):
                client.send(b"%x\r\n%s\r\n" % (len(block), block) if framing == "chunked" else block)
            if framing == "chunked":
                client.send(b"0\r\n\r\n")
        answer = client.answer()
        assert answer.status in (503, 507), answer
        assert answer.complete
