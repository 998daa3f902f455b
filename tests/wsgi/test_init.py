"""Promise: as PID 1 monopod is a small init that passes signals on, reaps orphans and ends as the server ends; `monopod
init` does the same for any other command."""

from __future__ import annotations

import fcntl
import http.client
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from container import AS_PID_1, children, command_of, init_of, need, private_memory
from gate import Gate
from server import Face, Starter, await_true, environment
from wire import TIMEOUT

need(*AS_PID_1)

# Says the name of each signal that comes.
RECORDER = """
import signal
names = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}, key=int)
for number in names:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, names)
print("listening on signals", flush=True)
while (number := signal.sigwaitinfo(names).si_signo) != signal.SIGTERM:
    print(f"got {number}", flush=True)
raise SystemExit(42)
"""


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_sigterm_drains_the_server_below(start: Starter, gate: Gate) -> None:
    server = start("family:application", within=AS_PID_1)
    assert server.ask("/pid").body == b"2"
    init = init_of(server)
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        os.kill(init, signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        assert server.is_running()
        visitor.let_through()
        assert client.answer().body == b"hello world\n"
    assert server.exit_code() == 0


def test_an_orphan_is_reaped_and_a_child_is_its_parents(start: Starter, gate: Gate) -> None:
    server = start("family:application", within=AS_PID_1)
    init = init_of(server)
    (below,) = children(init)
    code, _ = server.ask(f"/orphan?gate={gate.port}").body.split()
    assert code == b"3", "the child's own exit code"
    visitor = gate.wait("orphan")
    adopted = set(children(init)) - {below}
    assert len(adopted) == 1
    visitor.let_through()
    await_true(lambda: is_gone(*adopted), "the orphan is reaped")
    assert children(init) == [below]
    for _ in range(20):
        assert server.ask("/orphan?gate=1").body.split()[0] == b"3"
    await_true(lambda: children(init) == [below], "all are")
    os.kill(init, signal.SIGTERM)
    assert server.exit_code() == 0


def test_the_end_of_the_server_is_the_end_of_all(start: Starter, gate: Gate) -> None:
    server = start("family:application", within=AS_PID_1)
    init = init_of(server)
    (below,) = children(init)
    server.ask(f"/orphan?gate={gate.port}")
    gate.wait("orphan")
    (orphan,) = set(children(init)) - {below}
    os.kill(below, signal.SIGKILL)
    assert server.exit_code() == 128 + signal.SIGKILL
    await_true(lambda: is_gone(orphan), "nobody is left")


def test_the_end_of_init_is_the_end_of_the_server(start: Starter) -> None:
    server = start("family:application", within=AS_PID_1)
    init = init_of(server)
    (below,) = children(init)
    os.kill(init, signal.SIGKILL)
    await_true(lambda: is_gone(below), "the server is gone")


def test_a_start_that_fails_has_its_code(face: Face) -> None:
    for target, code in (("no_such_module:app", 70), ("lab:application()x", 64)):
        ended = face.run("serve", target, "--bind", "127.0.0.1:0", within=AS_PID_1)
        assert ended.returncode == code, ended


def test_other_subcommands(face: Face, tmp_path: Path) -> None:
    assert "lab:application" in face.run("check", "lab:application", within=AS_PID_1).stdout
    (tmp_path / "page.html").write_text("<p>" * 1000)
    assert face.run("compress", str(tmp_path), within=AS_PID_1).returncode == 0
    assert (tmp_path / "page.html.gz").exists()
    asked = face.run("healthcheck", "--admin-bind", f"unix:{tmp_path}/none", within=AS_PID_1)
    assert asked.returncode == 1
    assert "not ready" in asked.stderr


def test_what_it_inherits_is_closed_when_the_server_closes_it(start: Starter) -> None:
    """An init that kept the socket would keep its backlog open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, address = listener.fileno(), listener.getsockname()
        server = start("family:application", bind=(f"fd://{number}",), pass_fds=(number,), within=AS_PID_1)
        init = init_of(server)
    await_true(lambda: len(os.listdir(f"/proc/{init}/fd")) == 3, "init has nothing but the standard streams")
    with socket.create_connection(address, TIMEOUT):
        pass
    os.kill(init, signal.SIGTERM)
    assert server.exit_code() == 0


def test_it_is_small(start: Starter, face: Face) -> None:
    server = start("family:application", within=AS_PID_1)
    init = init_of(server)
    assert server.ask("/hello").status == 200
    # The wheel's is the interpreter that it was started by.
    assert private_memory(init) < (6 << 20 if face.name == "binary" else 12 << 20)
    assert len(os.listdir(f"/proc/{init}/task")) == 1


def test_all_signals_are_passed_on(face: Face) -> None:
    command = [*AS_PID_1, face.path, "init", "--", sys.executable, "-c", RECORDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout
        try:
            assert outer.stdout.readline() == "listening on signals\n"
            (init,) = children(outer.pid)
            own = {
                *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTERM, signal.SIGSEGV, signal.SIGBUS),
                *(signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS),
            }
            for number in sorted(signal.valid_signals() - own):
                os.kill(init, number)
                assert outer.stdout.readline() == f"got {int(number)}\n"
            os.kill(init, signal.SIGTERM)
            assert outer.wait(TIMEOUT) == 42
        finally:
            outer.kill()


@pytest.mark.parametrize("within", [AS_PID_1, ()], ids=["pid-1", "other"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sh", "-c", "exit 7"), 7),
        (("--", "sh", "-c", "exit 0"), 0),
        (("no-such-command-anywhere",), 127),
        (("/etc/passwd",), 126),
        ((), 64),
    ],
)
def test_init_ends_as_its_command(face: Face, within: tuple[str, ...], words: tuple[str, ...], code: int) -> None:
    ended = subprocess.run(
        [*within, face.path, "init", *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == code, ended
    assert bool(ended.stderr) == (code > 60)


def test_the_command_finds_signals_and_limits_as_they_were(face: Face) -> None:
    """Python and Rust ignore SIGPIPE, and a server raises the limit of open files: both are theirs alone."""
    shown = "grep -E '^(SigBlk|SigIgn|SigCgt)' /proc/self/status; ulimit -Sn"
    plain = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True).stdout
    ran = subprocess.run(
        [*AS_PID_1, face.path, "init", "sh", "-c", shown], env=environment(), capture_output=True, text=True, check=True
    )
    # Signals that this test's own Python ignores are reset by neither.
    assert ran.stdout == plain


class Terminal:
    """A terminal and, in the foreground, a server that is PID 1."""

    def __init__(self, face: Face) -> None:
        self.master, slave = pty.openpty()

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        arguments = ("family:application", "--bind", "127.0.0.1:0", "--log-format", "text")
        self.process = subprocess.Popen(
            [*AS_PID_1, *face.command("serve", *arguments)],
            cwd=Path(__file__).parent / "apps",
            env=environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(slave)
        self.text = ""

    def type(self, key: bytes) -> None:
        os.write(self.master, key)

    def wait(self, words: str) -> str:
        deadline = time.monotonic() + TIMEOUT
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            self.text += os.read(self.master, 4096).decode()
        return self.text

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_a_terminals_ctrl_c_comes_once_and_ctrl_z_stops_nothing(face: Face, gate: Gate) -> None:
    terminal = Terminal(face)
    try:
        terminal.wait(" app=family:application")
        port = int(terminal.text.split("listening on http://127.0.0.1:")[1].split()[0])
        (init,) = children(terminal.process.pid)
        (below,) = children(init)
        assert command_of(init) == "monopod-init"
        terminal.type(b"\x1a")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        client.request("GET", f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        terminal.type(b"\x03")
        terminal.wait("draining")
        visitor.let_through()
        assert client.getresponse().read() == b"hello world\n"
        terminal.wait("stopped")
        assert "second-signal" not in terminal.text
        assert terminal.process.wait(TIMEOUT) == 0
        assert is_gone(below)
    finally:
        terminal.close()


def test_an_interpreter_with_threads_of_its_own(start: Starter, face: Face, tmp_path: Path) -> None:
    """Tools that wrap the command start threads at the interpreter's start; a fork would be without them."""
    if face.name != "wheel":
        pytest.skip("the binary forks before there is an interpreter")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading\n"
        "def watch(): threading.Event().wait()\n"
        "threading.Thread(target=watch, name='wrapper', daemon=True).start()\n"
    )
    server = start("family:application", within=AS_PID_1, env={"PYTHONPATH": str(tmp_path)})
    init = init_of(server)
    (below,) = children(init)
    assert len(os.listdir(f"/proc/{init}/task")) == 2
    for number in (signal.SIGUSR1, signal.SIGUSR1):
        os.kill(init, number)
    assert "wrapper" in server.wait_log("Thread wrapper")
    for _ in range(5):
        assert server.ask("/orphan?gate=1").body.split()[0] == b"3"
    await_true(lambda: children(init) == [below], "orphans are reaped")
    os.kill(init, signal.SIGTERM)
    assert server.exit_code() == 0
