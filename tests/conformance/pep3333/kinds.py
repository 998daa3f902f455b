"""How each server is started: one process, N threads, the same interpreter, access logs off."""

from __future__ import annotations

import re
from pathlib import Path

from pep3333.subject import Kind


def monopod(binary: Path, venv: Path) -> Kind:
    def command(target: str, threads: int, port: int, mount: str) -> list[str]:
        options = ["--venv", str(venv), "--log-format", "text", "--no-access-log", "--admin-bind", "none"]
        root = ["--root-path", mount] if mount else []
        return [
            str(binary),
            "serve",
            target,
            "--bind",
            f"127.0.0.1:{port}",
            "--threads",
            str(threads),
            *options,
            *root,
        ]

    return Kind("monopod", command, re.compile(r"listening on [^\n]*http://127\.0\.0\.1:(\d+)"))


def gunicorn(venv: Path) -> Kind:
    def command(target: str, threads: int, port: int, mount: str) -> list[str]:
        python = [str(venv / "bin/python"), "-m", "gunicorn"]
        options = ["--worker-class", "gthread", "--workers", "1", "--threads", str(threads), "--no-control-socket"]
        return [*python, "--bind", f"127.0.0.1:{port}", *options, target]

    return Kind("gunicorn", command, re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)"), mount_env=True)


def waitress(venv: Path) -> Kind:
    def command(target: str, threads: int, port: int, mount: str) -> list[str]:
        prefix = [f"--url-prefix={mount}"] if mount else []
        listen = [f"--listen=127.0.0.1:{port}", f"--threads={threads}"]
        return [str(venv / "bin/python"), "-m", "waitress", *listen, *prefix, target]

    return Kind("waitress", command, re.compile(r"Serving on http://127\.0\.0\.1:(\d+)"))


def granian(venv: Path) -> Kind:
    def command(target: str, threads: int, port: int, mount: str) -> list[str]:
        prefix = ["--url-path-prefix", mount] if mount else []
        options = ["--interface", "wsgi", "--workers", "1", "--blocking-threads", str(threads)]
        return [str(venv / "bin/granian"), "--host", "127.0.0.1", "--port", str(port), *options, *prefix, target]

    return Kind("granian", command, None)
