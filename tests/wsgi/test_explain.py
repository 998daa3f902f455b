"""Promise: `monopod explain` is the same by binary and wheel, evaluates a gunicorn.conf.py in the environment of the
application, and reads standard input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from server import Face, environment


def test_a_configuration_is_evaluated_where_the_application_would_run(face: Face, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORKERS = 3\n")
    (tmp_path / "gunicorn.conf.py").write_text(
        "import os\nimport django\nimport beside\n"
        "bind = os.environ['EXPLAIN_BIND']\nworkers = beside.WORKERS\n"
        "print('not a part of the report')\n"
    )
    ended = face.run("explain", "--format", "json", "gunicorn.conf.py", cwd=tmp_path, env={"EXPLAIN_BIND": ":8123"})
    assert ended.returncode == 0, ended
    report = json.loads(ended.stdout)
    assert report["command"] == ["monopod", "--bind", ":8123", "--threads", "3"]
    assert "not a part of the report" in ended.stderr
    bind = next(finding for finding in report["findings"] if finding["setting"] == "bind")
    assert (bind["line"], bind["computed"], bind["status"]) == (4, True, "kept")


def test_its_failure_is_a_traceback_and_a_sentence(face: Face, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 1\nbind = missing\n")
    ended = face.run("explain", "gunicorn.conf.py", cwd=tmp_path)
    assert ended.returncode == 78, ended
    assert "NameError: name 'missing' is not defined" in ended.stderr
    assert 'File "gunicorn.conf.py", line 2' in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("monopod: gunicorn.conf.py fails here")
    assert ended.stdout == ""


def test_standard_input(face: Face, tmp_path: Path) -> None:
    command = face.command("explain", "-", "--from", "nginx", "--format", "toml")
    text = "server { listen 80; location /static/ { alias /srv/static/; } location / { proxy_pass http://app; } }"
    ended = subprocess.run(
        command, input=text, capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=60, check=False
    )
    assert ended.returncode == 0, ended
    assert ended.stdout.startswith('bind = ["0.0.0.0:80"]\nstatic = ["/static=/srv/static"]\n')
