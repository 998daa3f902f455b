"""Clients that notice everything: who got a whole right answer, and what exactly the others got.

Half of them keep their connection, as a proxy or a browser does, and pause a little between requests; the others open
one for each request. Nobody tries twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

ANSWER_WITHIN = 20.0
CONNECT_WITHIN = 2.0
PAUSE = 0.05
"""Between two requests of a client, on average."""


class Broken(Exception):
    """Not the right answer; `args[0]` says what there was instead."""


class Refused(Exception):
    """Nobody listens: the request was never sent."""


@dataclass
class Tally:
    """What came of the requests."""

    right: int = 0
    refused: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds that the slowest right answer took."""

    @property
    def failed(self) -> int:
        return sum(self.broken.values()) + self.refused

    def report(self) -> str:
        kinds = [f"{count} {kind}" for kind, count in self.broken.most_common()]
        kinds += [f"{self.refused} refused"] if self.refused else []
        return f"{self.right} right" + "".join(f", {kind}" for kind in kinds)


@dataclass(frozen=True)
class Traffic:
    """What is asked of whom, and the right answer."""

    host: str
    port: int
    path: str
    body: bytes
    keep_alive: int = 64
    fresh: int = 64

    async def run(self, until: asyncio.Event, tally: Tally) -> None:
        """All clients, until the event is set and the last of them has its answer."""
        keeping = [True] * self.keep_alive + [False] * self.fresh
        await asyncio.gather(*(self._client(until, tally, keep=keep) for keep in keeping))

    async def _client(self, until: asyncio.Event, tally: Tally, *, keep: bool) -> None:
        connection: Connection | None = None
        # Not all at once at the start.
        await asyncio.sleep(random.uniform(0, 4 * PAUSE))
        while not until.is_set():
            # As every pool looks before it uses a connection again.
            if connection is not None and connection.is_closed():
                connection.close()
                connection = None
            began = time.monotonic()
            try:
                used = connection is not None
                connection = connection or await Connection.to(self.host, self.port)
                goes_on = await asyncio.wait_for(connection.ask(self, used), ANSWER_WITHIN)
                tally.right += 1
                tally.slowest = max(tally.slowest, time.monotonic() - began)
            except Refused:
                tally.refused += 1
                goes_on = False
            except Broken as broken:
                tally.broken[str(broken)] += 1
                goes_on = False
            except TimeoutError:
                tally.broken["no answer in time"] += 1
                goes_on = False
            if connection is not None and not (keep and goes_on):
                connection.close()
                connection = None
            await asyncio.sleep(random.uniform(0, 2 * PAUSE))
        if connection is not None:
            connection.close()


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, host: str, port: int) -> Connection:
        try:
            return cls(*await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_WITHIN))
        except (OSError, TimeoutError) as error:
            raise Refused from error

    def is_closed(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    async def ask(self, traffic: Traffic, used: bool) -> bool:
        """A request and its whole answer; whether the connection may be used again. `Broken` says what went wrong."""
        state = "on a kept connection" if used else "on a new connection"
        request = f"GET {traffic.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: traffic\r\n\r\n"
        got = b""
        try:
            self._writer.write(request.encode())
            await self._writer.drain()
            got = head = await self._reader.readuntil(b"\r\n\r\n")
            status, headers = parse(head)
            body = await self._body(headers)
        except asyncio.IncompleteReadError as error:
            what = "closed" if not (got or error.partial) else "cut off"
            raise Broken(f"{what} {state}") from error
        except OSError as error:
            raise Broken(f"{'reset' if not got else 'cut off'} {state}") from error
        if status != 200:
            raise Broken(f"status {status} {state}")
        if body != traffic.body:
            raise Broken(f"wrong body {state}")
        return headers.get("connection", "").lower() != "close"

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = bytearray()
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readuntil(b"\r\n")
            return bytes(body)
        if "content-length" not in headers:
            raise Broken("no length")
        return await self._reader.readexactly(int(headers["content-length"]))


def parse(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers; names in lower case."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ", 2)[1]), headers
