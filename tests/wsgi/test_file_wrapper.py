"""Promise: wsgi.file_wrapper sends exactly what reading the object would give, real file or not."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import pytest

from gate import Gate
from server import Server

CONTENT = random.Random(1).randbytes(3_000_001)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("by", ["seek", "read"])
@pytest.mark.parametrize("offset", [0, 1, 100_000, len(CONTENT), len(CONTENT) + 5])
def test_a_real_file_from_its_position(lab: Server, path: Path, offset: int, by: str) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/plain_file?path={path}&offset={offset}&by={by}")
        assert answer.body == CONTENT[offset:]
        assert answer.complete
        assert answer.get("content-length") == str(len(CONTENT[offset:]))
        assert client.ask("/hello").status == 200


def test_an_unbuffered_file(lab: Server, path: Path) -> None:
    assert lab.ask(f"/unbuffered_file?path={path}").body == CONTENT


def test_content_length_bounds_the_file(lab: Server, path: Path) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/plain_file?path={path}&offset=10&declared=1000")
        assert (answer.body, answer.get("content-length")) == (CONTENT[10:1010], "1000")
        assert client.ask("/hello").status == 200


def test_head_of_a_file(lab: Server, path: Path) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/plain_file?path={path}", "HEAD")
        assert answer.get("content-length") == str(len(CONTENT))
        assert client.ask("/hello").status == 200


def test_bytes_io(lab: Server) -> None:
    assert lab.ask("/memory_file").body == b"0123456789" * 1000


def test_gzip_is_read_not_sent_raw(lab: Server, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "packed.gz", "wb") as packed:
        packed.write(CONTENT)
    assert lab.ask(f"/gzip_file?path={tmp_path}/packed.gz").body == CONTENT


def test_a_pipe(lab: Server) -> None:
    assert lab.ask("/pipe_file").body == b"through a pipe"


def test_middleware_sees_blocks(lab: Server, path: Path) -> None:
    assert lab.ask(f"/file_under_middleware?path={path}").body == CONTENT.upper()


def test_a_real_file_leaves_the_only_thread_at_once(single: Server, path: Path, tmp_path: Path) -> None:
    """The client has read nothing of it when another is answered."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    with single.connect(receive_buffer=4096) as slow:
        slow.request(f"/plain_file?path={large}")
        assert single.ask("/hello").status == 200
        answer = slow.answer()
        assert (len(answer.body), answer.complete) == (64 << 20, True)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_slow_reader_gets_the_same_bytes(single: Server, path: Path, version: str) -> None:
    """The socket is full again and again, while others are answered."""
    with single.connect(receive_buffer=4096) as slow:
        slow.request(f"/plain_file?path={path}&offset=7", version=version)
        head = slow.head()
        assert head.get("content-length") == str(len(CONTENT) - 7)
        received = []
        for _ in range(20):
            time.sleep(0.02)
            received.append(slow.exactly(50_000))
        assert single.ask("/hello").status == 200
        received.append(slow.exactly(len(CONTENT) - 7 - 20 * 50_000))
        assert b"".join(received) == CONTENT[7:]


def test_many_readers_of_a_file_at_once(lab: Server, path: Path) -> None:
    clients = [lab.connect(receive_buffer=4096) for _ in range(40)]
    for number, client in enumerate(clients):
        client.request(f"/plain_file?path={path}&offset={number * 1000}")
    for number, client in enumerate(clients):
        assert client.answer().body == CONTENT[number * 1000 :]
        client.sock.close()


def test_a_file_cut_short_while_it_is_sent_aborts(single: Server, tmp_path: Path, gate: Gate) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    with single.connect(receive_buffer=4096) as slow:
        slow.request(f"/plain_file?path={large}")
        head = slow.head()
        with large.open("r+b") as file:
            file.truncate(0)
        body, complete = slow.body(head)
        assert len(body) < 64 << 20
        assert not complete
    assert single.ask("/hello").status == 200
