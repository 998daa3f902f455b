"""Promise: probes answer at once whatever Python does, and readiness includes the application's own word (--ready-hook)."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from gate import Gate
from server import Face, Server, Starter, await_true

ADMIN = ("--admin-bind", "127.0.0.1:0")
# For the hook's pause and patience, 5 s each.
HOOK_WAIT = 30.0


def readiness(server: Server) -> str:
    return server.ask_admin("/-/ready").body.decode().strip()


def probes(server: Server, live: int, ready: int, path: str | None = None) -> float:
    """How long a probe takes, typically; all of them must say the same."""
    took = []
    for _ in range(10):
        for probe, expected in (("/-/live", live), ("/-/ready", ready)):
            began = time.monotonic()
            assert server.ask_admin(probe).status == expected
            took.append(time.monotonic() - began)
        if path:
            began = time.monotonic()
            assert server.ask(path).status == ready
            took.append(time.monotonic() - began)
    return statistics.median(took)


def test_probes_while_the_application_is_imported(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(20)\n")
    server = start("slow:app", *ADMIN, cwd=tmp_path, ready="admin port on ")
    assert probes(server, live=200, ready=503) < 0.1
    assert readiness(server) == "starting"
    assert server.terminate() == 0


@pytest.mark.parametrize("by", ["sleep", "gil"])
def test_probes_while_all_threads_are_stuck(start: Starter, gate: Gate, by: str) -> None:
    server = start("edge:application", *ADMIN, "--threads", "2", "--health-path", "/healthz")
    clients = [server.connect() for _ in range(2 if by == "sleep" else 1)]
    for client in clients:
        client.request(f"/stuck?by={by}&gate={gate.port}")
        gate.wait("stuck")
    assert probes(server, live=200, ready=200, path="/healthz") < 0.1
    for client in clients:
        client.sock.close()


@pytest.mark.parametrize("word", ["yes", "nothing"])
def test_a_hook_that_agrees(start: Starter, tmp_path: Path, word: str) -> None:
    hook = tmp_path / "hook"
    hook.write_text(word)
    server = start("hooked:application", *ADMIN, "--ready-hook", "hooked:ready", env={"HOOK": str(hook)})
    await_true(lambda: readiness(server) == "ready", "the hook is asked")
    assert server.terminate() == 0


def test_what_a_hook_may_say(start: Starter, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text("no")
    options = ("--ready-hook", "hooked:ready", "--health-path", "/healthz")
    server = start("hooked:application", *ADMIN, *options, env={"HOOK": str(hook)})
    await_true(lambda: readiness(server) == "hook-says-no", "the hook is asked")
    hook.write_text("yes")
    await_true(lambda: readiness(server) == "ready", "it is asked again", HOOK_WAIT)
    hook.write_text("raise")
    await_true(lambda: readiness(server) == "hook-raised", "and again", HOOK_WAIT)
    assert server.ask("/healthz").status == 503
    hook.write_text("wait")
    await_true(lambda: readiness(server) == "hook-stuck", "it hangs", HOOK_WAIT)
    assert probes(server, live=200, ready=503) < 0.1
    assert server.ask("/hello").status == 200, "whoever comes all the same is served"
    assert "monopod-ready" in server.ask_admin("/-/threads").body.decode()
    assert server.log().count("ConnectionError: the database is away") == 1
    assert server.terminate() == 0


@pytest.mark.parametrize(
    ("hook", "code"),
    [("hooked:missing", 70), ("no_such_module:ready", 70), ("hooked:number", 70), ("hooked:later", 70), ("hooked", 64)],
)
@pytest.mark.parametrize("subcommand", ["serve", "check"])
def test_a_wrong_hook(face: Face, subcommand: str, hook: str, code: int) -> None:
    ended = face.run(subcommand, "hooked:application", "--bind", "127.0.0.1:0", "--ready-hook", hook)
    assert ended.returncode == code, ended
    assert hook in ended.stderr
