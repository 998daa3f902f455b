"""The servers under comparison and how each is started: one entry per server, every option it needs in sight.

All of them run one process (gunicorn, nginx: one worker under its master), keep-alive on, access log off, warnings only.
Limits of connections are raised where a thousand clients would not fit, or the backlog would be measured.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import assets

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
CARGO_ROOT = HERE.parent.parent / "target" / "bench-cargo"
"""What cargo installs for the bench."""
FLOOR = HERE.parent.parent / "target" / "bench-floor" / "release" / "floor"
"""`benches/floor`, built."""
SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", str(CARGO_ROOT / "bin")))


def find_program(name: str) -> str | None:
    return shutil.which(name, path=SEARCHED)


@dataclass(frozen=True)
class Place:
    """Where the parts are, the peers' virtual environment and the monopod command, and how much is to come."""

    venv: Path
    monopod: Path | None
    room: int = 8192
    """So many connections must fit, where a server has a limit of its own."""

    def command(self, name: str) -> str:
        return str(self.venv / "bin" / name)


@dataclass(frozen=True)
class Server:
    name: str
    packages: tuple[str, ...]
    """Their names in requirements.txt; none when it is not installed by pip."""
    start: Callable[[Place, str, int, int], list[str]]
    """(place, MODULE:NAME, port, threads) to the command line; it is run inside apps/."""
    threaded: bool = True
    kept: bool = False
    """Without threads, but measured where others have many, as the mark of what no hand-over between threads costs."""
    serves: bool = True
    """Answers on the port. One does not: it only calls the application."""


def monopod(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        str(place.monopod), "serve", app,
        "--bind", f"127.0.0.1:{port}",
        "--threads", str(threads),
        "--no-access-log",
        "--admin-bind", "none",
        "--log-level", "warn",
        "--chdir", str(APPS),
        "--venv", str(place.venv),
    ]  # fmt: skip


def granian(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        place.command("granian"), app,
        "--interface", "wsgi",
        "--host", "127.0.0.1",
        "--port", str(port),
        "--workers", "1",
        "--blocking-threads", str(threads),
        "--no-access-log",
        "--log-level", "warning",
        "--no-ws",
    ]  # fmt: skip


def bjoern(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [place.command("python"), str(HERE / "peers" / "bjoern_serve.py"), app, str(port)]


def fastwsgi(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [place.command("python"), str(HERE / "peers" / "fastwsgi_serve.py"), app, str(port)]


def gunicorn(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        place.command("gunicorn"), app,
        "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread",
        "--workers", "1",
        "--threads", str(threads),
        # The default of 2 s closes connections under the load generator and is counted as errors.
        "--keep-alive", "75",
        "--worker-connections", str(place.room),
        "--log-level", "warning",
        "--no-control-socket",
    ]  # fmt: skip


def gunicorn_sync(place: Place, app: str, port: int, threads: int) -> list[str]:
    """gunicorn's default. It closes each connection after one answer."""
    return [
        place.command("gunicorn"), app,
        "--bind", f"127.0.0.1:{port}",
        "--worker-class", "sync",
        "--workers", "1",
        "--log-level", "warning",
        "--no-control-socket",
    ]  # fmt: skip


def waitress(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        place.command("waitress-serve"),
        "--listen", f"127.0.0.1:{port}",
        "--threads", str(threads),
        # The default is 100; select() cannot watch more than 1,024.
        "--connection-limit", str(place.room),
        "--asyncore-use-poll",
        app,
    ]  # fmt: skip


def behind_nginx(place: Place, port: int, directive: str, command: list[str]) -> list[str]:
    return ["/bin/sh", str(HERE / "peers" / "behind_nginx.sh"), str(port), str(place.room), directive, *command]


def nginx_gunicorn(place: Place, app: str, port: int, threads: int) -> list[str]:
    command = gunicorn(place, app, port, threads)
    command[command.index("--bind") + 1] = "unix:SOCKET"
    return behind_nginx(place, port, "proxy_pass", command)


def uwsgi(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        place.command("uwsgi"),
        # Its router, a process of its own, is what keeps connections alive.
        "--http", f"127.0.0.1:{port}",
        "--http-keepalive=75",
        "--http-auto-chunked",
        *uwsgi_worker(place, app, threads),
    ]  # fmt: skip


def nginx_uwsgi(place: Place, app: str, port: int, threads: int) -> list[str]:
    command = [place.command("uwsgi"), "--socket", "SOCKET", *uwsgi_worker(place, app, threads)]
    return behind_nginx(place, port, "uwsgi_pass", command)


def uwsgi_worker(place: Place, app: str, threads: int) -> list[str]:
    return [
        "--module", app,
        "--virtualenv", str(place.venv),
        "--pythonpath", str(APPS),
        "--master",
        "--processes", "1",
        "--threads", str(threads),
        # The default is 100, and beyond it nginx answers 502.
        "--listen", "2048",
        "--need-app",
        "--disable-logging",
        "--die-on-term",
    ]  # fmt: skip


def gunicorn_whitenoise(place: Place, app: str, port: int, threads: int) -> list[str]:
    wrapped = f"whitenoise_wrap:wrap('{app}', '{assets.DIRECTORY}')"
    return [*gunicorn(place, wrapped, port, threads), "--pythonpath", str(HERE / "peers")]


# What follows serves files and has neither application nor threads of it.


def nginx(place: Place, app: str, port: int, threads: int) -> list[str]:
    return ["/bin/sh", str(HERE / "peers" / "static_nginx.sh"), str(port), str(assets.ROOT)]


def static_web_server(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [
        find_program("static-web-server") or "static-web-server",
        "--host", "127.0.0.1",
        "--port", str(port),
        "--root", str(assets.ROOT),
        # Times the cores it may use, which is the one it is pinned to.
        "--threads-multiplier", "1",
        "--compression", "false",
        "--compression-static", "true",
        "--log-level", "error",
    ]  # fmt: skip


def caddy(place: Place, app: str, port: int, threads: int) -> list[str]:
    variables = [f"PORT={port}", f"ROOT={assets.ROOT}", "GOMAXPROCS=1"]
    return ["env", *variables, "caddy", "run", "--config", str(HERE / "peers" / "static_caddy.json")]


# What follows is no server, and says what part of a figure is not the server's.


def floor(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [str(FLOOR), str(port)]


def app_alone(place: Place, app: str, port: int, threads: int) -> list[str]:
    return [place.command("python"), str(HERE / "peers" / "own_call.py")]


SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server("monopod", (), monopod),
        Server("granian", ("granian",), granian),
        Server("bjoern", ("bjoern",), bjoern, threaded=False, kept=True),
        Server("fastwsgi", ("fastwsgi", "setuptools"), fastwsgi, threaded=False),
        Server("gunicorn", ("gunicorn",), gunicorn),
        Server("gunicorn-sync", ("gunicorn",), gunicorn_sync, threaded=False),
        Server("uwsgi", ("uWSGI",), uwsgi),
        Server("waitress", ("waitress",), waitress),
        Server("nginx+gunicorn", ("gunicorn",), nginx_gunicorn),
        Server("nginx+uwsgi", ("uWSGI",), nginx_uwsgi),
        Server("nginx", (), nginx, threaded=False),
        Server("gunicorn+whitenoise", ("gunicorn", "whitenoise"), gunicorn_whitenoise),
        Server("static-web-server", (), static_web_server, threaded=False),
        Server("caddy", (), caddy, threaded=False),
        Server("floor", (), floor, threaded=False),
        Server("app", (), app_alone, threaded=False, serves=False),
    )
}
