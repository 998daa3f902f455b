"""Promise: the small print holds: exc_info by its name (PEP 3333), no content in a 205 (RFC 9110 §15.3.6), and files
whose size says nothing of their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import Server, Starter


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    return start_once("edge:application", "--threads", "1")


def test_exc_info_as_a_keyword(server: Server) -> None:
    answer = server.ask("/keywords")
    assert (answer.status, answer.reason, answer.body) == (503, "Sorry", b"replaced")
    assert answer.get("x-second") == "2"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("shape", ["list", "generator"])
def test_205_has_no_body(server: Server, shape: str, method: str) -> None:
    with server.connect() as client:
        answer = client.ask(f"/reset_content?as={shape}", method)
        assert (answer.status, answer.body, answer.complete) == (205, b"", True)
        assert answer.get("content-length") in (None, "0")
        # Any byte of a body would be read as the next answer's status line.
        assert client.ask("/hello").body == b"hello world\n"


@pytest.mark.parametrize("path", ["/proc/version", "/proc/filesystems"])
@pytest.mark.parametrize("page", ["plain_file", "unbuffered_file"])
def test_a_file_of_the_kernel(server: Server, page: str, path: str) -> None:
    """Its size is 0."""
    with server.connect() as client:
        answer = client.ask(f"/{page}?path={path}")
        assert (answer.body, answer.complete) == (Path(path).read_bytes(), True)
        assert client.ask("/hello").body == b"hello world\n"


def test_the_rest_of_a_file_of_the_kernel(server: Server) -> None:
    answer = server.ask("/plain_file?path=/proc/version&offset=6&by=read")
    assert (answer.body, answer.complete) == (Path("/proc/version").read_bytes()[6:], True)
