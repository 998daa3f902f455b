"""Promise: examples/django_site works as its README says, admin and uploads included."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import re
from collections.abc import Iterator

import httpx
import pytest

from django_site import Site
from server import Face, Server, Starter


@pytest.fixture(scope="module")
def site(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.prepared(face, tmp_path_factory.mktemp("django"))


@pytest.fixture(scope="module")
def server(start_once: Starter, site: Site) -> Server:
    return start_once(None, "--threads", "4", cwd=site.project, env=site.env)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15) as client:
        yield client


def log_in(client: httpx.Client, page: str) -> httpx.Response:
    """admin/admin, with the page's own CSRF token."""
    form = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token(client.get(page))}
    return client.post(page, data=form, headers={"Referer": str(client.base_url)})


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.raise_for_status().text)
    assert found, page.text
    return found.group(1)


def test_the_page_and_its_style(client: httpx.Client) -> None:
    page = client.get("/").raise_for_status()
    assert "Book to return" in page.text
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text)
    assert re.fullmatch(r"/static/notes/style\.[0-9a-f]{12}\.css", link)
    css = client.get(link, headers={"Accept-Encoding": "gzip, br"}).raise_for_status()
    assert css.headers["content-encoding"] == "br"
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert css.headers["content-type"] == "text/css; charset=utf-8"


def test_the_ready_line_names_application_and_static(server: Server) -> None:
    assert "mysite.wsgi" in server.ready_line
    assert "/static" in server.ready_line


def test_static_is_not_djangos(client: httpx.Client) -> None:
    """Django would show its own page."""
    missing = client.get("/static/missing.css")
    assert (missing.status_code, missing.text) == (404, "404 Not Found\n")
    assert "All notes" in client.get("/missing").text


def test_the_admin(client: httpx.Client) -> None:
    assert client.get("/admin/").status_code == 302
    refused = client.post("/admin/login/", data={"username": "admin", "password": "admin"})
    assert refused.status_code == 403
    entered = log_in(client, "/admin/login/")
    assert entered.status_code == 302
    page = client.get("/admin/").raise_for_status()
    assert "Site administration" in page.text
    for link in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
        assert "immutable" in client.get(link).raise_for_status().headers["cache-control"], link
    assert client.get("/admin/notes/note/").status_code == 200
    add = client.get("/admin/notes/tag/add/")
    saved = client.post("/admin/notes/tag/add/", data={"name": "new", "csrfmiddlewaretoken": token(add)})
    assert saved.status_code == 302
    assert "new" in client.get("/admin/notes/tag/").text


@pytest.mark.parametrize("size", [100, 10_000_000])
def test_a_note_with_a_file(client: httpx.Client, size: int) -> None:
    log_in(client, "/login/")
    content = random.Random(size).randbytes(size)
    form = {"title": f"Füße {size}", "body": "text", "csrfmiddlewaretoken": token(client.get("/notes/new/"))}
    created = client.post("/notes/new/", data=form, files={"attachment": ("data ü.bin", content)})
    assert created.status_code == 302, created.text
    note = client.get(created.headers["location"]).raise_for_status()
    assert f"Füße {size}" in note.text
    (link,) = re.findall(r'class="file" href="([^"]+)"', note.text)
    download = client.get(link).raise_for_status()
    assert hashlib.sha256(download.content).hexdigest() == hashlib.sha256(content).hexdigest()
    assert download.headers["content-length"] == str(size)
    assert "attachment" in download.headers["content-disposition"]
    delete = created.headers["location"] + "delete/"
    assert client.post(delete, data={"csrfmiddlewaretoken": token(client.get(delete))}).status_code == 302
    assert client.get(link).status_code == 404


def test_the_csv_stream(client: httpx.Client) -> None:
    with client.stream("GET", "/notes/export.csv") as answer:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "content-length" not in answer.headers
        rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    assert "Welcome" in [row["title"] for row in rows]
    assert any("🌊" in row["body"] for row in rows)


def test_a_connection_to_the_database_outlives_the_request(start: Starter, site: Site) -> None:
    server = start(None, "--threads", "1", cwd=site.project, env=site.env)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        seen = [client.get("/status").raise_for_status().json() for _ in range(5)]
    assert [status["thread"]["requests"] for status in seen] == [1, 2, 3, 4, 5]
    assert {status["database"]["connections_opened"] for status in seen} == {1}
    assert len({status["thread"]["ident"] for status in seen}) == 1


def test_each_thread_keeps_its_own_connection(server: Server) -> None:
    clients = [server.connect() for _ in range(16)]
    opened: dict[str, set[int]] = {}
    for _ in range(10):
        for client in clients:
            client.request("/status", headers=[("Accept", "*/*")], host="localhost")
        for client in clients:
            status = httpx.Response(200, content=client.answer().body).json()
            opened.setdefault(status["thread"]["name"], set()).add(status["database"]["connections_opened"])
    assert all(counts == {1} for counts in opened.values()), opened
    for client in clients:
        client.sock.close()
