"""Promise: the web process is only the default command; workers and one-off commands run in the same image."""

from __future__ import annotations

import json

from ask import Run, text
from containers import once

ADD = "import tasks; print(tasks.add.delay(20, 22).get(timeout=60))"


def test_migrate_and_then_the_server(run: Run, site: str, volume: str) -> None:
    data = ("--read-only", "--volume", f"{volume}:/data")
    migrated = once(site, "python", "manage.py", "migrate", "--no-input", options=data)
    assert "Applying notes.0001_initial... OK" in migrated
    container = run(site, options=(*data, "--env", "DJANGO_ALLOWED_HOSTS=*"))
    container.wait_log("listening on ")
    assert "<html" in text(container, "/")


def test_a_celery_worker_does_what_the_web_side_asks(run: Run, lab: str, volume: str) -> None:
    data = ("--volume", f"{volume}:/data")
    # Its pool of processes wants temporary files.
    options = ("--read-only", "--tmpfs", "/tmp", "--no-healthcheck", *data)
    worker = run(lab, "celery", "-A", "tasks", "worker", "--concurrency", "1", "--loglevel", "info", options=options)
    worker.wait_log(" ready.")
    assert once(lab, "python", "-c", ADD, options=data) == "42"
    assert worker.stop() == 0, worker.log()


def test_options_of_the_server_go_behind_its_name(run: Run, lab: str) -> None:
    container = run(lab, "monopod", "lab:app", "--threads", "3", options=("--user", "12345"))
    assert "threads=3" in container.wait_log("listening on ")
    assert json.loads(text(container, "/who"))["uid"] == 12345
