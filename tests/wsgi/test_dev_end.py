"""Promise: Ctrl-C ends `monopod dev` at once and leaves nothing behind, whatever the application does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from project import FLASK, Project, await_answer, children, is_alive
from server import Face, Starter, await_true
from wire import TIMEOUT

SLOW = '@app.get("/slow")\ndef slow():\n    import time\n    print("slow begins")\n    time.sleep(1000)\n'


@pytest.fixture
def flask(tmp_path: Path) -> Project:
    return Project(tmp_path, app=FLASK + SLOW)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", ["idle", "busy", "importing", "failed"])
def test_the_end_is_quick_and_complete(start: Starter, flask: Project, state: str, number: signal.Signals) -> None:
    if state == "importing":
        flask.write("app.py", "print('importing', flush=True)\nimport time\ntime.sleep(1000)\n")
    if state == "failed":
        flask.write("app.py", "1 / 0\n")
    server = flask.serve(start)
    if state == "importing":
        server.wait_log("importing")
    elif state == "failed":
        server.wait_log("waiting for a change")
    else:
        assert server.ask("/").body == b"one"
    offspring = children(server.pid)
    with server.connect() as client:
        if state == "busy":
            client.request("/slow")
            server.wait_log("slow begins")
        began = time.monotonic()
        assert server.terminate(number) == 0
        # Well under a second on a machine that does nothing else.
        assert time.monotonic() - began < 5
    await_true(lambda: not any(is_alive(child) for child in offspring), "no process is left")
    assert server.refuses()
    assert "Traceback" not in server.log() or state == "failed"


def test_exit_hooks_run_at_the_end_and_at_a_reload(start: Starter, flask: Project) -> None:
    flask.write("app.py", "import atexit\natexit.register(print, 'good', 'bye', flush=True)\n" + FLASK)
    server = flask.serve(start)
    server.ask("/")
    flask.edit("app.py", "one", "two")
    server.wait_log("good bye")
    server.ask("/")
    assert server.terminate(signal.SIGINT) == 0
    assert server.log().count("good bye") == 2


def test_the_application_does_not_outlive_its_supervisor(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    server.ask("/")
    [child] = children(server.pid)
    with server.connect() as client:
        client.request("/slow")
        server.wait_log("slow begins")
        server.kill()
        await_true(lambda: not is_alive(child), "the application ends")
    assert server.refuses()


def test_what_the_application_starts_has_neither_sockets_nor_link(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        FLASK + '@app.get("/start")\ndef begin():\n    import subprocess, sys\n'
        "    code = \"import os; print(sorted(os.listdir('/proc/self/fd')), [n for n in os.environ if 'MONOPOD_DEV' in n])\"\n"
        "    return subprocess.run([sys.executable, '-c', code], close_fds=False, stdout=subprocess.PIPE, check=True).stdout\n",
    )
    server = flask.serve(start)
    # The standard streams, and the directory itself.
    assert server.ask("/start").body == b"['0', '1', '2', '3'] []\n"


def test_what_the_application_forks_and_leaves_does_not_keep_the_port(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        FLASK + '@app.get("/fork")\ndef fork():\n    import os, time\n'
        "    pid = os.fork()\n    if pid == 0:\n        time.sleep(1000)\n        os._exit(0)\n    return str(pid)\n",
    )
    admin = free_port()
    server = flask.serve(start, "--admin-bind", f"127.0.0.1:{admin}")
    orphan = int(server.ask("/fork").body)
    try:
        assert server.terminate(signal.SIGINT) == 0
        assert is_alive(orphan)
        for port in (server.port, admin):
            socket.create_server(("127.0.0.1", port)).close()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_the_admin_port_is_open_across_reloads(start: Starter, flask: Project) -> None:
    address = f"127.0.0.1:{free_port()}"
    server = flask.serve(start, "--admin-bind", address)
    server.ask("/")
    with server.connect() as client:
        # The old process has this request to end, and its admin port until then.
        client.request("/slow")
        server.wait_log("slow begins")
        flask.edit("app.py", "one", "two")
        await_answer(server, b"two")
    assert "in use" not in server.log()

    def is_ready() -> bool:
        # Until it is gone the old process may be the one that answers.
        with contextlib.suppress(urllib.error.HTTPError):
            return urllib.request.urlopen(f"http://{address}/-/ready", timeout=TIMEOUT).status == 200  # type: ignore[no-any-return]
        return False

    await_true(is_ready, "the admin port answers")


def test_what_was_ignored_at_the_start_stays_so(start: Starter, flask: Project) -> None:
    server = flask.serve(start, within=("nohup",))
    server.ask("/")
    os.kill(server.pid, signal.SIGHUP)
    flask.edit("app.py", "one", "two")
    await_answer(server, b"two")
    assert server.terminate(signal.SIGTERM) == 0


def test_a_used_port_comes_with_a_command_that_works(face: Face, start: Starter, flask: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        failed = face.run("dev", "--bind", f"127.0.0.1:{port}", "--threads", "2", cwd=flask.root)
        assert failed.returncode == 69
        [sentence] = failed.stderr.splitlines()
        said, command = sentence.rstrip("`").split(" stop it, or run `monopod dev ")
        assert said == f"monopod: 127.0.0.1:{port} is in use by another process:"
        words = command.split()
        assert words[-2] == "--bind"
        server = flask.serve(start, *words[:-2], bind=(words[-1],))
        assert server.ask("/").body == b"one"


def test_options_of_development_are_refused_elsewhere(face: Face, flask: Project) -> None:
    for option in ("--open", "--reload", "--no-reload", "--reload-extra-file=x"):
        refused = face.run("serve", option, cwd=flask.root)
        assert refused.returncode == 64
        assert "run `monopod dev`" in refused.stderr


def test_without_reload_the_application_is_in_the_process_that_was_started(start: Starter, flask: Project) -> None:
    server = flask.serve(start, "--no-reload")
    assert server.ask("/").body == b"one"
    assert children(server.pid) == []
    assert server.terminate(signal.SIGINT) == 0


def test_without_reload_a_failing_import_is_the_end(face: Face, flask: Project) -> None:
    flask.write("app.py", "1 / 0\n")
    failed = face.run("dev", "--no-reload", "--bind", "127.0.0.1:0", cwd=flask.root)
    assert failed.returncode == 70
    assert "ZeroDivisionError" in failed.stderr


def test_the_browser_is_opened_once(start: Starter, flask: Project, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = flask.write("browser", f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    server = flask.serve(start, "--open", env={"BROWSER": str(browser)})
    await_true(lambda: opened.exists() and opened.read_text() != "", "the browser is opened")
    flask.edit("app.py", "one", "two")
    server.wait_log("changed: starting anew")
    server.ask("/")
    assert opened.read_text() == f"http://127.0.0.1:{server.port}/\n"
