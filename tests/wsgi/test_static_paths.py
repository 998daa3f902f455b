"""Promise: nothing outside a static root is ever served, however its path is written."""

from __future__ import annotations

import pytest

from server import Server, Starter

SECRET = b"this must not leave the machine"


@pytest.fixture(scope="module")
def server(start_once: Starter, tmp_path_factory: pytest.TempPathFactory) -> Server:
    base = tmp_path_factory.mktemp("paths")
    root = base / "root"
    (root / "sub").mkdir(parents=True)
    (base / "root-secret").mkdir()
    for outside in (base / "secret.txt", base / "root-secret/secret.txt"):
        outside.write_bytes(SECRET)
    (root / "inside.txt").write_text("inside")
    (root / "sub/deep.txt").write_text("deep")
    (root / "link.txt").symlink_to(base / "secret.txt")
    (root / "linked").symlink_to(base / "root-secret")
    (root / "relative.txt").symlink_to("../secret.txt")
    (root / "inside.txt.gz").symlink_to(base / "secret.txt")
    (root / "good-link.txt").symlink_to("sub/deep.txt")
    return start_once("lab:application", "--static", f"/static={root}", "--static", f"/other={root}/sub")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "%2e%2e/secret.txt",
        "%2E%2E%2Fsecret.txt",
        "..%2fsecret.txt",
        ".%2e/secret.txt",
        "%252e%252e/secret.txt",
        "..%5csecret.txt",
        "%2e%2e%5csecret.txt",
        "..\\secret.txt",
        "sub/%2e%2e/%2e%2e/secret.txt",
        "....//secret.txt",
        "./../secret.txt",
        "/../secret.txt",
        "//secret.txt",
        "../root-secret/secret.txt",
        "..%2froot-secret%2fsecret.txt",
        "%00../secret.txt",
        "..%00/secret.txt",
        "inside.txt%00.css",
        "%c0%ae%c0%ae/secret.txt",
        "%uff0e%uff0e/secret.txt",
        "link.txt",
        "linked/secret.txt",
        "relative.txt",
        "..;/secret.txt",
        "-secret/secret.txt",
    ],
)
def test_nothing_outside(server: Server, path: str) -> None:
    for mount in ("/static/", "/other/", "/static/sub/"):
        with server.connect() as client:
            client.request(mount + path)
            answer = client.answer()
        assert answer.status in (400, 404), answer
        assert SECRET not in answer.body
        assert b"inside" not in answer.body


def test_a_prefix_is_not_a_directory_name(server: Server) -> None:
    for path in ("/static-secret/secret.txt", "/static../secret.txt", "/staticsecret.txt", "/static%2f../secret.txt"):
        assert SECRET not in server.ask(path).body


def test_a_sibling_that_leads_out_is_not_sent(server: Server) -> None:
    answer = server.ask("/static/inside.txt", headers=[("Accept-Encoding", "gzip")])
    assert (answer.body, answer.get("content-encoding")) == (b"inside", None)


def test_links_within_the_root_are_followed(server: Server) -> None:
    assert server.ask("/static/good-link.txt").body == b"deep"
    assert server.ask("/other/deep.txt").body == b"deep"
    assert server.ask("/static/sub%2Fdeep.txt").status in (200, 404)
