"""No server: calls an application in a loop with a made-up environ, `own_call.py PLAN` (JSON, see `main`).

Prints calls, CPU and wall seconds as JSON. What a server's process costs beyond this is the server.
"""

import importlib
import io
import json
import os
import sys
import time

CALLS = 200
"""Between two looks at the clock."""


def environ_for(plan):
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": plan["path"],
        "QUERY_STRING": "",
        "RAW_URI": plan["path"],
        "REQUEST_URI": plan["path"],
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def call(app, template):
    """As a server does it (PEP 3333): a fresh environ, the body to its end, close()."""
    environ = template.copy()
    environ["wsgi.input"] = io.BytesIO()
    seen = []

    def start_response(status, headers, exc_info=None):
        seen.append(status)

    result = app(environ, start_response)
    try:
        return seen, b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()


def right(app, template, plan):
    seen, body = call(app, template)
    if seen != ["200 OK"] or body != plan["answer"].encode("latin-1"):
        sys.exit(f"wrong answer {seen} {body[:200]!r}")


def main():
    plan = json.loads(sys.argv[1])
    sys.path[0] = os.getcwd()
    module, _, name = plan["app"].partition(":")
    app = getattr(importlib.import_module(module), name)
    template = environ_for(plan)
    right(app, template, plan)
    for seconds in (plan["warmup"], plan["seconds"]):
        calls, begin, cpu = 0, time.monotonic(), time.process_time()
        while time.monotonic() - begin < seconds:
            for _ in range(CALLS):
                call(app, template)
            calls += CALLS
        cpu, wall = time.process_time() - cpu, time.monotonic() - begin
    right(app, template, plan)
    json.dump({"calls": calls, "cpu_seconds": cpu, "seconds": wall}, sys.stdout)


main()
