"""The log of a server as records: what it says as JSON, apart from the application's own lines."""

from __future__ import annotations

import json
from typing import Any

from server import Server, await_true

JSON = ("--log-format", "json")


def records(server: Server) -> list[dict[str, Any]]:
    """Every record so far; a line that is none is the application's own, or not whole yet."""
    return [json.loads(line) for line in server.log().splitlines(keepends=True) if is_record(line)]


def is_record(line: str) -> bool:
    return line.startswith('{"timestamp":') and line.endswith("}\n")


def found(server: Server, **fields: Any) -> list[dict[str, Any]]:
    """The records that have these fields."""
    return [record for record in records(server) if all(record.get(key) == value for key, value in fields.items())]


def wait(server: Server, **fields: Any) -> dict[str, Any]:
    """The first record that has these fields, as soon as it is there."""
    await_true(lambda: bool(found(server, **fields)), f"a record with {fields}")
    return found(server, **fields)[0]


def wait_access(server: Server, path: str) -> dict[str, Any]:
    """The first access record of a path."""
    return wait(server, target="monopod::access", path=path)
