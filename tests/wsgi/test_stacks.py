"""Promise: `/-/threads` and SIGUSR1 tell where every Python thread stands, and in which request."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from gate import Gate
from server import Starter

ADMIN = ("--admin-bind", "127.0.0.1:0")


def test_a_thread_in_a_request(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "2", *ADMIN)
    with server.connect() as client:
        client.request(f"/hello?name=secret&gate={gate.port}")
        visitor = gate.wait("hello")
        answer = server.ask_admin("/-/threads")
        text = answer.body.decode()
        assert (answer.status, answer.get("content-type")) == (200, "text/plain; charset=utf-8")
        first = text.split("\n\n")[0]
        assert re.match(r"Thread monopod-\d+: GET /hello, for \d+\.\d s\n", first), text
        assert "knock.py" in first, "where it waits"
        assert "Thread MainThread" in text
        assert "secret" not in text, "a query is no business of a log"
        visitor.let_through()
        assert client.answer().status == 200
    assert "GET /hello" not in server.ask_admin("/-/threads").body.decode()
    assert server.ask_admin("/-/threads", "HEAD").body == b""
    assert server.ask_admin("/-/threads", "POST").status == 405


def test_a_signal(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1")
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        for _ in range(2):
            server.send_signal(signal.SIGUSR1)
            server.wait_log("Thread monopod-1: GET /hello")
        visitor.let_through()
        assert client.answer().status == 200
    assert server.terminate() == 0


def test_while_the_application_is_imported(start: Starter, gate: Gate) -> None:
    """Where an import hangs is told too."""
    server = start("slow_import:application", *ADMIN, env={"IMPORT_GATE": str(gate.port)}, ready="admin port on ")
    visitor = gate.wait("importing")
    assert "slow_import.py" in server.ask_admin("/-/threads").body.decode()
    server.send_signal(signal.SIGUSR1)
    server.wait_log("slow_import.py")
    visitor.let_through()
    server.wait_log("listening on ")


def test_native_code_that_holds_the_gil(start: Starter, tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "greedy.py").write_text(
        "import ctypes, socket\n"
        "def application(environ, start_response):\n"
        f"    with socket.create_connection(('127.0.0.1', {gate.port})) as sock:\n"
        "        sock.sendall(b'greedy\\n')\n"
        # PyDLL keeps the GIL.
        "        ctypes.PyDLL(None).usleep(900_000)\n"
        "        for _ in range(5):\n"
        "            ctypes.PyDLL(None).usleep(900_000)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'done']\n"
    )
    server = start("greedy:application", "--threads", "1", *ADMIN, cwd=tmp_path)
    with server.connect() as client:
        client.request("/greedy")
        gate.wait("greedy")
        text = server.ask_admin("/-/threads").body.decode()
        assert "GET /greedy" in text
        assert client.answer().body == b"done"
