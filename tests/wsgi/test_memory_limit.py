"""Promise: in a container of 256 MiB ten thousand idle connections and two hundred uploads of 20 MiB at once, each read
whole by the application, are all served: nothing is killed, no byte is lost, nobody is refused."""

from __future__ import annotations

import asyncio
import hashlib
import random
import resource
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cgroup import a_group
from server import Face, Server, await_true

MIB = 1 << 20
LIMIT = 256 * MIB
IDLE = 10_000
UPLOADS = 200
SIZE = 20 * MIB
BLOCK = 64 * 1024
# An upload has a file as well.
DESCRIPTORS = IDLE + 2 * UPLOADS + 100

WHOLE = """
import hashlib
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [f"{len(body)} {hashlib.sha256(body).hexdigest()}\\n".encode()]
"""

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def descriptors() -> None:
    """For the clients, who are one process, and the server, which inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"NOT TESTED: the limit of open files is {hard} here, and {DESCRIPTORS} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))


class Crowd:
    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Client] = []
        # As many at a time: the backlog is no part of this.
        self._turns = asyncio.Semaphore(64)
        self._body = memoryview(random.Random(4).randbytes(SIZE))

    async def _connect(self) -> Client:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=4096)

    async def _ask(self, client: Client, body: tuple[memoryview, ...] = ()) -> str:
        reader, writer = client
        length = sum(len(part) for part in body)
        writer.write(b"POST /upload HTTP/1.1\r\nHost: test.example\r\nContent-Length: %d\r\n\r\n" % length)
        for part in body:
            for start in range(0, len(part), BLOCK):
                writer.write(part[start : start + BLOCK])
                await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            return head.decode()
        return (await reader.readline()).decode()

    async def open_idle(self) -> None:
        async def one() -> None:
            async with self._turns:
                client = await self._connect()
                assert (await self._ask(client)).startswith("0 ")
                self._idle.append(client)

        await asyncio.gather(*(one() for _ in range(IDLE)))

    async def ask_idle(self) -> None:
        async def one(client: Client) -> None:
            async with self._turns:
                assert (await self._ask(client)).startswith("0 ")

        await asyncio.gather(*(one(client) for client in self._idle))

    async def upload(self, number: int) -> str:
        """What became of a body that no other client has."""
        body = (self._body[number * 4099 :], self._body[: number * 4099])
        client = await self._connect()
        answer = await self._ask(client, body)
        client[1].close()
        digest = hashlib.sha256()
        for part in body:
            digest.update(part)
        return "right" if answer == f"{SIZE} {digest.hexdigest()}\n" else answer


async def come(port: int) -> Counter[str]:
    crowd = Crowd(port)
    await crowd.open_idle()
    uploads = await asyncio.gather(*(crowd.upload(number) for number in range(UPLOADS)))
    await crowd.ask_idle()
    return Counter(uploads)


def test_idle_connections_and_uploads_fit(face: Face, tmp_path: Path) -> None:
    (tmp_path / "whole.py").write_text(WHOLE)
    spool = tmp_path / "spool"
    spool.mkdir()
    # The time is not what is tested here, and the machine may be busy.
    options = (
        "--threads",
        "4",
        "--queue-timeout",
        "2m",
        "--temp-dir",
        str(spool),
        "--max-connections",
        f"{IDLE + UPLOADS}",
    )
    with a_group() as group:
        group.limit(2, LIMIT)
        with Server(face, "whole:app", *options, cwd=tmp_path, within=group.within) as server:
            found = asyncio.run(come(server.port))
            assert group.oom_kills() == 0
            assert found == {"right": UPLOADS}
            assert server.ask("/", "POST").status == 200


def test_what_large_bodies_took_is_given_back(face: Face, tmp_path: Path) -> None:
    """The C library would keep it for each thread, and nothing else in the container could have it."""
    (tmp_path / "whole.py").write_text(WHOLE)
    body = bytes(SIZE)
    with a_group() as group:
        group.limit(2, LIMIT)
        with Server(face, "whole:app", "--threads", "4", cwd=tmp_path, within=group.within) as server:
            assert server.ask("/", "POST").status == 200
            before = server.memory().anonymous
            with ThreadPoolExecutor(8) as clients:
                answers = list(clients.map(lambda _: server.ask("/", "POST", body=body), range(24)))
            assert {answer.status for answer in answers} == {200}
            await_true(lambda: server.memory().anonymous - before < 24 * MIB, "it is given back", 30)
