"""Promise: --access-logformat takes gunicorn's atoms; what it cannot tell is refused at the start, and no value forges a
line or the end of a string."""

from __future__ import annotations

import base64
import json
import re

import pytest

from server import APPS, Face, Starter

COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
LINE = re.compile(
    r'127\.0\.0\.1 - aladdin \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /hello\?q=1 HTTP/1\.1" 200 \d+ '
    r'"http://a/" "an \\"agent\\" \\\\ \u00e9"'
)
HEADERS = [
    ("Authorization", "Basic " + base64.b64encode(b"aladdin:open sesame").decode()),
    ("Referer", "http://a/"),
    ("User-Agent", 'an "agent" \\ \xe9'),
    ("X-Request-ID", "4e"),
]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_combined_format(start: Starter, form: str) -> None:
    """The line is the operator's, in either form of the log."""
    server = start("logs:application", "--access-logformat", COMBINED, "--log-format", form)
    assert server.ask("/hello?q=1", headers=HEADERS).status == 200
    line = server.wait_log("/hello?q=1")
    assert LINE.fullmatch(line.rstrip("\n")), line


def test_times_headers_and_variables(start: Starter) -> None:
    atoms = {
        "seconds": "%(T)s",
        "millis": "%(M)s",
        "micros": "%(D)s",
        "decimal": "%(L)s",
        "process": "%(p)s",
        "agent": "%({User-Agent}i)s",
        "cache": "%({x-cache}o)s",
        "missing": "%({x-missing}o)s",
        "method": "%({REQUEST_METHOD}e)s",
        "target": "%({raw_uri}e)s",
        "host": "%({HTTP_HOST}e)s",
        "id": "%({x-request-id}i)s",
        "percent": "100%%",
    }
    server = start("logs:application", "--access-logformat", json.dumps(atoms))
    assert server.ask("/hello?q=1", headers=HEADERS).status == 200
    told = json.loads(server.wait_log("100%"))
    assert (told["seconds"], told["process"], told["percent"]) == ("0", f"<{server.pid}>", "100%")
    assert int(told["millis"]) == int(told["micros"]) // 1000 == int(float(told["decimal"]) * 1000)
    assert (told["agent"], told["cache"], told["missing"]) == ('an "agent" \\ \xe9', 'a "hit"', "-")
    assert (told["method"], told["target"], told["id"]) == ("GET", "/hello?q=1", "4e")
    assert told["host"].startswith("127.0.0.1") or told["host"]


REFUSED = {
    "%(x)s": "does not know the atom `%(x)s`",
    "%({wsgi.input}e)s": "cannot tell `%({wsgi.input}e)s`",
    "%(h)d": "wants `%(h)s`",
    "%h": "wants atoms such as",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_known_is_refused(face: Face, text: str) -> None:
    ended = face.run("serve", "logs:application", "--access-logformat", text, cwd=APPS)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert f"--access-logformat {REFUSED[text]}" in ended.stderr
    ended = face.run("serve", "logs:application", cwd=APPS, env={"MONOPOD_ACCESS_LOGFORMAT": text})
    assert ended.returncode == 78
    assert f"MONOPOD_ACCESS_LOGFORMAT {REFUSED[text]}" in ended.stderr
