"""Promise: `wsgiref.validate` finds nothing to complain of, whatever the application does within PEP 3333."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from server import Server, Starter


@pytest.fixture(scope="module")
def checked(start_once: Starter) -> Server:
    return start_once("lab:validated", "--threads", "2", env={"PYTHONWARNINGS": "error::wsgiref.validate.WSGIWarning"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/environ", 200),
        ("/environ/%C3%A9/a%20b?x=%FF", 200),
        ("/hello", 200),
        ("/parts", 200),
        ("/closing", 200),
        ("/stream", 200),
        ("/stream_sized", 200),
        ("/late", 202),
        ("/written", 200),
        ("/replaced", 503),
        ("/status?line=204%20No%20Content", 204),
        ("/status?line=304%20Not%20Modified", 304),
        ("/status?line=404%20Gone%20Fishing", 404),
        ("/memory_file", 200),
        ("/thread", 200),
        ("/big?mib=3", 200),
        ("/nothing", 404),
    ],
)
def test_every_shape_of_answer(checked: Server, path: str, status: int, method: str) -> None:
    body = b"some body" if method in ("POST", "PUT", "PATCH") else None
    answer = checked.ask(path, method, [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=b")], body)
    assert (answer.status, answer.complete) == (status, True)
    complaints = [
        line for line in checked.log().splitlines() if "AssertionError" in line or "without being closed" in line
    ]
    assert complaints == []


def test_a_file(checked: Server) -> None:
    assert checked.ask(f"/plain_file?path={__file__}").body == Path(__file__).read_bytes()


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
def test_every_way_to_read(checked: Server, size: int) -> None:
    ops = [["read", 1], ["readline"], ["readlines"], ["iterate"]]
    answer = checked.ask(f"/body?ops={quote(json.dumps(ops))}", "POST", body=b"x" * size)
    assert answer.status == 200


def test_the_validator_is_there(checked: Server) -> None:
    """It refuses what PEP 3333 forbids, so the tests above can fail."""
    assert checked.ask("/returns?what=text-chunks").status == 500
