"""Promise: the image serves with everything taken away that a container can take away."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ask import Run
from containers import Container, DockerError, docker, once

# What the promise names; --ulimit comes with `started`.
HARDENED = (
    "--read-only", "--cap-drop", "ALL", "--user", "65532", "--memory", "256m", "--cpus", "0.5", "--pids-limit", "200",
)  # fmt: skip
WANTED_FILES = 1073741816


def highest_limit(image: str) -> int:
    """The limit of descriptors closest to 2^30 that a container can have here."""
    kernel = int(Path("/proc/sys/fs/nr_open").read_text())
    own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in dict.fromkeys(min(limit, kernel) for limit in (WANTED_FILES, kernel, own)):
        try:
            once(image, "true", options=("--ulimit", f"nofile={limit}:{limit}"))
        except DockerError:
            continue
        return limit
    raise AssertionError(f"not even {own} descriptors")


@pytest.fixture(scope="module")
def started(site: str) -> Iterator[Container]:
    limit = highest_limit(site)
    if limit < WANTED_FILES:
        print(f"nofile: {limit} is the highest limit this machine grants a container, not {WANTED_FILES}")
    name = docker("volume", "create")
    data = ("--volume", f"{name}:/data")
    once(site, "python", "manage.py", "setup_demo", "--no-static", "--verbosity", "0", options=data)
    files = ("--ulimit", f"nofile={limit}:{limit}", "--env", "DJANGO_ALLOWED_HOSTS=*")
    with Container(site, options=(*HARDENED, *files, *data)) as container:
        container.wait_log("listening on ")
        yield container
    docker("volume", "rm", name)


@pytest.fixture
def client(started: Container) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{started.address}:8000", timeout=30) as client:
        yield client


def test_an_administrator_logs_in_and_writes(client: httpx.Client) -> None:
    page = client.get("/admin/login/").raise_for_status()
    form = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token(page), "next": "/admin/"}
    answer = client.post("/admin/login/", data=form)
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/"), answer.text
    assert "Log out" in client.get("/admin/").raise_for_status().text
    page = client.get("/admin/notes/tag/add/").raise_for_status()
    saved = client.post("/admin/notes/tag/add/", data={"name": "kept", "csrfmiddlewaretoken": token(page)})
    assert saved.status_code == 302, saved.text
    assert "kept" in client.get("/admin/notes/tag/").raise_for_status().text


def test_static_files_are_the_brotli_siblings_of_the_build(client: httpx.Client) -> None:
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', client.get("/").raise_for_status().text)
    css = client.get(link, headers={"Accept-Encoding": "br"}).raise_for_status()
    assert css.headers["content-encoding"] == "br"
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_an_upload_larger_than_the_budget_is_answered(client: httpx.Client) -> None:
    # A quarter of 256 MiB is 64 MiB, and on a read-only root there is no disk to go to.
    answer = client.post("/login/", content=b"x" * (80 * 1024 * 1024))
    assert answer.status_code == 503, answer
    assert client.get("/").status_code == 200


def test_threads_are_sized_for_half_a_cpu(started: Container) -> None:
    assert "threads=4" in started.wait_log("listening on ")


def test_it_is_nobody_and_may_nothing(started: Container) -> None:
    status = started.execute("python", "-c", "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["65532"] * 4
    assert int(fields["CapEff"], 16) == 0


def test_it_stops_when_told(run: Run, site: str) -> None:
    container = run(site, options=HARDENED)
    container.wait_log("listening on ")
    assert container.stop() == 0, container.log()


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.text
    return found.group(1)
