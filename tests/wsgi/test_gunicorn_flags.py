"""Promise: a gunicorn command line moves over: what both have means the same, what does nothing is accepted with one warning,
and what would be a lie is refused with advice. `GUNICORN_CMD_ARGS` has the lowest rank."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import Face, Starter

APP = """\
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("KEY", "nothing").encode()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


# As they stand in Dockerfiles and Procfiles.
LINES = [
    "--workers 4 --threads 2 --worker-class gthread --worker-tmp-dir /dev/shm --access-logfile - --error-logfile -",
    "-w 2 -k sync --timeout 120 --graceful-timeout 30 --keep-alive 5 --max-requests 1000 --max-requests-jitter 50 --preload",
    "--log-level debug --log-file=- --capture-output --worker-connections 1000 --no-sendfile --reuse-port -n site",
    "--limit-request-line 8190 --limit-request-fields 200 --limit-request-field_size 16380 --forwarded-allow-ips=*",
    "--statsd-host 127.0.0.1:8125 --statsd-prefix site --disable-redirect-access-to-syslog -R",
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_gunicorns_serves(start: Starter, project: Path, line: str) -> None:
    server = start("site_app:app", *line.split(), cwd=project, subcommand=None)
    assert server.ask().status == 200
    told = [row for row in server.log().splitlines() if "these have no effect here" in row]
    assert len(told) <= 1, told


def test_what_has_no_effect_is_told_once_with_its_reason(start: Starter, project: Path) -> None:
    server = start("site_app:app", "--worker-tmp-dir", "/dev/shm", "--preload", "-w", "4", cwd=project)
    line = server.wait_log("these have no effect here")
    assert "WARN" in line
    assert "--worker-tmp-dir (there is no heartbeat file)" in line
    assert "--preload" in line
    assert "this version runs one worker" in server.wait_log("--workers 4 is ignored")


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        ("-D", "systemd, Docker or Kubernetes"),
        ("--daemon", "systemd, Docker or Kubernetes"),
        ("-k gevent", "--threads"),
        ("--worker-class=eventlet", "--threads"),
        ("-k tornado", "--threads"),
        ("-k uvicorn.workers.UvicornWorker", "ASGI"),
        ("-k asgi", "ASGI"),
        ("-u www-data", "USER"),
        ("--group www-data", "runAsGroup"),
        ("--reload-engine inotify", "monopod dev"),
        ("-c gunicorn.conf.py", "monopod explain gunicorn.conf.py"),
        ("--config gunicorn.conf.py", "monopod explain gunicorn.conf.py"),
        ("--paste production.ini", "loadapp"),
        ("--certfile a.pem --keyfile b.pem", "terminate it in front"),
        ("--access-logfile /var/log/access.log", "standard output"),
        ("--error-logfile=/var/log/error.log", "standard output"),
        ("-p /run/site.pid", "PID"),
        ("--pythonpath lib", "PYTHONPATH"),
        ("--log-config logging.ini", "--log-format"),
        ("--header-map dangerous", "X-Forwarded-For"),
        ("--max-memory 80%", "memory limit"),
        ("--https-redirect", "SECURE_SSL_REDIRECT"),
        ("--compress", "this version"),
    ],
)
def test_what_would_be_a_lie_is_refused_with_advice(face: Face, project: Path, args: str, advice: str) -> None:
    ended = face.run("serve", "site_app:app", *args.split(), cwd=project)
    assert ended.returncode == 64, ended
    (sentence,) = ended.stderr.strip().splitlines()
    flag = args.split()[0].split("=")[0]
    assert sentence.startswith(f"monopod: {flag} ") or "--worker-class wants" in sentence, sentence
    assert advice in sentence


def test_the_variable_serves_and_ranks_last(start: Starter, face: Face, project: Path) -> None:
    env = {"GUNICORN_CMD_ARGS": "--threads 3 -e 'KEY=from gunicorn' --worker-tmp-dir=/dev/shm --access-logfile -"}
    server = start("site_app:app", cwd=project, env=env)
    assert server.ask().body == b"from gunicorn"
    assert "--worker-tmp-dir" in server.wait_log("GUNICORN_CMD_ARGS: ")

    def threads(*args: str, **more: str) -> list[str]:
        ended = face.run("check", "site_app:app", *args, cwd=project, env={**env, **more})
        (row,) = [line.split(maxsplit=2) for line in ended.stdout.splitlines() if line.startswith("  threads ")]
        return row[1:]

    assert threads() == ["3", "env GUNICORN_CMD_ARGS"]
    assert threads("--threads", "4") == ["4", "flag"]
    assert threads(MONOPOD_THREADS="5") == ["5", "env MONOPOD_THREADS"]
    (project / "monopod.toml").write_text("threads = 6\n")
    assert threads() == ["6", "file monopod.toml"]


def test_what_is_wrong_in_the_variable_is_refused_in_its_name(face: Face, project: Path) -> None:
    for text, says in [("--thread 4", "--threads"), ("-k gevent", "gevent"), ("--bind 'x", "quote"), ("-D", "-D")]:
        ended = face.run("serve", "site_app:app", cwd=project, env={"GUNICORN_CMD_ARGS": text})
        assert ended.returncode == 78, ended
        assert ended.stderr.startswith("monopod: GUNICORN_CMD_ARGS")
        assert says in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


def test_check_config_is_silent_and_its_code_says_it(face: Face, project: Path) -> None:
    ended = face.run("serve", "--check-config", "site_app:app", cwd=project)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = face.run("serve", "--check-config", "--workers", "4", "site_app:app", cwd=project)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith("monopod: --workers 4 is ignored")
    ended = face.run("dev", "--check-config", "site_app:app", cwd=project)
    assert ended.returncode == 64
    assert "run `monopod check`" in ended.stderr
    (project / "broken.py").write_text("import no_such_module\n")
    ended = face.run("serve", "--check-config", "broken:app", cwd=project)
    assert ended.returncode == 70
    assert "no_such_module" in ended.stderr


def test_print_config_is_a_file_that_gives_the_same_settings(face: Face, project: Path) -> None:
    env = {"MONOPOD_MAX_BODY_SIZE": "5m,/up=1g", "PORT": "8123"}
    args = ["--threads", "7", "--no-access-log", "--access-logformat", '%(h)s "%(r)s" \\ %(s)s', "-e", "KEY=secret"]
    args += ["--static", "/a=some dir", "--keep-alive", "90", "--log-format", "json"]
    printed = face.run("serve", "site_app:app", "--print-config", *args, cwd=project, env=env)
    assert printed.returncode == 0, printed
    assert "secret" not in printed.stdout

    def values(*args: str, env: dict[str, str] | None = None) -> dict[str, str]:
        ended = face.run("check", *args, cwd=project, env=env)
        assert ended.returncode == 0, ended
        rows = [
            line.rsplit("  ", 1)[0].split(maxsplit=1) for line in ended.stdout.splitlines() if line.startswith("  ")
        ]
        return {row[0]: row[1].strip() for row in rows if len(row) == 2 and row[0] not in ("env", "venv")}

    before = values("site_app:app", *args, env=env)
    (project / "monopod.toml").write_text(printed.stdout)
    after = values()
    assert after == before
    assert after["threads"] == "7"
    assert after["max-body-size"] == "5m, /up=1g"


def test_gunicorns_own_file_is_not_passed_over_in_silence(start: Starter, project: Path) -> None:
    (project / "gunicorn.conf.py").write_text("workers = 4\n")
    server = start("site_app:app", cwd=project)
    assert "monopod explain gunicorn.conf.py" in server.wait_log("gunicorn.conf.py is not read")
