"""`kustomize build` of what examples/kubernetes uses of it, for machines that do not have it.

Where there is a kustomize, the tests compare the two. A field of a kustomization that is not known here is an error.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

# kustomize's own alphabet for digests, without vowels and lookalikes.
_DIGITS = str.maketrans("013ae", "ghkmt")
_KNOWN = {
    "apiVersion",
    "kind",
    "resources",
    "components",
    "configMapGenerator",
    "patches",
    "nameSuffix",
    "labels",
    "images",
}


def build(directory: Path) -> list[Resource]:
    """The resources of a kustomization, with the names they have in the cluster."""
    resources: list[Resource] = []
    generated: set[int] = set()
    _accumulate(directory, resources, generated)
    for resource in resources:
        if id(resource) in generated:
            name = resource["metadata"]["name"]
            _rename(resources, resource, f"{name}-{_digest(resource)}")
    return resources


def real(directory: Path) -> list[Resource] | None:
    """The same by a kustomize on PATH (kubectl has one in it), if there is one of version 5."""
    for tool in (["kustomize"], ["kubectl"]):
        if not shutil.which(tool[0]):
            continue
        asked = [*tool, "version", *(["--client"] if tool == ["kubectl"] else [])]
        version = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout
        # kubectl tells of the kustomize in it; before that was worth having, it did not.
        if "v5." not in version.rpartition("Kustomize Version:")[2]:
            continue
        command = [*tool, "build" if tool == ["kustomize"] else "kustomize", str(directory)]
        built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return list(yaml.safe_load_all(built.stdout))
    return None


def containers(resource: Resource) -> Iterator[Resource]:
    """The containers of whatever has a pod template."""
    pod = pod_of(resource)
    yield from pod.get("initContainers", [])
    yield from pod.get("containers", [])


def pod_of(resource: Resource) -> Resource:
    """The pod's spec in its template; empty for what has none."""
    spec: Resource = resource.get("spec", {}).get("template", {}).get("spec", {})
    return spec


def _accumulate(directory: Path, resources: list[Resource], generated: set[int]) -> None:
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    unknown = set(kustomization) - _KNOWN
    assert not unknown, f"{directory}: this renderer does not know {unknown}"
    # A component changes what is there, everything else only what it brings along.
    own = resources if kustomization["kind"] == "Component" else []
    for name in kustomization.get("resources", []):
        path = directory / name
        if path.is_dir():
            _accumulate(path, own, generated)
        else:
            own.extend(yaml.safe_load_all(path.read_text()))
    for name in kustomization.get("components", []):
        _accumulate(directory / name, own, generated)
    for generator in kustomization.get("configMapGenerator", []):
        own.append(_config_map(directory, generator))
        generated.add(id(own[-1]))
    for patch in kustomization.get("patches", []):
        for resource in own:
            if patch["target"] == {"kind": resource["kind"]}:
                _patch(resource, yaml.safe_load((directory / patch["path"]).read_text()))
    if suffix := kustomization.get("nameSuffix"):
        for resource in own:
            _rename(own, resource, resource["metadata"]["name"] + suffix)
    for labels in kustomization.get("labels", []):
        assert labels["includeSelectors"], f"{directory}: without selectors, that is another thing"
        for resource in own:
            _label(resource, labels["pairs"])
    for image in kustomization.get("images", []):
        for resource in own:
            for container in containers(resource):
                if container["image"].rpartition(":")[0] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
    if own is not resources:
        resources.extend(own)


def _config_map(directory: Path, generator: dict[str, Any]) -> Resource:
    data = {name: (directory / name).read_text() for name in generator.get("files", [])}
    for name in generator.get("envs", []):
        lines = [line for line in (directory / name).read_text().splitlines() if line and not line.startswith("#")]
        data.update(line.split("=", 1) for line in lines)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def _digest(resource: Resource) -> str:
    content = {"data": resource["data"], "kind": "ConfigMap", "name": ""}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # Go's encoder writes what HTML would take for markup as escapes.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(_DIGITS)


def _rename(resources: list[Resource], renamed: Resource, name: str) -> None:
    """Gives a resource another name, and that to all that refer to it."""
    old = renamed["metadata"]["name"]
    for resource in resources:
        for reference, key in _references(resource, renamed["kind"]):
            if reference[key] == old:
                reference[key] = name
    renamed["metadata"]["name"] = name


def _references(resource: Resource, kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    pod = pod_of(resource)
    if kind == "ServiceAccount" and "serviceAccountName" in pod:
        yield pod, "serviceAccountName"
    if kind == "ConfigMap":
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                yield volume["configMap"], "name"
        for container in containers(resource):
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    yield source["configMapRef"], "name"
    if kind == "Deployment" and "scaleTargetRef" in resource.get("spec", {}):
        yield resource["spec"]["scaleTargetRef"], "name"


def _label(resource: Resource, pairs: dict[str, str]) -> None:
    places = [resource["metadata"].setdefault("labels", {})]
    spec = resource.get("spec", {})
    if resource["kind"] == "Service":
        places.append(spec["selector"])
    if resource["kind"] in ("Deployment", "PodDisruptionBudget"):
        places.append(spec["selector"]["matchLabels"])
    if "template" in spec:
        places.append(spec["template"]["metadata"]["labels"])
        spread = pod_of(resource).get("topologySpreadConstraints", [])
        places.extend(constraint["labelSelector"]["matchLabels"] for constraint in spread)
    for place in places:
        place.update(pairs)


def _patch(resource: Resource, operations: list[dict[str, Any]]) -> None:
    for operation in operations:
        assert operation["op"] == "add", operation
        *way, last = operation["path"].strip("/").split("/")
        place: Any = resource
        for step in way:
            place = place[step]
        assert last == "-", operation
        place.append(copy.deepcopy(operation["value"]))
