"""Promise: --static serves files without Python: compressed siblings, validators, ranges, caching, methods."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from gate import Gate
from server import Face, Server, Starter
from wire import Answer, Headers

CSS = b"".join(b".rule-%d { color: #%06x; margin: 0 auto }\n" % (n, n * 7919) for n in range(500))
NOISE = random.Random(3).randbytes(5000)


@pytest.fixture(scope="module")
def root(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static")
    (root / "css").mkdir()
    (root / "css/site.css").write_bytes(CSS)
    (root / "css/site.3f2ab19c04d1.css").write_bytes(CSS)
    (root / "noise.png").write_bytes(NOISE)
    (root / "plain.txt").write_text("no siblings\n")
    (root / "empty.txt").write_bytes(b"")
    (root / "späce name.txt").write_text("odd name\n")
    (root / "page.html").write_text("<p>page</p>")
    (root / ".env").write_text("SECRET=1")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("SECRET=1")
    (root / ".well-known").mkdir()
    (root / ".well-known/security.txt").write_text("Contact: x")
    (root / "large.bin").write_bytes(bytes(range(256)) * 4096 * 12)
    ended = face.run("compress", str(root))
    assert ended.returncode == 0, ended
    return root


@pytest.fixture(scope="module")
def server(start_once: Starter, root: Path) -> Server:
    return start_once("lab:application", "--threads", "1", "--static", f"/static={root}")


def get(server: Server, name: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
    return server.ask(f"/static/{name}", method, headers)


def test_the_ready_line_names_the_mount(server: Server) -> None:
    assert "/static" in server.ready_line


def test_a_file_as_it_is(server: Server) -> None:
    answer = get(server, "plain.txt")
    assert (answer.status, answer.body) == (200, b"no siblings\n")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("content-length") == "12"
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("accept-ranges") == "bytes"
    assert answer.get("last-modified")
    assert (answer.get("etag") or "").startswith('"')
    assert get(server, "empty.txt").body == b""
    assert get(server, "sp%C3%A4ce%20name.txt").body == b"odd name\n"
    assert get(server, "large.bin").body == bytes(range(256)) * 4096 * 12


def test_compress_writes_siblings_where_they_pay(root: Path) -> None:
    for suffix in ("br", "zst", "gz"):
        sibling = root / f"css/site.css.{suffix}"
        assert 0 < sibling.stat().st_size < len(CSS) / 2
        assert not (root / f"noise.png.{suffix}").exists()
        assert not (root / f".env.{suffix}").exists()


def test_compress_again_changes_nothing(face: Face, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert face.run("compress", str(root)).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_compress_refuses_what_is_no_directory(face: Face, tmp_path: Path) -> None:
    ended = face.run("compress", str(tmp_path / "missing"))
    assert ended.returncode != 0
    assert "missing" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1, br;q=0.1", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("deflate", None),
        ("br;q=0", None),
        ("", None),
    ],
)
def test_the_best_coding_accepted(server: Server, root: Path, accepted: str, coding: str | None) -> None:
    answer = get(server, "css/site.css", ("Accept-Encoding", accepted))
    suffix = {"br": ".br", "zstd": ".zst", "gzip": ".gz", None: ""}[coding]
    assert answer.get("content-encoding") == coding
    assert answer.body == (root / f"css/site.css{suffix}").read_bytes()
    if coding == "gzip":
        assert gzip.decompress(answer.body) == CSS
    assert "accept-encoding" in (answer.get("vary") or "").lower()
    assert answer.get("content-type") == "text/css; charset=utf-8"


def test_each_coding_has_its_own_strong_etag(server: Server) -> None:
    codings = ["br", "zstd", "gzip", "identity"]
    etags = {get(server, "css/site.css", ("Accept-Encoding", coding)).get("etag") for coding in codings}
    assert len(etags) == 4
    assert all(etag and etag.startswith('"') for etag in etags)


def test_siblings_are_no_urls(server: Server) -> None:
    for suffix in ("br", "zst", "gz"):
        assert get(server, f"css/site.css.{suffix}").status == 404


def test_not_modified(server: Server) -> None:
    first = get(server, "css/site.css", ("Accept-Encoding", "br"))
    etag, date = first.get("etag") or "", first.get("last-modified") or ""
    conditions: list[Headers] = [
        [("If-None-Match", etag)],
        [("If-None-Match", f'"other", W/{etag}')],
        [("If-None-Match", "*")],
        [("If-Modified-Since", date)],
    ]
    with server.connect() as client:
        for condition in conditions:
            answer = client.ask("/static/css/site.css", headers=[("Accept-Encoding", "br"), *condition])
            assert (answer.status, answer.body) == (304, b"")
            assert answer.get("etag") == etag
            assert answer.get("cache-control")
            assert "accept-encoding" in (answer.get("vary") or "").lower()
        for name, value in [("If-None-Match", '"other"'), ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")]:
            assert client.ask("/static/css/site.css", headers=[(name, value)]).status == 200


def test_head(server: Server) -> None:
    with server.connect() as client:
        for headers in ([], [("Accept-Encoding", "br")]):
            got = client.ask("/static/css/site.css", headers=headers)
            head = client.ask("/static/css/site.css", "HEAD", headers)
            assert head.status == 200
            for name in ("content-length", "etag", "content-type", "content-encoding", "cache-control"):
                assert head.get(name) == got.get(name)


@pytest.mark.parametrize(
    ("ranges", "status", "body", "content_range"),
    [
        ("bytes=0-4", 206, NOISE[:5], "bytes 0-4/5000"),
        ("bytes=0-0", 206, NOISE[:1], "bytes 0-0/5000"),
        ("bytes=4990-", 206, NOISE[4990:], "bytes 4990-4999/5000"),
        ("bytes=-10", 206, NOISE[-10:], "bytes 4990-4999/5000"),
        ("bytes=4990-9999", 206, NOISE[4990:], "bytes 4990-4999/5000"),
        ("bytes=-9999", 206, NOISE, "bytes 0-4999/5000"),
        ("bytes=5000-", 416, None, "bytes */5000"),
        ("bytes=-0", 416, None, "bytes */5000"),
        ("bytes=9-3", 200, NOISE, None),
        ("lines=1-2", 200, NOISE, None),
        ("bytes=x", 200, NOISE, None),
    ],
)
def test_ranges(server: Server, ranges: str, status: int, body: bytes | None, content_range: str | None) -> None:
    with server.connect() as client:
        answer = client.ask("/static/noise.png", headers=[("Range", ranges)])
        assert (answer.status, answer.get("content-range")) == (status, content_range)
        assert body is None or answer.body == body
        assert client.ask("/hello").status == 200


def test_several_ranges(server: Server) -> None:
    answer = get(server, "noise.png", ("Range", "bytes=0-9,100-109"))
    assert answer.status == 206
    assert (answer.get("content-type") or "").startswith("multipart/byteranges; boundary=")
    assert NOISE[:10] in answer.body
    assert NOISE[100:110] in answer.body


def test_if_range(server: Server) -> None:
    etag = get(server, "noise.png").get("etag") or ""
    assert get(server, "noise.png", ("Range", "bytes=0-4"), ("If-Range", etag)).status == 206
    assert get(server, "noise.png", ("Range", "bytes=0-4"), ("If-Range", '"other"')).status == 200


def test_caching_follows_the_name(server: Server) -> None:
    assert get(server, "css/site.3f2ab19c04d1.css").get("cache-control") == "public, max-age=31536000, immutable"
    assert "max-age=60" in (get(server, "css/site.css").get("cache-control") or "")


def test_max_age_is_an_option(start: Starter, root: Path) -> None:
    server = start("lab:application", "--static", f"/static={root}", "--max-age", "2h")
    assert "max-age=7200" in (get(server, "css/site.css").get("cache-control") or "")
    assert "immutable" in (get(server, "css/site.3f2ab19c04d1.css").get("cache-control") or "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(server: Server, method: str) -> None:
    with server.connect() as client:
        answer = client.ask("/static/plain.txt", method, body=b"x" if method != "OPTIONS" else None)
        assert answer.status == 405
        assert {word.strip() for word in (answer.get("allow") or "").split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("name", ["missing.css", "css", "css/", "", "plain.txt/", "PLAIN.TXT"])
def test_what_is_not_there_is_404_without_the_application(server: Server, name: str) -> None:
    answer = get(server, name)
    assert answer.status == 404
    assert answer.body != b"nothing here\n"


@pytest.mark.parametrize("name", [".env", ".git/config", "css/../.env"])
def test_dotfiles_are_denied(server: Server, name: str) -> None:
    answer = get(server, name)
    assert answer.status in (400, 404)
    assert b"SECRET" not in answer.body


def test_well_known_is_served(server: Server) -> None:
    assert get(server, ".well-known/security.txt").body == b"Contact: x"


def test_the_application_has_the_rest(server: Server) -> None:
    assert server.ask("/hello").body == b"hello world\n"
    assert server.ask("/static-not").body == b"nothing here\n"


def test_static_does_not_wait_for_python(server: Server, gate: Gate) -> None:
    with server.connect() as busy:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        for name in ("plain.txt", "large.bin", "missing"):
            assert get(server, name).status == (404 if name == "missing" else 200)
        visitor.let_through()
        assert busy.answer().status == 200


def test_below_the_root_path(start: Starter, root: Path) -> None:
    server = start("lab:application", "--static", f"/static={root}", "--root-path", "/app")
    assert server.ask("/app/static/plain.txt").body == b"no siblings\n"
    assert server.ask("/app/hello").status == 200


def test_a_missing_directory_warns_and_serves(start: Starter, tmp_path: Path) -> None:
    server = start("lab:application", "--static", f"/static={tmp_path}/missing")
    assert f"{tmp_path}/missing" in server.wait_log("WARN")
    assert server.ask("/static/x.css").status == 404
    assert server.ask("/hello").status == 200
