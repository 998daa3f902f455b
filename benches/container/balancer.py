"""A TCP balancer that forgets slowly, as kube-proxy does.

Connections go to one of the endpoints in turn and stay there, whatever becomes of it. One that is told to be gone still
gets new connections for `lag` seconds: that is how long a node may take to hear of a pod that is being deleted. When an
endpoint refuses, the client's connection is reset, as it would be where no program stands in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

Endpoint = tuple[str, int]
LAG = 2.0


class Balancer:
    """Listens on a port of its own on 127.0.0.1; use as an asynchronous context manager."""

    def __init__(self, lag: float = LAG) -> None:
        self._lag = lag
        self._endpoints: list[Endpoint] = []
        self._turn = 0
        self._late: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Balancer:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Near(self), "127.0.0.1", 0, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._late:
            task.cancel()

    def add(self, endpoint: Endpoint) -> None:
        """A replica became ready."""
        self._endpoints.append(endpoint)

    def forget(self, endpoint: Endpoint) -> None:
        """A replica is being deleted: no new connections, once that is known here."""

        async def later() -> None:
            await asyncio.sleep(self._lag)
            self._endpoints.remove(endpoint)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def next(self) -> Endpoint:
        self._turn += 1
        return self._endpoints[self._turn % len(self._endpoints)]


class Half(asyncio.Protocol):
    """One side of a connection: what comes here goes out on the other."""

    transport: asyncio.Transport
    other: Half | None = None
    lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other and self.other.transport.can_write_eof():
            with contextlib.suppress(OSError):
                self.other.transport.write_eof()
        # The way back stays open.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.other and not self.other.lost:
            if error:
                # A reset is passed on as one.
                self.other.transport.abort()
            else:
                self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and not self.other.lost:
            self.other.transport.resume_reading()


class Near(Half):
    """The client's side, which opens the other one."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        host, port = self._balancer.next()
        try:
            _, far = await asyncio.get_running_loop().create_connection(Half, host, port)
        except OSError:
            self.transport.abort()
            return
        self.other, far.other = far, self
        if self.lost:
            far.transport.close()
            return
        self.transport.resume_reading()
