"""Promise: examples/flask_hello works as its README says."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import Face, Starter


@pytest.fixture(scope="module")
def client(face: Face, start_once: Starter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    project = tmp_path_factory.mktemp("flask") / "flask_hello"
    shutil.copytree(Path(__file__).parents[2] / "examples/flask_hello", project)
    assert face.run("compress", "static", cwd=project).returncode == 0
    server = start_once(None, cwd=project)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15) as client:
        yield client


def test_the_page_and_its_files(client: httpx.Client) -> None:
    page = client.get("/")
    assert "Hello from Flask" in page.raise_for_status().text
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        file = client.get(link, headers={"Accept-Encoding": "br"}).raise_for_status()
        assert file.headers["x-content-type-options"] == "nosniff"
    css = client.get("/static/style.css", headers={"Accept-Encoding": "br"})
    assert css.headers["content-encoding"] == "br"


def test_the_json_api(client: httpx.Client) -> None:
    before = client.get("/api/items").json()["items"]
    created = client.post("/api/items", json={"name": "Strap", "quantity": 2})
    assert created.status_code == 201
    url = created.headers["location"]
    assert client.get(url).json() == {"id": created.json()["id"], "name": "Strap", "quantity": 2}
    assert client.put(url, json={"name": "Belt"}).json()["name"] == "Belt"
    assert len(client.get("/api/items").json()["items"]) == len(before) + 1
    deleted = client.delete(url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(url).status_code == 404
    assert client.get("/api/items").json()["items"] == before


def test_the_apis_refusals(client: httpx.Client) -> None:
    assert client.post("/api/items", json={"name": ""}).status_code == 422
    assert client.post("/api/items", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert client.post("/api/items", content=b"x").status_code == 415
    refused = client.patch("/api/items")
    assert refused.status_code == 405
    assert "POST" in refused.headers["allow"]


@pytest.mark.parametrize("size", [0, 1000, 5_000_000])
def test_echo(client: httpx.Client, size: int) -> None:
    body = random.Random(size).randbytes(size)
    expected = {"length": size, "sha256": hashlib.sha256(body).hexdigest()}
    assert client.post("/api/echo", content=body).json() == expected
    assert client.post("/api/echo", content=iter([body])).json() == expected


def test_the_stream_comes_line_by_line(client: httpx.Client) -> None:
    with client.stream("GET", "/stream?n=3&delay=0.01") as answer:
        lines = list(answer.iter_lines())
    assert [line.split(" after")[0] for line in lines] == ["tick 1 of 3", "tick 2 of 3", "tick 3 of 3"]


def test_health(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
