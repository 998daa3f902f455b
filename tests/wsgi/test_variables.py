"""Promise: --env and --env-dir set the application's environment before it is imported, and no value is ever shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from server import Face, Starter

APP = "def app(e, s):\n    s('200 OK', [])\n    return []\n"


def mount(base: Path, files: dict[str, bytes]) -> Path:
    """A volume as the kubelet makes it: a dated directory, `..data` leading to it, and a link for each file."""
    dated = base / "..2026_01_02_03_04_05.678901234"
    dated.mkdir(parents=True)
    (base / "..data").symlink_to(dated.name)
    for name, content in files.items():
        (dated / name).write_bytes(content)
        (dated / name).chmod(0o440)
        (base / name).symlink_to(Path("..data") / name)
    return base


def test_everybody_sees_them_from_the_import_on(start: Starter, tmp_path: Path) -> None:
    secret = mount(
        tmp_path / "secret",
        {"KEY": b"s3cret\n", "LATIN": b"\xff", "LINES_OF_TEXT": b"a\nb\n\n", "EMPTY": b"", "REPLACED": b"by the file"},
    )
    server = start("variables:application", "--env-dir", str(secret), "-e", "TZ=XYZ-3", env={"REPLACED": "the old one"})
    told = json.loads(server.ask("/").body)
    expected = {
        "KEY": "s3cret",
        "LATIN": os.fsdecode(b"\xff"),
        "LINES_OF_TEXT": "a\nb\n",
        "EMPTY": "",
        "REPLACED": "by the file",
    }
    assert [told[where] for where in ("environ", "import", "c", "child")] == [expected] * 4
    assert told["zone"] == "XYZ"
    assert told["wsgi"] == []
    assert "s3cret" not in server.log()


def test_env_outranks_files_and_later_files_earlier_ones(start: Starter, tmp_path: Path) -> None:
    first = mount(tmp_path / "first", {"KEY": b"first", "EMPTY": b"first", "REPLACED": b"first"})
    second = mount(tmp_path / "second", {"EMPTY": b"second", "REPLACED": b"second"})
    env = {"MONOPOD_ENV_DIR": f"{first},{second}"}
    server = start("variables:application", "--env", "REPLACED=typed=it", env=env)
    told = json.loads(server.ask("/").body)["environ"]
    assert (told["KEY"], told["EMPTY"], told["REPLACED"]) == ("first", "second", "typed=it")


def test_check_shows_names_alone(face: Face, tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(APP)
    secret = mount(tmp_path / "secret", {"KEY": b"s3cret", "MONOPOD_THREADS": b"7\n", "tls.crt": b"s3cret"})
    ended = face.run("check", "site_app:app", "--env-dir", "secret", "-e", "OTHER=s3cret", cwd=tmp_path)
    assert ended.returncode == 0, ended
    rows = {line.split(maxsplit=1)[0]: line.split() for line in ended.stdout.splitlines() if line}
    assert rows["variables"] == ["variables", "KEY,", "MONOPOD_THREADS,", "OTHER"]
    assert rows["env"] == ["env", "OTHER", "flag"]
    assert rows["env-dir"] == ["env-dir", "secret", "flag"]
    assert rows["threads"] == ["threads", "7", "env", "MONOPOD_THREADS"]
    assert 'warning: "tls.crt" in secret cannot be the name of a variable' in ended.stdout
    assert "s3cret" not in ended.stdout + ended.stderr
    assert secret.is_dir()


def test_what_cannot_be_read_stops_the_start(face: Face, tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(APP)
    mount(tmp_path / "binary", {"KEY": b"s3\0cret"})
    mount(tmp_path / "big", {"KEY": b"x" * 131_072})
    mount(tmp_path / "gone", {"KEY": b"x"})
    (tmp_path / "gone/..data/KEY").unlink()
    for name, says in [
        ("missing", "No such file"),
        ("site_app.py", "Not a directory"),
        ("binary", "KEY has a NUL byte"),
        ("big", "KEY has more"),
        ("gone", "KEY cannot (No such file"),
    ]:
        ended = face.run("serve", "site_app:app", cwd=tmp_path, env={"MONOPOD_ENV_DIR": name})
        assert ended.returncode == 78, ended
        assert says in ended.stderr
        assert ended.stderr.startswith("monopod: MONOPOD_ENV_DIR wants ")
        assert len(ended.stderr.strip().splitlines()) == 1


def test_a_file_without_permission_stops_the_start(face: Face, tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(APP)
    secret = mount(tmp_path / "secret", {"KEY": b"x"})
    (secret / "..data/KEY").chmod(0)
    # Root reads everything but what it gave up the right to.
    within = (
        ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
        if os.getuid() == 0
        else ()
    )
    ended = face.run("check", "site_app:app", "--env-dir", "secret", cwd=tmp_path, within=within)
    assert ended.returncode == 64, ended
    assert "secret/KEY cannot (Permission denied" in ended.stderr


SERVICE_LINKS = {
    "MONOPOD_SERVICE_HOST": "10.96.0.7",
    "MONOPOD_SERVICE_PORT": "80",
    "MONOPOD_SERVICE_PORT_HTTP": "80",
    "MONOPOD_PORT": "tcp://10.96.0.7:80",
    "MONOPOD_PORT_80_TCP": "tcp://10.96.0.7:80",
    "MONOPOD_PORT_80_TCP_PROTO": "tcp",
    "MONOPOD_PORT_80_TCP_PORT": "80",
    "MONOPOD_PORT_80_TCP_ADDR": "10.96.0.7",
    "MONOPOD_ADMIN_PORT": "tcp://10.96.0.8:9191",
}


def test_a_service_called_monopod_breaks_nothing(start: Starter) -> None:
    server = start("lab:application", env=SERVICE_LINKS)
    assert server.ask("/hello").status == 200


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("MONOPOD_THREAD", "4", "did you mean MONOPOD_THREADS?"),
        ("MONOPOD_PORT", "8000", "did you mean MONOPOD_BIND?"),
        ("MONOPOD_QQQ", "x", "`monopod --help` lists"),
    ],
)
def test_any_other_unknown_setting_is_refused(face: Face, name: str, value: str, advice: str) -> None:
    ended = face.run("serve", "lab:application", env={**SERVICE_LINKS, name: value})
    assert ended.returncode == 78, ended
    assert ended.stderr.startswith(f"monopod: {name} is not a setting; {advice}")
