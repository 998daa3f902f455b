"""Promise: it listens where it was told, or says in a sentence why it cannot."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

from server import Face, Starter
from wire import Connection


def test_a_used_port_is_named(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = face.run("serve", "lab:application", "--bind", address)
    assert ended.returncode == 69, ended
    assert f"{address} is in use" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_port_freed_a_moment_ago_is_taken_again(start: Starter) -> None:
    first = start("lab:application")
    with first.connect() as client:
        client.ask("/hello")
        assert first.terminate() == 0
    second = start("lab:application", bind=(f"127.0.0.1:{first.port}",))
    assert second.ask("/hello").status == 200


def test_port_of_the_platform(start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start("lab:application", bind=(), env={"PORT": str(port)})
    assert server.ports == [port]
    assert "http://0.0.0.0:" in server.ready_line
    assert server.ask("/hello").status == 200


def test_several_addresses(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    server = start("lab:application", bind=("127.0.0.1:0", f"unix:{path}", "127.0.0.1:0"))
    assert len(set(server.ports)) == 2
    assert server.sockets == [path]
    for port in server.ports:
        with Connection(socket.create_connection(("127.0.0.1", port))) as client:
            assert client.ask("/hello").status == 200


def test_a_unix_socket_answers_and_goes_with_the_server(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    server = start("lab:application", bind=(f"unix:{path}",))
    assert f"listening on unix:{path}" in server.ready_line
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert server.ask("/hello").body == b"hello world\n"
    assert server.terminate() == 0
    assert not path.exists()


def test_a_socket_file_left_by_a_killed_server_is_replaced(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    start("lab:application", bind=(f"unix:{path}",)).kill()
    assert path.exists()
    assert start("lab:application", bind=(f"unix:{path}",)).ask("/hello").status == 200


def test_ipv6(start: Starter) -> None:
    server = start("lab:application", bind=("[::1]:0",))
    with Connection(socket.create_connection(("::1", server.port))) as client:
        answer = client.ask("/environ")
    assert answer.status == 200
    assert '"REMOTE_ADDR": "::1"' in answer.body.decode()


def test_an_inherited_socket(start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        server = start("lab:application", bind=(f"fd://{number}",), pass_fds=(number,))
        assert server.port == listener.getsockname()[1]
        assert server.ask("/hello").status == 200
