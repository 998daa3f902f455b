"""An upload that is read whole and compared, which costs little beside reading it: a wrong byte is answered 400."""

import random

# The load has the same bytes: see scenarios.py.
BODY = random.Random(1).randbytes(1 << 20)
PREFIXES = {len(prefix): prefix for prefix in (BODY, BODY[: 10 << 10])}


def app(environ, start_response):
    received = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    is_right = received == PREFIXES.get(len(received))
    body = b"%d bytes\n" % len(received) if is_right else b"wrong\n"
    status = "200 OK" if is_right else "400 Bad Request"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
