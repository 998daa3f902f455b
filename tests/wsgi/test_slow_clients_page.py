"""Promise: the stream that docs/slow-clients.md shows arrives chunk by chunk, and the commands of the page and of
docs/tls.md are taken."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from server import Face, Starter

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = [
    line.removeprefix("$ monopod ").split()
    for name in ("slow-clients.md", "tls.md")
    for line in (DOCS / name).read_text().splitlines()
    if line.startswith("$ monopod ")
]


def test_events_come_one_by_one(start: Starter, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "slow-clients.md").read_text(), re.MULTILINE | re.DOTALL)
    # So long that the first can only be there before the others if nothing holds it back.
    (tmp_path / "app.py").write_text(code.replace("time.sleep(0.1)", "time.sleep(2)"))
    server = start(None, cwd=tmp_path)
    began = time.monotonic()
    with server.connect() as connection:
        connection.request("/events")
        head = connection.head()
        assert head.status == 200
        assert (head.get("content-type") or "").startswith("text/event-stream")
        assert connection.chunk() == b"data: 0\n\n"
        assert time.monotonic() - began < 2
        assert [connection.chunk() for _ in range(2)] == [b"data: 1\n\n", b"data: 2\n\n"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_are_taken(face: Face, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "app.py").write_text("def app(environ, start_response):\n    return []\n")
    ended = face.run("check", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended
