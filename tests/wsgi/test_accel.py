"""Promise: an application that names a file (`X-Accel-Redirect`, `X-Sendfile`) is done with the request; the client gets the
file of `--accel`, and nothing else that lies on the disk."""

from __future__ import annotations

import email
import os
import random
import socket
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from gate import Gate
from samples import scrape
from server import Face, Server, Starter, await_true
from wire import Answer, Connection, Headers

CONTENT = random.Random(3).randbytes(20 << 20)
MTIME = 1_700_000_000
DATE, LATER = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
BIG = "X-Accel-Redirect:/protected/big.bin"
SMALL = "X-Accel-Redirect:/protected/small.txt"
ADMIN = ("--admin-bind", "127.0.0.1:0")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`private`, which the application may name files of, beside others that it may not."""
    top = tmp_path_factory.mktemp("accel")
    for name, content in {
        "private/big.bin": CONTENT,
        "private/small.txt": b"0123456789",
        "private/sub/überraschung 100%.pdf": b"%PDF",
        "private/.env": b"SECRET=1",
        "private/page.html.gz": b"packed",
        "private-not/secret.txt": b"secret",
        "media/only here.txt": b"media",
    }.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MTIME, MTIME))
    for name, target in {
        "out.txt": "../private-not/secret.txt",
        "out": "../private-not",
        "in.txt": "sub/../small.txt",
    }.items():
        (top / "private" / name).symlink_to(target)
    os.mkfifo(top / "private/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "private/socket"))
    return top


@pytest.fixture(scope="module")
def server(start_once: Starter, files: Path) -> Server:
    """One thread, so that a request that holds it is seen."""
    return start_once(
        "lab:application",
        *(*ADMIN, "--threads", "1"),
        *("--accel", f"/protected={files}/private", "--accel", f"/media={files}/media"),
    )


def target(*headers: str, **arguments: str) -> str:
    """The page that answers with these headers."""
    query = [("header", header) for header in headers] + list(arguments.items())
    return "/names?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query)


def ask(server: Server, *headers: str, method: str = "GET", sent: Headers = (), **arguments: str) -> Answer:
    answer = server.ask(target(*headers, **arguments), method, sent)
    assert answer.complete
    return answer


def parts(answer: Answer) -> list[tuple[str | None, str | None, bytes]]:
    """Content-Type, Content-Range and bytes of each part of a multipart answer."""
    head = f"Content-Type: {answer.get('content-type')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.body)
    assert message.is_multipart()
    found = []
    for part in message.walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part["content-type"], part["content-range"], payload))
    return found


# Which file


def test_each_way_to_name_a_file(server: Server, files: Path) -> None:
    for header, content in [
        ("X-Accel-Redirect:/protected/small.txt", b"0123456789"),
        ("X-Accel-Redirect:/protected/small.txt?v=1", b"0123456789"),
        ("X-Accel-Redirect:/protected/in.txt", b"0123456789"),
        ("x-accel-redirect:/protected/sub/%C3%BCberraschung%20100%25.pdf", b"%PDF"),
        ("X-Accel-Redirect:/protected/sub/\xc3\xbcberraschung 100%25.pdf", b"%PDF"),
        ("X-Accel-Redirect:/media/only%20here.txt", b"media"),
        (f"X-Sendfile:{files}/private/small.txt", b"0123456789"),
        (f"X-Sendfile:{files}/private/sub/\xfcberraschung 100%.pdf", b"%PDF"),
        ("X-Sendfile:small.txt", b"0123456789"),
        ("X-Sendfile:only here.txt", b"media"),
    ]:
        answer = ask(server, header)
        assert (answer.status, answer.body) == (200, content), header
    assert ask(server, "X-Sendfile:nothing", SMALL).body == b"0123456789"


def test_a_client_cannot_ask_for_it(server: Server) -> None:
    assert server.ask("/protected/small.txt").body == b"nothing here\n"


def test_nothing_else_is_answered_with(server: Server, files: Path) -> None:
    missing, outside = "accel-missing", "accel-outside"
    before = scrape(server)
    tried = 0
    for header, reason in [
        ("X-Accel-Redirect:/protected/nothing", missing),
        ("X-Accel-Redirect:/protected/", missing),
        ("X-Accel-Redirect:/protected/sub", missing),
        ("X-Accel-Redirect:/protected/small.txt/", missing),
        ("X-Accel-Redirect:/protected/pipe", missing),
        ("X-Accel-Redirect:/protected/socket", missing),
        ("X-Accel-Redirect:/protected", outside),
        ("X-Accel-Redirect:/protected-not/secret.txt", outside),
        ("X-Accel-Redirect:/protectedsmall.txt", outside),
        ("X-Accel-Redirect:/hello", outside),
        ("X-Accel-Redirect:", outside),
        ("X-Accel-Redirect:@named", outside),
        ("X-Accel-Redirect:/protected/../private-not/secret.txt", outside),
        ("X-Accel-Redirect:/protected/%2e%2e/private-not/secret.txt", outside),
        ("X-Accel-Redirect:/protected/..%2fprivate-not%2fsecret.txt", outside),
        ("X-Accel-Redirect:/protected/..%5cprivate-not%5csecret.txt", outside),
        ("X-Accel-Redirect:/protected/small.txt%00.png", outside),
        ("X-Accel-Redirect:/protected/out.txt", outside),
        ("X-Accel-Redirect:/protected/out/secret.txt", outside),
        ("X-Accel-Redirect:/protected/.env", outside),
        (f"X-Sendfile:{files}/private/.env", outside),
        (f"X-Sendfile:{files}/private-not/secret.txt", outside),
        (f"X-Sendfile:{files}/private/../private-not/secret.txt", outside),
        (f"X-Sendfile:{files}/private/out.txt", outside),
        ("X-Sendfile:../private-not/secret.txt", outside),
        ("X-Sendfile:/etc/passwd", outside),
        ("X-Sendfile:/proc/self/environ", outside),
    ]:
        answer = ask(server, header, "Set-Cookie:a=b", "X-Other:1", body="list")
        assert (answer.status, answer.body, answer.get("cache-control")) == (404, b"404 Not Found\n", "no-store"), (
            header
        )
        name = header.partition(":")[2]
        assert f'reason="{reason}"' in server.wait_log(f'file="{name}"'), header
        tried += 1

    def recorded() -> int:
        return sum("monopod::access" in line and 'reason="accel-' in line for line in server.log().splitlines())

    await_true(lambda: recorded() == tried, "each has an access record with the reason")
    faults = scrape(server).since(before, "monopod_faults_total")
    assert sum(faults.values()) == tried
    assert set(faults) == {(missing,), (outside,)}


def test_the_name_forges_no_log_line(server: Server) -> None:
    assert ask(server, "X-Accel-Redirect:/protected/\x9b2J\x85x").status == 404
    assert r"\\u{9b}2J\\u{85}x" in server.wait_log("2J")
    # One that no header may have is the application's mistake, as in any other.
    assert ask(server, "X-Accel-Redirect:/protected/a\nb").status == 500


def test_without_directories_the_headers_go_on(lab: Server) -> None:
    answer = ask(lab, BIG, "X-Sendfile:/srv/a", "X-Accel-Expires:60", body="list")
    assert (answer.status, answer.body) == (200, b"not for the client\n")
    assert answer.get("x-accel-redirect") == "/protected/big.bin"
    assert (answer.get("x-sendfile"), answer.get("x-accel-expires")) == ("/srv/a", "60")


def test_directories_come_and_go(start: Starter, tmp_path: Path) -> None:
    server = start("lab:application", env={"MONOPOD_ACCEL": f"/protected={tmp_path}/a,/protected={tmp_path}/b"})
    assert f"{tmp_path}/a is not there" in server.wait_log("/a is not there")
    assert ask(server, SMALL).status == 404
    tags = []
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "small.txt").write_text(name)
        answer = ask(server, SMALL)
        assert answer.body == name.encode()
        tags.append(answer.get("etag"))
    (tmp_path / "a/small.txt").unlink()
    answer = ask(server, SMALL)
    assert (answer.body, answer.get("etag")) == (b"b", tags[0])
    (tmp_path / "b/small.txt").write_text("c")
    answer = ask(server, SMALL)
    assert answer.body == b"c"
    assert len({*tags, answer.get("etag")}) == 3


def test_check_shows_the_directories(face: Face, tmp_path: Path) -> None:
    shown = face.run("check", "lab:application", "--accel", f"/p={tmp_path}", "--accel", "/q=/nowhere")
    assert shown.returncode == 0
    assert f"accel        /p={tmp_path}\n" in shown.stdout
    assert "accel        /q=/nowhere  (warning: the directory does not exist)" in shown.stdout


# What the answer says


def test_what_the_application_says_of_the_file_counts(server: Server) -> None:
    answer = ask(
        server,
        SMALL,
        "Content-Type:application/x-special",
        "Content-Disposition:attachment; filename=a.txt",
        "Content-Encoding:gzip",
        "Content-Length:0",
        "Accept-Ranges:none",
        "Cache-Control:private, max-age=5",
        "Expires:" + LATER,
        "Set-Cookie:a=1",
        "Set-Cookie:b=2",
        "Vary:Cookie",
        "X-Other:1",
        "X-Accel-Expires:60",
        "X-Accel-Limit-Rate:1",
        "X-Sendfile:/srv/other",
    )
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.get("content-type") == "application/x-special"
    assert answer.get("content-disposition") == "attachment; filename=a.txt"
    assert answer.get("content-encoding") == "gzip"
    assert (answer.get("content-length"), answer.get("accept-ranges")) == ("10", "bytes")
    assert (answer.get("cache-control"), answer.get("expires")) == ("private, max-age=5", LATER)
    assert (answer.all("set-cookie"), answer.get("vary"), answer.get("x-other")) == (["a=1", "b=2"], "Cookie", "1")
    assert answer.get("last-modified") == DATE
    assert not [name for name, _ in answer.headers if name.startswith("x-accel") or name == "x-sendfile"]
    assert answer.get("transfer-encoding") is None


def test_without_a_type_the_name_tells_it(server: Server) -> None:
    answer = ask(server, SMALL)
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("x-content-type-options") == "nosniff"
    assert ask(server, BIG, method="HEAD").get("content-type") == "application/octet-stream"
    answer = ask(server, SMALL, "Content-Type:text/html")
    assert (answer.get("content-type"), answer.get("x-content-type-options")) == ("text/html", None)


def test_the_whole_of_a_large_file(server: Server) -> None:
    assert ask(server, BIG).body == CONTENT
    assert ask(server, BIG, method="POST", sent=[("Range", "bytes=0-1")]).body == CONTENT


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("0-0", 0, 0),
        ("5-", 5, len(CONTENT) - 1),
        ("-7", len(CONTENT) - 7, len(CONTENT) - 1),
        ("1000000-9999999", 10**6, 10**7 - 1),
    ],
)
def test_a_range(server: Server, field: str, first: int, last: int) -> None:
    answer = ask(server, BIG, "Content-Disposition:attachment", sent=[("Range", f"bytes={field}")])
    assert answer.status == 206
    assert answer.get("content-range") == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.get("content-disposition") == "attachment"
    assert answer.body == CONTENT[first : last + 1]


def test_several_ranges(server: Server) -> None:
    answer = ask(
        server, BIG, 'ETag:"a b"', "Content-Type:video/mp4", sent=[("Range", "bytes=-5,10-19,15000000-15999999")]
    )
    assert answer.status == 206
    size = len(CONTENT)
    assert parts(answer) == [
        ("video/mp4", f"bytes {size - 5}-{size - 1}/{size}", CONTENT[-5:]),
        ("video/mp4", f"bytes 10-19/{size}", CONTENT[10:20]),
        ("video/mp4", f"bytes 15000000-15999999/{size}", CONTENT[15_000_000:16_000_000]),
    ]


def test_a_range_outside(server: Server) -> None:
    sent = [("Range", "bytes=99-")]
    answer = ask(server, SMALL, "Set-Cookie:a=1", "Cache-Control:public", "Content-Disposition:attachment", sent=sent)
    assert (answer.status, answer.get("content-range")) == (416, "bytes */10")
    assert (answer.get("set-cookie"), answer.get("cache-control")) == ("a=1", "no-store")
    assert answer.get("content-disposition") is None
    assert answer.get("etag") is None


@pytest.mark.parametrize("own", [(), ('ETag:"v1"',), ('ETag:"v1"', "Last-Modified:" + OLD)])
def test_preconditions(server: Server, own: tuple[str, ...]) -> None:
    whole = ask(server, SMALL, "Set-Cookie:a=1", "Cache-Control:private", "Content-Language:de", *own)
    etag, date = whole.get("etag"), whole.get("last-modified")
    assert etag
    assert date
    assert (etag == '"v1"') == bool(own)
    assert date == (OLD if len(own) == 2 else DATE)
    for sent, status in [
        ([("If-None-Match", etag)], 304),
        ([("If-None-Match", f'"x", W/{etag}')], 304),
        ([("If-Modified-Since", date)], 304),
        ([("If-Modified-Since", LATER)], 304),
        ([("If-None-Match", '"x"'), ("If-Modified-Since", LATER)], 200),
        ([("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
        ([("If-Match", '"x"')], 412),
        ([("If-Match", etag)], 200),
        ([("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], 412),
        ([("If-Range", etag), ("Range", "bytes=2-3")], 206),
        ([("If-Range", date), ("Range", "bytes=2-3")], 206),
        ([("If-Range", '"x"'), ("Range", "bytes=2-3")], 200),
        ([("If-Range", LATER), ("Range", "bytes=2-3")], 200),
    ]:
        for method in ("GET", "HEAD"):
            answer = ask(
                server,
                SMALL,
                "Set-Cookie:a=1",
                "Cache-Control:private",
                "Content-Language:de",
                *own,
                method=method,
                sent=sent,
            )
            expected = 200 if (method, status) == ("HEAD", 206) else status
            assert answer.status == expected, (method, sent)
            assert answer.get("set-cookie") == "a=1"
            if status == 304:
                assert (answer.body, answer.get("etag"), answer.get("cache-control")) == (b"", etag, "private")
                for name in ("content-length", "content-type", "content-language"):
                    assert answer.get(name) is None, name
    assert server.ask(target(SMALL, *own), "POST", [("If-None-Match", "*")]).status == 200


def test_a_weak_tag_of_the_applications_joins_no_parts(server: Server) -> None:
    weak = 'ETag:W/"v1"'
    assert ask(server, SMALL, weak, sent=[("If-None-Match", '"v1"')]).status == 304
    answer = ask(server, SMALL, weak, sent=[("If-Range", 'W/"v1"'), ("Range", "bytes=0-1")])
    assert (answer.status, answer.get("etag")) == (200, 'W/"v1"')
    answer = ask(server, SMALL, "ETag:unquoted", "Last-Modified:yesterday")
    assert (answer.get("etag"), answer.get("last-modified")) == (ask(server, SMALL).get("etag"), DATE)


def test_head(server: Server) -> None:
    with server.connect() as client:
        answer = client.ask(target(BIG), "HEAD", [("Range", "bytes=0-1")])
        assert (answer.status, answer.get("content-length")) == (200, str(len(CONTENT)))
        assert client.ask(target(SMALL, status="403 Forbidden"), "HEAD").get("content-length") == "10"
        assert client.ask("/hello").body == b"hello world\n"


def test_another_status_keeps_it_and_gets_all_of_the_file(server: Server) -> None:
    sent = [("Range", "bytes=0-1"), ("If-None-Match", "*")]
    answer = ask(server, SMALL, "Content-Type:text/html", status="403 Go Away", body="list", sent=sent)
    assert (answer.status, answer.reason, answer.body) == (403, "Go Away", b"0123456789")
    assert (answer.get("content-length"), answer.get("accept-ranges"), answer.get("etag")) == ("10", None, None)
    # It may have made a part itself, of a body that it does not have.
    answer = ask(server, SMALL, "Content-Range:bytes 0-1/10", "Content-Length:2", status="206 Partial Content")
    assert (answer.status, answer.body, answer.get("content-range")) == (200, b"0123456789", None)
    sent = [("Range", "bytes=2-4")]
    answer = ask(
        server, SMALL, "Content-Range:bytes 2-4/10", "Content-Length:3", status="206 Partial Content", sent=sent
    )
    assert (answer.status, answer.body, answer.get("content-range")) == (206, b"234", "bytes 2-4/10")
    for line in ("304 Not Modified", "204 No Content"):
        answer = ask(server, SMALL, status=line)
        assert (answer.status, answer.body) == (int(line[:3]), b"")
        assert answer.get("x-accel-redirect") is None


# What becomes of the application


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("length", [(), ("Content-Length:0",), ("Content-Length:19",)], ids=["none", "0", "19"])
@pytest.mark.parametrize("kind", ["list", "write", "file", "generator"])
def test_a_body_beside_the_name_is_dropped(server: Server, kind: str, length: tuple[str, ...], method: str) -> None:
    log = len(server.log())
    with server.connect() as client:
        for _ in range(2):
            answer = client.ask(target(SMALL, *length, body=kind), method)
            assert (answer.status, answer.body) == (200, b"0123456789" if method == "GET" else b"")
    assert "app-long-body" not in server.log()[log:]
    assert "app-raised" not in server.log()[log:]


def test_an_iterable_is_closed_once_and_its_client_is_still_there(server: Server, gate: Gate) -> None:
    answer = ask(server, BIG, body="generator", key="closed-once", gate=str(gate.port))
    assert answer.body == CONTENT
    gate.wait("closed")
    gate.wait("gone False")
    assert server.ask("/count?key=closed-once").body == b"1"
    assert server.ask("/closed?key=closed-once").body == b"1"


def busy(server: Server) -> float:
    found = scrape(server)
    return found.get("monopod_threads_busy") + found.get("monopod_threads_streaming")


def test_slow_clients_hold_no_thread(server: Server) -> None:
    """There is one, and the clients have read nothing when another is answered."""
    before = scrape(server)
    clients = [server.connect(receive_buffer=4096) for _ in range(20)]
    for client in clients:
        client.request(target(BIG))
        assert client.head().status == 200
    for _ in range(5):
        assert server.ask("/hello").body == b"hello world\n"
    await_true(lambda: not busy(server), "no thread runs, nor does another stand in for it")
    last = clients.pop()
    assert last.exactly(len(CONTENT)) == CONTENT
    for client in [*clients, last]:
        client.sock.close()
    assert scrape(server).since(before, "monopod_spooled_bytes_total") == {}
    assert server.ask("/hello").status == 200


def test_a_file_that_shrinks_breaks_off(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(64 << 20))
    server = start("lab:application", "--accel", f"/protected={tmp_path}")
    with server.connect(receive_buffer=4096) as client:
        client.request(target(BIG))
        head = client.head()
        os.truncate(path, 1000)
        body, complete = client.body(head)
        assert not complete
        assert len(body) < 64 << 20
    assert "file-failed" in server.wait_log("file-failed")


# Frameworks


def test_flasks_x_sendfile(start: Starter, files: Path) -> None:
    server = start(
        "accel_flask:app",
        "--accel",
        f"/any={files}/private",
        env={"FILES": str(files / "private")},
        cwd=Path(__file__).parent / "apps",
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15) as client:
        whole = client.get("/files/big.bin")
        assert (whole.status_code, whole.content == CONTENT) == (200, True)
        assert "x-sendfile" not in whole.headers
        assert whole.headers["cache-control"] == "public, max-age=60"
        part = client.get("/files/big.bin", headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, CONTENT[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(CONTENT)}"
        unchanged = client.get("/files/big.bin", headers={"If-None-Match": whole.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        head = client.head("/files/big.bin")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))
        named = client.get("/files/sub/überraschung 100%.pdf")
        assert (named.content, named.headers["content-type"]) == (b"%PDF", "application/pdf")
        attached = client.get("/attachment/small.txt")
        assert attached.content == b"0123456789"
        assert attached.headers["content-disposition"] == "attachment; filename=other.pdf"
        assert client.get("/files/nothing").status_code == 404
        packed = client.get("/attachment/page.html.gz")
        assert packed.content == b"packed"


def test_djangos_x_accel_redirect(start: Starter, files: Path) -> None:
    server = start("accel_django:application", "--accel", f"/protected={files}/private")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15) as client:
        whole = client.get("/documents/big.bin")
        assert (whole.status_code, whole.content == CONTENT) == (200, True)
        assert whole.headers["content-type"] == "application/octet-stream"
        assert whole.headers["set-cookie"].startswith("seen=yes")
        assert "x-accel-redirect" not in whole.headers
        part = client.get("/documents/big.bin", headers={"Range": "bytes=-3"})
        assert (part.status_code, part.content) == (206, CONTENT[-3:])
        unchanged = client.get("/documents/big.bin", headers={"If-None-Match": whole.headers["etag"]})
        assert unchanged.status_code == 304
        assert client.head("/documents/big.bin").headers["content-length"] == str(len(CONTENT))
        assert client.get("/documents/small.txt").headers["content-type"] == "text/plain; charset=utf-8"
        assert client.get("/documents/small.txt?typed=1").headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/documents/.env").status_code == 404


# X-Accel-Buffering


def made(server: Server, key: str) -> int:
    return int(server.ask(f"/count?key={key}").body)


def read_mebibyte(client: Connection, rest: bytearray) -> bytes:
    """The next MiB of a chunked body."""
    while len(rest) < 1 << 20:
        chunk = client.chunk()
        assert chunk
        rest += chunk
    taken = bytes(rest[: 1 << 20])
    del rest[: 1 << 20]
    return taken


def test_without_buffering_the_application_waits_for_its_client(start: Starter, gate: Gate) -> None:
    """What it is ahead by lies in the kernel's buffers, which have a few MiB, and in one chunk."""
    mebibytes, ahead = 100, 16
    server = start("lab:application", *ADMIN, "--threads", "2", "--write-timeout", "0")
    with server.connect(receive_buffer=65536) as client:
        client.request(f"/mebibytes?mib={mebibytes}&key=a&buffering=no&gate={gate.port}")
        head = client.head()
        assert head.get("x-accel-buffering") == "no", "a proxy in front should not buffer either"
        rest = bytearray()
        for number in range(mebibytes):
            assert read_mebibyte(client, rest) == bytes([number % 251]) * (1 << 20)
            if number < mebibytes - ahead - 1:
                assert made(server, "a") <= number + 1 + ahead
                assert scrape(server).get("monopod_buffer_bytes") <= 64 << 10
                assert gate.is_quiet()
        assert client.chunk() == b""
        gate.wait("closed")
        assert client.ask("/hello").status == 200
    assert scrape(server).get("monopod_spooled_bytes_total") == 0
    assert server.terminate() == 0


def test_a_waiting_application_learns_that_its_client_left(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "2", "--write-timeout", "0")
    with server.connect(receive_buffer=65536) as client:
        client.request(f"/mebibytes?mib=500&key=a&buffering=No&gate={gate.port}")
        assert client.head().status == 200
        read_mebibyte(client, bytearray())
        await_true(lambda: made(server, "a") > 1, "it is ahead of its client")
        assert gate.is_quiet()
    gate.wait("closed")
    assert made(server, "a") < 100
    assert server.terminate() == 0


@pytest.mark.parametrize("value", ["yes", "maybe"])
def test_any_other_word_leaves_buffering_on(start: Starter, gate: Gate, value: str) -> None:
    server = start("lab:application", "--threads", "1")
    with server.connect(receive_buffer=4096) as client:
        client.request(f"/mebibytes?mib=30&key=a&buffering={value}&gate={gate.port}")
        gate.wait("closed")
        head = client.head()
        assert head.get("x-accel-buffering") == value
        assert len(client.body(head)[0]) == 30 << 20


def test_a_page_in_one_piece_has_the_header_too(lab: Server) -> None:
    answer = ask(lab, "X-Accel-Buffering:no", body="list")
    assert (answer.get("x-accel-buffering"), answer.body) == ("no", b"not for the client\n")
