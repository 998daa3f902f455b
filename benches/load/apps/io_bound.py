"""A view that waits 20 ms, as for a database: what counts is how many waits the server overlaps."""

import time

BODY = b"waited\n"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ, start_response):
    time.sleep(0.02)
    start_response("200 OK", HEADERS)
    return [BODY]
