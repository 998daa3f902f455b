"""A listening socket that outlives the processes of a reloader: its parent binds it, each child serves it.

So requests wait in the backlog while the application is loaded anew, and no other process takes the port. Called by
`runserver` and `flask monopod`, whose reloaders start their child with all inheritable descriptors.
"""

import atexit
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from monopod._monopod import Server

# Not MONOPOD_…, which are the settings of the command.
VARIABLE = "_MONOPOD_LISTENER"
BACKLOG = 2048


def listen(host: str, port: int, *, ipv6: bool = False) -> socket.socket:
    """The socket that a parent has left here for this address, else one of our own; OSError as `socket.bind` raises it."""
    return _handed_over(host, port) or _bound(host, port, ipv6)


def hand_over(host: str, port: int, *, ipv6: bool = False) -> socket.socket:
    """Bind the address for children to come. They find it as long as what this returns is kept."""
    listener = _bound(host, port, ipv6)
    listener.set_inheritable(True)
    os.environ[VARIABLE] = f"{listener.fileno()} {port} {host}"
    return listener


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run a server that a reloader may end with its process: who waits in the backlog by then is left to the next one."""

    def make_room() -> None:
        server._signal("reload")
        server.wait()

    server.start()
    # After the server's own hook, so before it at the end.
    atexit.register(make_room)
    try:
        yield server
    finally:
        atexit.unregister(make_room)
        server.stop(0)


def _bound(host: str, port: int, ipv6: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _handed_over(host: str, port: int) -> socket.socket | None:
    number, _, address = os.environ.get(VARIABLE, "").partition(" ")
    if not number.isdigit() or address != f"{port} {host}":
        return None
    try:
        listener = socket.socket(fileno=os.dup(int(number)))
    except OSError:
        return None
    # The number may be another file's by now, where the environment went on and the descriptor did not.
    try:
        if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and port in (0, listener.getsockname()[1]):
            return listener
    except (OSError, IndexError):
        pass
    listener.close()
    return None
