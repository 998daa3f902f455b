"""Promise: the manifests of docs/migrating.md are ones, what the page quotes of them is there, and the server runs by
those of after."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from example import ROOT
from server import Face, Starter
from test_pages import FENCE, is_part

FILES = ROOT / "examples/migrating"
PAGE = (ROOT / "docs/migrating.md").read_text()
QUOTES = [(path, text) for _, path, text in FENCE.findall(PAGE) if path]

APP = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/invoice":
        start_response("200 OK", [("X-Accel-Redirect", "/protected/a.pdf")])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_ADDR"].encode()]
"""


@pytest.mark.parametrize(("path", "text"), QUOTES)
def test_each_quote_is_a_part_of_its_file(path: str, text: str) -> None:
    assert is_part(text, (FILES / path).read_text()), f"{path} has no longer:\n{text}"


def test_the_page_quotes_both_sides() -> None:
    assert {path.split("/")[0] for path, _ in QUOTES} == {"before", "after"}


def deployment(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FILES / name / "deployment.yaml").read_text())
    return loaded


@pytest.mark.parametrize("name", ["before", "after"])
def test_the_manifests_are_ones(name: str) -> None:
    kubernetes_validate.validate(deployment(name), kubernetes_validate.latest_version(), strict=True)


def test_what_the_page_says_is_gone_is_gone() -> None:
    before, after = (deployment(name)["spec"]["template"]["spec"] for name in ("before", "after"))
    assert len(before["containers"]) == 2
    assert len(after["containers"]) == 1
    assert "initContainers" not in after
    assert not any("lifecycle" in container for container in after["containers"])
    assert {volume["name"] for volume in after["volumes"]} == {"tmp", "media"}


def test_it_runs_by_the_file_of_after(start: Starter, face: Face, tmp_path: Path) -> None:
    """As in the image, with its directories below a temporary one."""
    media = tmp_path / "media"
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite/wsgi.py").write_text(APP)
    (tmp_path / "static").mkdir()
    (tmp_path / "static/site.css").write_text("body {}\n")
    media.mkdir()
    (media / "a.pdf").write_bytes(b"%PDF")
    shutil.copy(FILES / "after/_headers", tmp_path)
    settings = (FILES / "after/monopod.toml").read_text()
    settings = settings.replace("/app/static", str(tmp_path / "static")).replace("=/media", f"={media}")
    (tmp_path / "monopod.toml").write_text(settings)
    checked = face.run("check", cwd=tmp_path)
    assert checked.returncode == 0, checked
    server = start(None, cwd=tmp_path)
    style = server.ask("/static/site.css")
    assert style.status == 200
    assert style.get("x-frame-options") == "DENY"
    assert "max-age=3600" in (style.get("cache-control") or "")
    assert server.ask("/invoice").body == b"%PDF"
    assert server.ask("/").body == b"127.0.0.1"
