"""Bodies of bytes that outlive their response, and a word on who still refers to them."""

import sys
from urllib.parse import parse_qs

SIZES = {"small": 1000, "middle": 50_000, "large": 3_000_000, "larger": 16_000_000}
KEPT = {name: bytes(number % 251 for number in range(size)) for name, size in SIZES.items()}


class Named(bytes):
    """Bytes of a class of the application's, which sees them go."""

    ended = 0

    def __del__(self):
        Named.ended += 1


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    headers = [("Content-Type", "application/octet-stream")]
    match environ["PATH_INFO"]:
        case "/references":
            # Two that are always there: the table's, and this argument.
            body = [b"%d %d" % (max(sys.getrefcount(kept) for kept in KEPT.values()), Named.ended)]
        case "/whole":
            body = [KEPT[query["name"]]]
        case "/cut":
            headers.append(("Content-Length", query["length"]))
            body = [KEPT[query["name"]]]
        case "/pieces":
            body = iter([KEPT["middle"], b"small", KEPT["large"], KEPT["middle"]])
        case "/named":
            body = iter([Named(KEPT["middle"]), Named(KEPT["large"])])
        case "/written":
            write = start_response("200 OK", headers)
            write(KEPT["middle"])
            write(KEPT["large"])
            return []
        case "/endless":
            # Each is new, and nothing else refers to it.
            body = (b"x" * 65_536 for _ in range(int(query["count"])))
    start_response("200 OK", headers)
    return body
