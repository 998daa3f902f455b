"""Promise: the server leaves no socket file behind however it ends, and never removes one that it did not make."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from gate import Gate
from server import APPS, Face, Starter, environment
from wire import TIMEOUT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.sock"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_after_a_signal(start: Starter, path: Path, number: signal.Signals) -> None:
    server = start("lab:application", bind=(f"unix:{path}",))
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert server.terminate(number) == 0
    assert not path.exists()


def test_after_requests_were_cut_off(start: Starter, gate: Gate, path: Path) -> None:
    server = start("lab:application", "--graceful-timeout", "100ms", bind=(f"unix:{path}",))
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        gate.wait("hello")
        server.terminate(timeout=20)
    assert not path.exists()


@pytest.mark.parametrize("source", ["raise ValueError('at import')", "raise SystemExit(3)", "NUMBER = 5"])
def test_after_a_failing_import(face: Face, tmp_path: Path, path: Path, source: str) -> None:
    (tmp_path / "broken.py").write_text(source + "\n")
    ended = face.run("serve", "broken:app", "--bind", f"unix:{path}", cwd=tmp_path)
    assert ended.returncode != 0
    assert not path.exists()


def test_after_another_address_failed(face: Face, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = face.run("serve", "lab:application", "--bind", f"unix:{path}", "--bind", f"127.0.0.1:{port}")
    assert ended.returncode == 69, ended
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_after_a_signal_during_the_import(face: Face, gate: Gate, path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        face.command("serve", "slow_import:application", "--bind", f"unix:{path}"),
        cwd=APPS,
        env=environment({"IMPORT_GATE": str(gate.port)}),
        stdin=subprocess.DEVNULL,
    ) as process:
        try:
            gate.wait("importing")
            assert path.exists()
            process.send_signal(number)
            assert process.wait(TIMEOUT) >= 0
        finally:
            process.kill()
    assert not path.exists()


@pytest.fixture
def inherited(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_a_socket_of_the_parent_stays(start: Starter, inherited: socket.socket, path: Path) -> None:
    with inherited:
        number = inherited.fileno()
        server = start("lab:application", bind=(f"fd://{number}",), pass_fds=(number,))
        assert server.sockets == [path]
        assert server.ask("/hello").body == b"hello world\n"
        assert server.terminate() == 0
        assert stat.S_ISSOCK(path.stat().st_mode)
        # The next server takes it over.
        second = start("lab:application", bind=(f"fd://{number}",), pass_fds=(number,))
        assert second.ask("/hello").body == b"hello world\n"


def test_a_socket_of_the_parent_stays_after_a_failing_import(
    face: Face, tmp_path: Path, inherited: socket.socket, path: Path
) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('at import')\n")
    with inherited:
        number = inherited.fileno()
        ended = subprocess.run(
            face.command("serve", "broken:app", "--bind", f"fd://{number}"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(number,),
            timeout=TIMEOUT,
            check=False,
        )
        assert ended.returncode == 70, ended
        assert stat.S_ISSOCK(path.stat().st_mode)
