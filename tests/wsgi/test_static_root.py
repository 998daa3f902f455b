"""Promise: --static-root serves files beside the application's pages, and --spa the page of a single-page application."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import Server, Starter

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "favicon.ico").write_bytes(b"icon")
    (root / "index.html").write_text("<p>the page</p>")
    (root / "guide").mkdir()
    (root / "guide/index.html").write_text("<p>the guide</p>")
    (root / "assets").mkdir()
    (root / "assets/main-B7PI925R.js").write_text("js")
    return root


@pytest.fixture(scope="module")
def server(start_once: Starter, root: Path) -> Server:
    return start_once("lab:application", "--static-root", str(root), "--spa", "--root-path", "/app")


def test_files_lie_beside_the_applications_pages(server: Server) -> None:
    assert server.ask("/app/favicon.ico").body == b"icon"
    assert server.ask("/app/assets/main-B7PI925R.js").get("cache-control") == "public, max-age=31536000, immutable"
    assert server.ask("/app/hello").body == b"hello world\n"
    assert server.ask("/app/").body == b"<p>the page</p>"
    assert server.ask("/app/", "POST", body=b"x").status == 404, "the application's"


def test_a_directory_has_a_slash(server: Server) -> None:
    answer = server.ask("/app/guide?page=2")
    assert (answer.status, answer.get("location")) == (302, "/app/guide/?page=2")
    assert server.ask("/app/guide/").body == b"<p>the guide</p>"


def test_a_page_that_nobody_has_is_the_spas(server: Server) -> None:
    answer = server.ask("/app/users/7", headers=[("Accept", HTML)])
    assert (answer.status, answer.body) == (200, b"<p>the page</p>")
    assert "Accept" in answer.all("vary")
    etag = answer.get("etag")
    assert etag
    again = server.ask("/app/users/7", headers=[("Accept", HTML), ("If-None-Match", etag)])
    assert again.status == 304
    head = server.ask("/app/users/7", "HEAD", headers=[("Accept", HTML)])
    assert (head.status, head.get("content-length"), head.body) == (200, "15", b"")


def test_the_rest_is_the_applications(server: Server) -> None:
    assert server.ask("/app/hello", headers=[("Accept", HTML)]).body == b"hello world\n"
    for accept in ("application/json", "*/*", "text/html;q=0"):
        assert server.ask("/app/api/users/7", headers=[("Accept", accept)]).body == b"nothing here\n"
    assert server.ask("/app/users/7").status == 404
    assert server.ask("/app/users/7", "POST", [("Accept", HTML)], b"x").status == 404


def test_several_roots_are_looked_at_in_order(start: Starter, root: Path, tmp_path: Path) -> None:
    (tmp_path / "favicon.ico").write_bytes(b"another")
    (tmp_path / "robots.txt").write_text("robots")
    server = start("lab:application", "--static-root", str(root), "--static-root", str(tmp_path))
    assert server.ask("/favicon.ico").body == b"icon"
    assert server.ask("/robots.txt").body == b"robots"
    assert server.ask("/users/7", headers=[("Accept", HTML)]).status == 404, "without --spa"


def test_a_page_that_is_not_there_is_warned_of(start: Starter, tmp_path: Path) -> None:
    server = start("lab:application", "--static-root", str(tmp_path), "--spa")
    assert "index.html" in server.wait_log("WARN")
    assert server.ask("/users/7", headers=[("Accept", HTML)]).status == 404
