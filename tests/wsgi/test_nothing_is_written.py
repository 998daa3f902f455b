"""Promise: the server runs from a read-only root, as any user without a name, a home or rights, with an empty environment,
and writes nothing but unnamed temporary files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from container import children, command_of, need
from server import APPS, Face, Server, await_true
from wire import TIMEOUT, Connection

UID = 65532
# Everything that is mounted becomes read-only but what the kernel makes up; then all rights go. CAP_DAC_READ_SEARCH alone stays,
# to read this checkout wherever it lies; it allows no writing.
READ_ONLY = r"""
awk '$2 !~ "^/(proc|sys|dev)(/|$)" { print $2 }' /proc/self/mounts | sort -r | while read -r point; do
    mount -o remount,bind,ro "$point" 2>/dev/null || mount --bind "$point" "$point" && mount -o remount,bind,ro "$point"
done
touch /tmp/monopod-may-write 2>/dev/null && { echo "/tmp can be written to" >&2; exit 99; }
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs \
    --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search \
    env -i PATH=/usr/bin:/bin "$@"
"""
WITHIN = ("unshare", "--mount", "--fork", "--pid", "--mount-proc", "--kill-child", "sh", "-c", READ_ONLY, "-")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can make a read-only root")
def test_it_serves(face: Face) -> None:
    need(*WITHIN)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [*WITHIN, *face.command("serve", "lab:application", "--bind", f"127.0.0.1:{port}")]
    options = ["--chdir", str(APPS), "--admin-bind", "none", "--buffer-memory", "1m", "--log-format", "text"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as outer:
        try:
            assert outer.stdout
            lines = []
            for line in outer.stdout:
                lines.append(line)
                if "listening on" in line:
                    break
            log = "".join(lines)
            assert "listening on" in log, log
            assert "no-temp-dir" in log, "it says that nothing can be spooled"
            (init,) = children(outer.pid)
            assert command_of(init) == "monopod-init"
            (below,) = children(init)
            status = Path(f"/proc/{below}/status").read_text()
            assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in status
            with Connection(socket.create_connection(("127.0.0.1", port), TIMEOUT)) as client:
                assert client.ask("/hello").body == b"hello world\n"
                # In memory, as there is no disk; and past the budget not at all.
                assert client.ask("/digest", "POST", body=b"x" * 500_000).status == 200
            os.kill(init, signal.SIGTERM)
            assert outer.wait(TIMEOUT) == 0
        finally:
            outer.kill()


def test_it_leaves_no_file(face: Face, tmp_path: Path) -> None:
    """With a directory that can be written to, what it spools there has no name."""
    app, home = tmp_path / "app", tmp_path / "home"
    app.mkdir()
    home.mkdir()
    (app / "plain.py").write_text("from lab import application as app\n")
    env = {"HOME": str(home), "TMPDIR": str(tmp_path), "PYTHONPATH": str(APPS)}
    before = sorted(path for path in tmp_path.rglob("*"))
    with Server(face, "plain:app", "--buffer-memory", "1m", cwd=app, env=env) as server:
        with server.connect() as client:
            client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 7_000_000)
            spooled = Path(f"/proc/{server.pid}/fd")

            def has_unnamed() -> bool:
                links = [os.readlink(link) for link in spooled.iterdir() if link.is_symlink()]
                return any(link.startswith(str(tmp_path)) and link.endswith("(deleted)") for link in links)

            await_true(has_unnamed, "the body lies in an unnamed file")
            assert sorted(tmp_path.rglob("*")) == before
            client.send(b"x" * 1_000_000)
            assert client.answer().status == 200
        assert server.terminate() == 0
    assert sorted(tmp_path.rglob("*")) == before
