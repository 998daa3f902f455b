"""Promise: files of `--media` are served as they are when they are asked for, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server import Server, Starter

SECRET = b"this must not leave the machine"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("media")
    (base / "secret.txt").write_bytes(SECRET)
    (base / "media-secret").mkdir()
    (base / "media-secret/secret.txt").write_bytes(SECRET)
    (base / "thumbs").mkdir()
    (base / "thumbs/a.txt").write_text("a thumb\n")
    media = base / "media"
    (media / "sub").mkdir(parents=True)
    (media / "link.txt").symlink_to(base / "secret.txt")
    (media / "linked").symlink_to(base / "media-secret")
    (media / ".hidden").write_bytes(SECRET)
    (media / "thumbs").mkdir()
    (media / "thumbs/a.txt").write_bytes(SECRET)
    return media


@pytest.fixture(scope="module")
def server(start_once: Starter, media: Path) -> Server:
    thumbs = f"/media/thumbs={media.parent}/thumbs"
    rules = media.parent / "_headers"
    rules.write_text("/media/*.svg\n  Content-Security-Policy: sandbox\n")
    return start_once("lab:application", "--media", f"/media={media}", "--static", thumbs, "--headers-file", str(rules))


def test_files_come_change_and_go(server: Server, media: Path) -> None:
    file = media / "sub/für alle.txt"
    url = "/media/sub/f%C3%BCr%20alle.txt"
    missing = server.ask(url)
    assert (missing.status, missing.get("cache-control")) == (404, "no-store")
    file.write_text("one\n")
    first = server.ask(url)
    assert (first.status, first.body) == (200, b"one\n")
    assert first.get("content-type") == "text/plain; charset=utf-8"
    assert first.get("cache-control") == "public, max-age=60"
    assert first.get("x-content-type-options") == "nosniff"
    known = [("If-None-Match", first.get("etag") or "")]
    assert server.ask(url, headers=known).status == 304
    file.write_text("two\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    second = server.ask(url, headers=known)
    assert (second.status, second.body) == (200, b"two\n")
    assert second.get("last-modified") == "Tue, 14 Nov 2023 22:13:20 GMT"
    file.unlink()
    assert server.ask(url).status == 404


def test_parts_heads_and_other_methods(server: Server, media: Path) -> None:
    (media / "film.mp4").write_bytes(bytes(range(256)) * 4096)
    part = server.ask("/media/film.mp4", headers=[("Range", "bytes=1000000-1000009")])
    assert (part.status, part.body) == (206, bytes((1_000_000 + at) % 256 for at in range(10)))
    assert part.get("content-type") == "video/mp4"
    head = server.ask("/media/film.mp4", "HEAD")
    assert (head.status, head.get("content-length"), head.body) == (200, "1048576", b"")
    refused = server.ask("/media/film.mp4", "POST", body=b"x")
    assert (refused.status, refused.get("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "%252e%252e/secret.txt",
        "//secret.txt",
        "link.txt",
        "linked/secret.txt",
        ".hidden",
        "%2ehidden",
        "-secret/secret.txt",
        "sub",
        "sub/",
        "",
        "%",
        "%ff",
    ],
)
def test_nothing_else(server: Server, path: str) -> None:
    answer = server.ask(f"/media/{path}")
    assert answer.status in (400, 404), answer
    assert SECRET not in answer.body


def test_a_longer_url_of_static_files_is_theirs(server: Server) -> None:
    assert server.ask("/media/thumbs/a.txt").body == b"a thumb\n"


def test_rules_for_headers(server: Server, media: Path) -> None:
    (media / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert server.ask("/media/drawing.svg").get("content-security-policy") == "sandbox"
    (media / "drawing.txt").write_text("no")
    assert server.ask("/media/drawing.txt").get("content-security-policy") is None


def test_the_ready_line_and_a_directory_that_comes_later(start: Starter, tmp_path: Path) -> None:
    later = tmp_path / "later"
    server = start("lab:application", "--media", f"/uploads={later}", "--threads", "1")
    assert f"static=/uploads/={later} (live)" in server.ready_line
    assert "--media directory" in server.wait_log("is not there (yet)")
    assert server.ask("/uploads/a.txt").status == 404
    later.mkdir()
    (later / "a.txt").write_text("here")
    assert server.ask("/uploads/a.txt").body == b"here"
    assert server.ask("/hello").status == 200


def test_below_a_root_path(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    server = start("lab:application", "--media", f"/uploads={tmp_path}", "--root-path", "/app")
    assert server.ask("/app/uploads/a.txt").body == b"here"
