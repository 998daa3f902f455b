"""Promise: the log is lines of text or JSON on stdout, no value can forge one, and access records can be left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from records import wait_access
from server import Face, Starter, environment


def test_json_lines(start: Starter) -> None:
    server = start("lab:application", "--log-format", "json")
    server.ask("/hello?q=1", headers=[("User-Agent", 'a "b" \\ \xe9')])
    assert server.terminate() == 0
    records = [json.loads(line) for line in server.log().splitlines()]
    (access,) = [record for record in records if record.get("path") == "/hello"]
    assert (access["method"], access["status"], access["bytes"], access["complete"]) == ("GET", 200, 12, True)
    assert (access["client"], access["query"]) == ("127.0.0.1", "q=1")


def test_the_page_about_logs_shows_a_record(start: Starter) -> None:
    """Field by field, in their order."""
    page = (Path(__file__).parents[2] / "docs" / "logging.md").read_text()
    shown = json.loads(page.split("```json\n")[1].split("```")[0])
    server = start("logs:application", "--log-format", "json")
    traceparent = f"00-{shown['trace_id']}-{shown['span_id']}-01"
    server.ask("/hello?" + shown["query"], headers=[("traceparent", traceparent), ("User-Agent", shown["user_agent"])])
    record = wait_access(server, "/hello")
    assert list(record) == list(shown)
    assert {key: type(value) for key, value in record.items()} == {key: type(value) for key, value in shown.items()}
    same = ("level", "message", "target", "query", "version", "trace_id", "span_id", "user_agent", "complete", "reason")
    assert {key: record[key] for key in same} == {key: shown[key] for key in same}


def test_a_client_cannot_forge_a_line(start: Starter) -> None:
    server = start("lab:application")
    server.ask("/hello?%0aFORGED", headers=[("User-Agent", '" status=999 \x1b[31m FORGED')])
    assert server.terminate() == 0
    assert not [line for line in server.log().splitlines() if line.startswith("FORGED")]
    assert "\x1b" not in server.log()
    assert '" status=999' not in server.log().replace('\\" status=999', "")


def test_no_access_log(start: Starter) -> None:
    server = start("lab:application", "--no-access-log")
    server.ask("/hello")
    assert server.terminate() == 0
    assert "/hello" not in server.log()
    assert "listening on" in server.log()


def test_the_level_leaves_access_records_alone(start: Starter) -> None:
    server = start("lab:application")
    server.ask("/hello")
    assert 'path="/hello"' in server.wait_log("/hello")
    assert "DEBUG" not in server.log()


def test_python_dash_m(face: Face) -> None:
    if face.name == "binary":
        return  # It is no Python module.
    ended = subprocess.run(
        [sys.executable, "-m", "monopod", "--version"], env=environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout == face.run("--version").stdout
