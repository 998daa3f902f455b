"""What slow clients ask for: an upload answered with its digest, a download of known bytes, and a quick page beside them."""

import hashlib

PATTERN = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1 << 15))


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/":
        body = b"quick\n"
    elif path == "/upload":
        received = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        body = b"%d %s\n" % (len(received), hashlib.sha256(received).hexdigest().encode())
    else:
        # Each offset has bytes of its own, so one client's download cannot pass for another's.
        offset = int(environ["QUERY_STRING"] or 0)
        body = PATTERN[offset:] + PATTERN[:offset]
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
