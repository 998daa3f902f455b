"""Promise: flag beats environment beats file beats default, `check` shows who said what, and what is wrong is refused
by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import Face

APP = 'def app(e, s):\n    s("200 OK", [])\n    return [b"served"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


def shown(face: Face, cwd: Path, option: str, *args: str, env: dict[str, str] | None = None) -> list[str]:
    """The value and the origin of one option, as `check` prints them."""
    ended = face.run("check", "site_app:app", *args, cwd=cwd, env=env)
    assert ended.returncode == 0, ended
    rows = [line.split(maxsplit=2) for line in ended.stdout.splitlines()]
    (row,) = [row for row in rows if row and row[0] == option]
    return row[1:]


def test_each_layer_beats_the_one_below(face: Face, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.monopod]\nthreads = 4\n")
    assert shown(face, project, "threads") == ["4", "file pyproject.toml"]
    (project / "monopod.toml").write_text("threads = 5\n")
    assert shown(face, project, "threads") == ["5", "file monopod.toml"]
    env = {"MONOPOD_THREADS": "6"}
    assert shown(face, project, "threads", env=env) == ["6", "env MONOPOD_THREADS"]
    assert shown(face, project, "threads", "--threads", "7", env=env) == ["7", "flag"]
    assert shown(face, project, "backlog") == ["2048", "default"]


def test_a_named_file_and_its_target(face: Face, project: Path) -> None:
    (project / "other.toml").write_text('target = "site_app:app"\nmax-body-size = "25m"\nqueue-timeout = "1500ms"\n')
    ended = face.run("check", "--config", "other.toml", cwd=project)
    assert ended.returncode == 0, ended
    assert "25m" in ended.stdout
    assert "site_app:app" in ended.stdout


def test_the_platforms_port(face: Face, project: Path) -> None:
    assert shown(face, project, "bind", env={"PORT": "8123"}) == ["0.0.0.0:8123", "env PORT"]
    assert shown(face, project, "bind", "-b", "127.0.0.1:1", env={"PORT": "8123"})[0] == "127.0.0.1:1"


@pytest.mark.parametrize("table", ["monopod.toml", "pyproject.toml"])
def test_an_unknown_key_is_refused_by_name(face: Face, project: Path, table: str) -> None:
    head = "[tool.monopod]\n" if table == "pyproject.toml" else ""
    (project / table).write_text(head + "thread = 4\n")
    ended = face.run("serve", "site_app:app", cwd=project)
    assert ended.returncode == 78, ended
    assert "`thread`" in ended.stderr
    assert table in ended.stderr
    assert "threads" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "env", "code", "says"),
    [
        (["--workers", "many"], {}, 64, ["--workers", "many"]),
        (["--thread", "2"], {}, 64, ["--thread", "--threads"]),
        (["--threads", "many"], {}, 64, ["--threads", "many"]),
        (["--bind", "nowhere"], {}, 64, ["--bind", "nowhere"]),
        (["--chdir", "missing"], {}, 64, ["--chdir", "missing"]),
        (["--config", "missing.toml"], {}, 64, ["--config", "missing.toml"]),
        ([], {"MONOPOD_WORKERS": "many"}, 78, ["MONOPOD_WORKERS", "many"]),
        ([], {"MONOPOD_THREADS": "many"}, 78, ["MONOPOD_THREADS", "many"]),
        ([], {"MONOPOD_MAX_BODY_SIZE": "big"}, 78, ["MONOPOD_MAX_BODY_SIZE", "big"]),
        ([], {"PORT": "http"}, 78, ["PORT", "http"]),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(
    face: Face, project: Path, args: list[str], env: dict[str, str], code: int, says: list[str]
) -> None:
    ended = face.run("serve", "site_app:app", *args, cwd=project, env=env)
    assert ended.returncode == code, ended
    assert len(ended.stderr.strip().splitlines()) == 1
    for word in says:
        assert word in ended.stderr


def test_help_and_version(face: Face) -> None:
    assert "--static" in face.run("--help").stdout
    assert face.run("--version").stdout.startswith("monopod ")
