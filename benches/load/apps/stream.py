"""1 MiB in sixteen pieces, without Content-Length: the server has to chunk, or to close."""

import random

# The load has the same bytes: see scenarios.py.
BODY = random.Random(1).randbytes(1 << 20)
PIECES = [BODY[begin : begin + (64 << 10)] for begin in range(0, len(BODY), 64 << 10)]


def pieces():
    yield from PIECES


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return pieces()
