"""examples/kubernetes as the tests read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import kustomize
from kustomize import Resource

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/kubernetes"
KUSTOMIZATIONS = ["base", "migrate", "overlays/monitored", "overlays/blue-green"]


def built(name: str) -> list[Resource]:
    return kustomize.build(EXAMPLE / name)


def of_kind(resources: list[Resource], kind: str) -> list[Resource]:
    return [resource for resource in resources if resource["kind"] == kind]


def one(resources: list[Resource], kind: str, name: str | None = None) -> Resource:
    (found,) = [item for item in of_kind(resources, kind) if name in (None, item["metadata"]["name"])]
    return found


def secret() -> dict[str, str]:
    """The example of the Secret, by key."""
    data: dict[str, str] = yaml.safe_load((EXAMPLE / "secret.example.yaml").read_text())["stringData"]
    return data


def of_containers(resources: list[Resource]) -> list[tuple[str, dict[str, Any]]]:
    """Every container with a name for people."""
    return [
        (f"{resource['kind']}/{resource['metadata']['name']}/{container['name']}", container)
        for resource in resources
        for container in kustomize.containers(resource)
    ]
