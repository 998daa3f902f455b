"""Promise: the admin port answers probes and metrics at once, from the bind to the end, whatever the application does."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from gate import Gate
from samples import scrape
from server import Face, Server, Starter, await_true
from wire import TIMEOUT, Answer, Connection

ADMIN = ("--admin-bind", "127.0.0.1:0")
PATHS = ("/", "/metrics", "/-/live", "/-/ready", "/-/threads", "/-/status.json")
OTHER_KINDS = {
    "/metrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "/-/status.json": "application/json",
}
# An answer that waited for a thread would never come; one that did not is there in milliseconds.
AT_ONCE = 2.0


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    return start_once("lab:application", *ADMIN, "--health-path", "/healthz")


def text(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.body.decode()


def states(server: Server) -> tuple[tuple[int, str], tuple[int, str]]:
    """What the two probes say."""
    return text(server.ask_admin("/-/live")), text(server.ask_admin("/-/ready"))


def test_the_index_lists_what_is_there(server: Server) -> None:
    status, index = text(server.ask_admin("/"))
    assert status == 200
    listed = [line.split()[0] for line in index.splitlines()]
    assert sorted(listed) == sorted(set(PATHS) - {"/"})
    for path in listed:
        assert server.ask_admin(path).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(server: Server, path: str) -> None:
    get, head = server.ask_admin(path), server.ask_admin(path, "HEAD")
    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert get.body
    for answer in (get, head):
        assert answer.get("cache-control") == "no-store"
        assert answer.get("content-type") == OTHER_KINDS.get(path, "text/plain; charset=utf-8")
    if path not in OTHER_KINDS:
        assert head.get("content-length") == get.get("content-length") == str(len(get.body))


def test_a_query_changes_nothing(server: Server) -> None:
    assert text(server.ask_admin("/-/ready?verbose")) == (200, "ready\n")


@pytest.mark.parametrize("path", ["/hello", "/-/", "/metrics/", "/-/ready/x", "/healthz"])
def test_other_paths_are_not_found(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        assert server.ask_admin(path, method).status == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE"])
def test_other_methods_are_not_allowed(server: Server, path: str, method: str) -> None:
    answer = server.ask_admin(path, method)
    assert (answer.status, answer.get("allow")) == (405, "GET, HEAD")


def test_its_own_requests_are_no_clients(start: Starter) -> None:
    server = start("lab:application", *ADMIN)
    with server.connect_admin() as client:
        client.send(b"GET / HTTP/1.1\nHost: a\n\n")
        assert client.answer().status == 400
    assert server.ask_admin("/no").status == 404
    now = scrape(server)
    for name in ("requests", "faults", "connections_accepted"):
        assert now.total(f"monopod_{name}_total") == 0
    assert now.total("monopod_connections") == 0
    server.ask("/hello?last")
    server.wait_log("last")
    assert 'path="/no"' not in server.log()


def test_a_slow_client_is_cut(server: Server) -> None:
    started = time.monotonic()
    with server.connect_admin() as silent, server.connect_admin() as half:
        half.send(b"GET /metrics HTTP/1.1\r\n")
        assert half.answer().status == 408
        assert silent.is_closed()
    assert time.monotonic() - started < TIMEOUT


def test_all_threads_busy_and_the_queue_full(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN, "--health-path", "/healthz", "--threads", "1", "--queue-size", "1")
    assert states(server) == ((200, "live\n"), (200, "ready\n"))
    with server.connect() as busy, server.connect() as waiting:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        assert states(server) == ((200, "live\n"), (200, "ready\n"))
        waiting.request("/hello")
        await_true(lambda: scrape(server).get("monopod_queue_depth") == 1, "it waits in the queue")
        assert states(server) == ((200, "live\n"), (200, "ready\n")), "a burst"
        await_true(lambda: states(server)[1] == (503, "queue-full\n"), "it is full for a second")
        started = time.monotonic()
        assert states(server) == ((200, "live\n"), (503, "queue-full\n"))
        assert text(server.ask("/healthz")) == (503, "queue-full\n")
        assert server.ask_admin("/metrics").status == 200
        assert time.monotonic() - started < AT_ONCE
        visitor.let_through()
        assert busy.answer().status == waiting.answer().status == 200
    assert states(server) == ((200, "live\n"), (200, "ready\n"))
    assert text(server.ask("/healthz")) == (200, "ready\n")


def test_during_the_import(start: Starter, gate: Gate) -> None:
    server = start("slow_import:application", *ADMIN, env={"IMPORT_GATE": str(gate.port)}, ready="admin port on ")
    visitor = gate.wait("importing")
    started = time.monotonic()
    assert states(server) == ((200, "live\n"), (503, "starting\n"))
    assert scrape(server).get("monopod_threads_busy") == 0
    assert time.monotonic() - started < AT_ONCE
    visitor.let_through()
    server.wait_log("listening on ")
    assert states(server) == ((200, "live\n"), (200, "ready\n"))


def test_while_draining(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN)
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        assert states(server) == ((200, "live\n"), (503, "draining\n"))
        assert scrape(server).get("monopod_requests_in_flight") == 1
        visitor.let_through()
        assert client.answer().status == 200
    assert server.exit_code() == 0


LATE = """
import atexit, os, sys
sys.path.insert(0, {apps!r})
from knock import knock
from lab import application as app

atexit.register(knock, {{"QUERY_STRING": "gate=" + os.environ["EXIT_GATE"]}}, "leaving")
"""


def test_until_the_last_hook_has_run(start: Starter, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE.format(apps=str(Path(__file__).parent / "apps")))
    server = start("late:app", *ADMIN, cwd=tmp_path, env={"EXIT_GATE": str(gate.port)})
    server.send_signal(signal.SIGTERM)
    visitor = gate.wait("leaving")
    assert states(server) == ((200, "live\n"), (503, "draining\n"))
    visitor.let_through()
    assert server.exit_code() == 0


def test_the_health_path_of_the_main_port(server: Server) -> None:
    with server.connect() as client:
        for method, body in (("GET", b"ready\n"), ("HEAD", b"")):
            answer = client.ask("/healthz?probe", method)
            assert (answer.status, answer.body) == (200, body)
            assert (answer.get("content-length"), answer.get("cache-control")) == ("6", "no-store")
        answer = client.ask("/healthz", "POST", body=b"")
        assert (answer.status, answer.get("allow")) == (405, "GET, HEAD")
        # Exactly this path; others are the application's.
        assert client.ask("/healthz/").body == b"nothing here\n"
        assert client.ask("/metrics").body == b"nothing here\n"
        assert client.ask("/hello?after=probe").status == 200
    server.wait_log("after=probe")
    assert 'path="/healthz"' not in server.log()


def test_no_admin_port(start: Starter) -> None:
    server = start("lab:application", "--admin-bind", "none")
    assert server.ask("/-/ready").body == b"nothing here\n"
    assert "admin port" not in server.log()


def test_a_used_address_is_named(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = face.run("serve", "lab:application", "--bind", "127.0.0.1:0", "--admin-bind", address)
    assert ended.returncode == 69, ended
    assert f"{address} is in use" in ended.stderr
    assert "--admin-bind" in ended.stderr


def ask_unix(path: Path, target: str) -> Answer:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(str(path))
    with Connection(sock) as connection:
        return connection.ask(target)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_unix_socket_that_is_gone_in_the_end(
    start: Starter, face: Face, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "admin.sock"
    server = start("lab:application", "--admin-bind", f"unix:{path}")
    assert text(ask_unix(path, "/-/ready")) == (200, "ready\n")
    assert server.terminate(number) == 0
    assert not path.exists()
    # Also when there was nothing to serve.
    assert face.run("serve", "no_such_module:app", "--admin-bind", f"unix:{path}").returncode == 70
    assert not path.exists()


def test_a_unix_socket_is_gone_after_a_signal_during_the_import(start: Starter, gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    server = start(
        "slow_import:application",
        *("--admin-bind", f"unix:{path}"),
        env={"IMPORT_GATE": str(gate.port)},
        ready="admin port on ",
    )
    gate.wait("importing")
    assert text(ask_unix(path, "/-/ready")) == (503, "starting\n")
    assert server.terminate() == 0
    assert not path.exists()
