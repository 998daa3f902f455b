"""Promise: `monopod healthcheck` exits with 0 when the server with the same settings is ready, and else says why not."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

from gate import Gate
from server import Face, Starter, await_true

READY = (0, "ready\n", "")


def check(face: Face, *options: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    ended = face.run("healthcheck", *options, env=env)
    return ended.returncode, ended.stdout, ended.stderr


def test_by_the_admin_port(start: Starter, face: Face, gate: Gate) -> None:
    server = start("lab:application", "--admin-bind", "127.0.0.1:0")
    env = {"MONOPOD_ADMIN_BIND": f"0.0.0.0:{server.admin_port}"}
    assert check(face, env=env) == READY
    assert check(face, "--admin-bind", f"localhost:{server.admin_port}") == READY
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "it drains")
        assert check(face, env=env) == (1, "", "monopod: not ready: draining\n")
        visitor.let_through()
    assert server.exit_code() == 0
    code, _, sentence = check(face, env=env)
    assert code == 1
    assert f"0.0.0.0:{server.admin_port} does not answer" in sentence


def test_by_the_health_path(start: Starter, face: Face, tmp_path: Path) -> None:
    server = start("lab:application", "--health-path", "/up")
    options = ("--health-path", "/up", "--admin-bind", "none")
    assert check(face, *options, "--bind", f"127.0.0.1:{server.ports[0]}") == READY
    for trusted in ("127.0.0.1", "10.0.0.0/8"):
        proxied = ("--proxy-protocol", "--forwarded-allow-ips", trusted)
        server = start("lab:application", "--health-path", "/up", *proxied)
        assert check(face, *options, *proxied, "--bind", f"127.0.0.1:{server.ports[0]}") == READY, trusted
    path = tmp_path / "socket"
    start("lab:application", "--health-path", "/up", "--proxy-protocol", bind=(f"unix:{path}",))
    assert check(face, *options, "--proxy-protocol", "--chdir", str(tmp_path), "--bind", "unix:socket") == READY


def test_while_it_starts(start: Starter, face: Face, gate: Gate) -> None:
    server = start(
        "slow_import:application",
        "--admin-bind",
        "127.0.0.1:0",
        env={"IMPORT_GATE": str(gate.port)},
        ready="admin port on ",
    )
    visitor = gate.wait("importing")
    env = {"MONOPOD_ADMIN_BIND": f"127.0.0.1:{server.admin_port}"}
    assert check(face, env=env) == (1, "", "monopod: not ready: starting\n")
    visitor.let_through()
    server.wait_log("listening on ")
    assert check(face, env=env) == READY


def test_nowhere_to_ask(face: Face) -> None:
    for options in (
        ("--admin-bind", "none"),
        ("--admin-bind", "127.0.0.1:0"),
        ("--health-path", "/up", "--bind", "fd://3"),
    ):
        code, _, sentence = check(face, *options)
        assert code == 78, options
        assert "--admin-bind or --health-path" in sentence


def test_somebody_else_answers(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            client, _ = other.accept()
            with client:
                client.recv(1000)
                client.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        code, _, sentence = check(face, "--admin-bind", f"127.0.0.1:{other.getsockname()[1]}")
        thread.join()
    assert code == 1
    assert "no answer of monopod's" in sentence
