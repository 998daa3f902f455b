"""Promise: --headers-file, or the _headers of --static-root, sets and removes headers of static files by their path; what
is wrong in it is told by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import Face, Server, Starter

RULES = """\
# security everywhere
/*
  X-Frame-Options: DENY
  X-Robots-Tag: nosnippet

/static/assets/*
  Cache-Control: public
  Cache-Control: max-age=31536000
  Access-Control-Allow-Origin: *

/static/assets/draft-:name.js
  Cache-Control: no-cache
  X-Robots-Tag: noindex
  ! X-Frame-Options
  ! X-Content-Type-Options
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    (site / "assets").mkdir()
    (site / "assets/app.js").write_text("let app = 1;\n")
    (site / "assets/draft-1.js").write_text("let draft = 1;\n")
    (site / "page.html").write_text("<p>page</p>")
    (site / "rules.txt").write_text(RULES)
    return site


@pytest.fixture(scope="module")
def server(start_once: Starter, site: Path) -> Server:
    options = ("--static", f"/static={site}", "--headers-file", str(site / "rules.txt"), "--root-path", "/app")
    return start_once("lab:application", *options)


def test_every_rule_for_a_path_applies(server: Server) -> None:
    page = server.ask("/app/static/page.html")
    assert (page.status, page.get("x-frame-options"), page.get("x-robots-tag")) == (200, "DENY", "nosnippet")
    assert page.get("cache-control") == "public, max-age=60"

    app = server.ask("/app/static/assets/app.js")
    assert app.get("cache-control") == "public, max-age=31536000"
    assert app.get("access-control-allow-origin") == "*"
    assert app.get("x-content-type-options") == "nosniff"

    draft = server.ask("/app/static/assets/draft-1.js")
    assert (draft.get("cache-control"), draft.get("x-robots-tag")) == ("no-cache", "nosnippet, noindex")
    assert (draft.get("x-frame-options"), draft.get("x-content-type-options")) == (None, None)


def test_the_applications_answers_are_its_own(server: Server) -> None:
    assert server.ask("/app/hello").get("x-frame-options") is None
    assert server.ask("/app/static/missing.js").get("x-frame-options") is None


def test_a_304_says_what_the_rule_says(server: Server) -> None:
    etag = server.ask("/app/static/assets/app.js").get("etag")
    assert etag
    answer = server.ask("/app/static/assets/app.js", headers=[("If-None-Match", etag)])
    assert (answer.status, answer.body) == (304, b"")
    assert answer.get("cache-control") == "public, max-age=31536000"
    assert answer.get("access-control-allow-origin") == "*"
    assert answer.get("x-content-type-options") is None


def test_a_preflight_is_answered_where_a_rule_lets_origins_in(server: Server) -> None:
    asked = [("Origin", "https://other.example"), ("Access-Control-Request-Method", "GET")]
    answer = server.ask("/app/static/assets/app.js", "OPTIONS", asked)
    assert (answer.status, answer.body, answer.get("content-length")) == (204, b"", None)
    assert answer.get("allow") == "GET, HEAD, OPTIONS"
    assert answer.get("access-control-allow-origin") == "*"
    assert answer.get("access-control-allow-methods") == "GET, HEAD"
    refused = server.ask("/app/static/page.html", "OPTIONS", asked)
    assert (refused.status, refused.get("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("X-A: 1\n", 1, "any path"),
        ("/*\n  X-A\n", 2, "X-A"),
        ("/*\n  X A: 1\n", 2, "X A"),
        ("# x\n/*\n  X-A: a\x00b\n", 3, "x-a"),
        ("/*\n  X-A: a\rb\n", 2, "x-a"),
        ("/*\n  X-A: 1\n\nassets/*\n", 4, "assets/*"),
        ("https://example.com/*\n  X-A: 1\n", 1, "write the path alone"),
        ("/*\n  ETag: x\n", 2, "ETag"),
        ("/*\n  Transfer-Encoding: chunked\n", 2, "Transfer-Encoding"),
        ("/*\n", 1, "no header"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_line_is_told_by_its_number(
    face: Face, tmp_path: Path, command: str, text: str, line: int, says: str
) -> None:
    (tmp_path / "site_app.py").write_text("raise SystemExit('imported before the rules were read')\n")
    (tmp_path / "rules").write_bytes(text.encode())
    ended = face.run(command, "site_app:app", "--headers-file", "rules", "--bind", "127.0.0.1:0", cwd=tmp_path)
    assert ended.returncode == 78, ended
    (told,) = ended.stderr.splitlines()
    assert f"rules, line {line}: " in told
    assert says in told


def test_a_missing_file_is_told(face: Face, tmp_path: Path) -> None:
    env = {"MONOPOD_HEADERS_FILE": "no/rules"}
    ended = face.run("serve", "lab:application", "--bind", "127.0.0.1:0", env=env)
    assert ended.returncode == 78, ended
    assert "no/rules" in ended.stderr
    assert "--headers-file" in ended.stderr


def test_a_static_root_brings_its_own(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    (tmp_path / "_redirects").write_text("/a /b\n")
    (tmp_path / "_headers").write_text("/*\n  X-A: 1\n  Content-Length: 1\nhttps://a.example/*\n  X-B: 1\n")
    server = start("lab:application", "--static-root", str(tmp_path))
    for line in (3, 4):
        told = server.wait_log(f"_headers, line {line} ")
        assert "WARN" in told
        assert str(tmp_path) in told
    answer = server.ask("/page.html")
    assert (answer.get("x-a"), answer.get("content-length"), answer.get("x-b")) == ("1", "11", None)
    for name in ("/_headers", "/_redirects", "/%5Fheaders"):
        assert server.ask(name).body == b"nothing here\n", f"{name} is the application's"


def test_a_named_file_takes_the_place_of_the_roots_own(start: Starter, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "page.html").write_text("<p>page</p>")
    (root / "_headers").write_text("/*\n  X-A: 1\n")
    (tmp_path / "rules").write_text("/*\n  X-B: 2\n")
    server = start("lab:application", "--static-root", str(root), "--headers-file", str(tmp_path / "rules"))
    answer = server.ask("/page.html")
    assert (answer.get("x-a"), answer.get("x-b")) == (None, "2")
    assert server.ask("/_headers").status == 404


def test_check_shows_the_file(face: Face, tmp_path: Path) -> None:
    (tmp_path / "_headers").write_text("/*\n  X-A: 1\n  Date: x\n")
    ended = face.run("check", "lab:application", "--static-root", str(tmp_path))
    assert ended.returncode == 0, ended
    assert f"{tmp_path}/_headers (rules: 1)" in ended.stdout
    assert f"warning: {tmp_path}/_headers, line 3 " in " ".join(ended.stdout.split())
    named = face.run("check", "lab:application", env={"MONOPOD_HEADERS_FILE": str(tmp_path / "rules")})
    assert named.returncode == 78, named

    (tmp_path / "rules").write_text("/*\n  X-A: 1\n")
    named = face.run("check", "lab:application", env={"MONOPOD_HEADERS_FILE": str(tmp_path / "rules")})
    # Below a long value its origin has a line of its own.
    words = " ".join(named.stdout.split())
    assert f"headers-file {tmp_path / 'rules'} env MONOPOD_HEADERS_FILE" in words
