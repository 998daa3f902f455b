"""The application's side of gate.py: `?gate=PORT` says where to knock."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import parse_qs


def argument(environ: dict[str, Any], name: str, default: str = "") -> str:
    """A query argument."""
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def knock(environ: dict[str, Any], word: str, *, wait: bool = True) -> None:
    """Say `word` at the gate and wait to be let through; without a gate, go on."""
    if port := argument(environ, "gate"):
        with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as sock:
            sock.sendall(word.encode("ascii") + b"\n")
            if wait:
                sock.recv(1)


def tell(environ: dict[str, Any], word: str) -> None:
    """Say `word` at the gate and go on."""
    knock(environ, word, wait=False)
