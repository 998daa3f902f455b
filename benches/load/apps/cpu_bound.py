"""A view that computes for some milliseconds and holds the GIL all the while."""

BODY = b"%d\n" % sum(number * number for number in range(100_000))
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ, start_response):
    body = b"%d\n" % sum(number * number for number in range(100_000))
    start_response("200 OK", HEADERS)
    return [body]
