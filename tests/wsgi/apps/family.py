"""Starts processes that start processes.

/orphan   `code of the child` `number of the grandchild`, which outlives the child and ends when the gate lets it
/pid      the server's own number
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from knock import argument
from lab import application as lab

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

GRANDCHILD = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as sock:
    sock.sendall(b"orphan\\n")
    sock.recv(1)
"""


def orphan(environ: dict[str, Any]) -> str:
    command = '"$@" <&- >&- 2>&- & echo $!; exit 3'
    script = ["sh", "-c", command, "-", sys.executable, "-c", GRANDCHILD, argument(environ, "gate")]
    child = subprocess.run(script, capture_output=True, text=True, check=False)
    return f"{child.returncode} {child.stdout}"


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    bodies = {"/orphan": lambda: orphan(environ), "/pid": lambda: str(os.getpid())}
    if body := bodies.get(environ["PATH_INFO"]):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body().encode()]
    return lab(environ, start_response)
