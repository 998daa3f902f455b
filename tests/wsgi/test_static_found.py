"""Promise: Flask's static folder and Django's STATIC_ROOT are served without being named."""

from __future__ import annotations

from pathlib import Path

from gate import Gate
from server import Starter

FLASK = """
import socket
from flask import Flask, request
app = Flask(__name__{options})
@app.get("/busy")
def busy():
    with socket.create_connection(("127.0.0.1", int(request.args["gate"]))) as sock:
        sock.sendall(b"busy\\n")
        sock.recv(1)
    return "was busy"
"""


def test_flask(start: Starter, tmp_path: Path, gate: Gate) -> None:
    """Served while the only Python thread is busy, so not by Flask."""
    (tmp_path / "app.py").write_text(FLASK.format(options=""))
    (tmp_path / "static").mkdir()
    (tmp_path / "static/site.css").write_text("body {}")
    server = start(None, "--threads", "1", cwd=tmp_path)
    with server.connect() as client:
        client.request(f"/busy?gate={gate.port}")
        visitor = gate.wait("busy")
        assert server.ask("/static/site.css").body == b"body {}"
        visitor.let_through()
        assert client.answer().body == b"was busy"


def test_flask_with_names_of_its_own(start: Starter, tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=', static_folder="assets/built", static_url_path="/files"'))
    (tmp_path / "assets/built").mkdir(parents=True)
    (tmp_path / "assets/built/site.css").write_text("body {}")
    server = start(None, "--threads", "1", cwd=tmp_path)
    with server.connect() as client:
        client.request(f"/busy?gate={gate.port}")
        visitor = gate.wait("busy")
        assert server.ask("/files/site.css").body == b"body {}"
        visitor.let_through()


def test_flask_without_a_static_folder(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=", static_folder=None"))
    assert start(None, cwd=tmp_path).ask("/static/site.css").status == 404


def test_a_named_mount_beats_the_found_one(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=""))
    for name in ("static", "built"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.css").write_text(name)
    server = start(None, "--static", "/static=built", cwd=tmp_path)
    assert server.ask("/static/site.css").body == b"built"
