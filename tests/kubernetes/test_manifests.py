"""Promise: the manifests in examples/kubernetes are valid, restricted, and agree with one another."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import kustomize
from example import EXAMPLE, KUSTOMIZATIONS, ROOT, built, of_containers, of_kind, one, secret
from kustomize import Resource

# The oldest Kubernetes that the manifests are for, and the newest that the package knows.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]

# kubernetes-validate has no CRDs; of the Prometheus operator's PodMonitor, this is what is used here.
# https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor
POD_MONITOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "PodMonitor"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "podMetricsEndpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}},
                },
                "podMetricsEndpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["port"],
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string", "pattern": "^/"},
                            "interval": {"type": "string", "pattern": r"^\d+(ms|s|m)$"},
                        },
                    },
                },
            },
        },
    },
}


def judge(resource: Resource, version: str) -> None:
    if resource["kind"] == "PodMonitor":
        jsonschema.validate(resource, POD_MONITOR)
    else:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_the_schemas_of_the_api(name: str, version: str) -> None:
    for resource in [*built(name), yaml.safe_load((EXAMPLE / "secret.example.yaml").read_text())]:
        judge(resource, version)


def test_the_judge_can_say_no() -> None:
    for path, value in [
        (("spec", "template", "spec", "containers", 0, "readinesProbe"), {}),
        (("spec", "template", "spec", "terminationGracePeriodSeconds"), "50s"),
        (("spec", "minReadySecond"), 5),
    ]:
        deployment: Any = one(built("base"), "Deployment")
        place = deployment
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            judge(deployment, VERSIONS[0])
    monitor = one(built("overlays/monitored"), "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["portt"] = "admin"
    with pytest.raises(jsonschema.ValidationError):
        judge(monitor, VERSIONS[0])


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_a_real_kustomize_makes_the_same(name: str) -> None:
    theirs = kustomize.real(EXAMPLE / name)
    if theirs is None:
        warnings.warn("no kustomize 5 on PATH: only the tests' own renderer was used", stacklevel=1)
        return

    def key(resource: Resource) -> tuple[str, str]:
        return resource["kind"], resource["metadata"]["name"]

    assert sorted(built(name), key=key) == sorted(theirs, key=key)


def test_every_file_is_used_or_is_none_of_a_kustomization() -> None:
    used = set()
    for path in EXAMPLE.rglob("kustomization.yaml"):
        kustomization = yaml.safe_load(path.read_text())
        names = [name for key in ("resources", "components") for name in kustomization.get(key, [])]
        names += [patch["path"] for patch in kustomization.get("patches", [])]
        used |= {(path.parent / name).resolve() for name in names}
    for path in EXAMPLE.rglob("*.yaml"):
        if path.parent != EXAMPLE and path.name != "kustomization.yaml":
            assert path in used, path
    for path in used:
        assert path.exists(), path


# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def breaches(resource: Resource) -> list[str]:
    """What Pod Security "restricted" (and "baseline", which it includes) would refuse."""
    pod = kustomize.pod_of(resource)
    of_pod = pod.get("securityContext", {})
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", []):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - RESTRICTED_VOLUMES]
    found += [f"pod {name}" for name in ("sysctls", "seLinuxOptions", "appArmorProfile") if of_pod.get(name)]
    for container in kustomize.containers(resource):
        own = container.get("securityContext", {})
        found += [f"hostPort of {port}" for port in container.get("ports", []) if port.get("hostPort")]
        found += [name for name in ("privileged", "procMount", "seLinuxOptions", "appArmorProfile") if own.get(name)]
        if own.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation")
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            found.append("capabilities.drop")
        if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
            found.append("capabilities.add")
        if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
            found.append("runAsNonRoot")
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
            found.append("runAsUser")
        profile = own.get("seccompProfile", of_pod.get("seccompProfile", {}))
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            found.append("seccompProfile")
        for handler in (*container.get("lifecycle", {}).values(), *(container.get(f"{p}Probe", {}) for p in PROBES)):
            found += ["host of a probe" for kind in ("httpGet", "tcpSocket") if handler.get(kind, {}).get("host")]
    return found


PROBES = ("startup", "readiness", "liveness")


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_pod_security_restricted_and_a_read_only_root(name: str) -> None:
    resources = built(name)
    for resource in resources:
        assert breaches(resource) == []
    for shown, container in of_containers(resources):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, shown


def test_the_check_for_restricted_can_say_no() -> None:
    bare = {"spec": {"template": {"spec": {"hostPID": True, "containers": [{}], "volumes": [{"hostPath": {}}]}}}}
    expected = {"hostPID", "volume hostPath", "allowPrivilegeEscalation", "capabilities.drop", "runAsNonRoot"}
    assert set(breaches(bare)) == expected | {"seccompProfile"}


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_there_is_one_container_and_no_pre_stop(name: str) -> None:
    for resource in built(name):
        pod = kustomize.pod_of(resource)
        if pod:
            assert len(list(kustomize.containers(resource))) == 1
            assert "initContainers" not in pod
            assert "preStop" not in str(pod)
            assert pod["automountServiceAccountToken"] is False
            assert pod["enableServiceLinks"] is False


def selected(resources: list[Resource], labels: dict[str, str]) -> list[str]:
    """The Deployments and Jobs whose pods have these labels."""
    templates = [resource for resource in resources if kustomize.pod_of(resource)]
    return [
        resource["metadata"]["name"]
        for resource in templates
        if labels.items() <= resource["spec"]["template"]["metadata"]["labels"].items()
    ]


@pytest.mark.parametrize("name", ["base", "overlays/monitored", "overlays/blue-green"])
def test_selectors_names_and_ports_agree(name: str) -> None:
    resources = built(name)
    secrets = {yaml.safe_load((EXAMPLE / "secret.example.yaml").read_text())["metadata"]["name"]}
    maps = {item["metadata"]["name"] for item in of_kind(resources, "ConfigMap")}
    accounts = {item["metadata"]["name"] for item in of_kind(resources, "ServiceAccount")}
    deployments = of_kind(resources, "Deployment")
    for deployment in deployments:
        own, pod = deployment["metadata"]["name"], kustomize.pod_of(deployment)
        (container,) = pod["containers"]
        assert selected(resources, deployment["spec"]["selector"]["matchLabels"]) == [own]
        for constraint in pod["topologySpreadConstraints"]:
            assert selected(resources, constraint["labelSelector"]["matchLabels"]) == [own]
        assert pod["serviceAccountName"] in accounts
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            assert volume.get("configMap", {}).get("name") in maps | {None}
            assert volume.get("secret", {}).get("secretName") in secrets | {None}
        for source in container["envFrom"]:
            assert source["configMapRef"]["name"] in maps
        ports = {port["name"] for port in container["ports"]}
        assert ports == {"http", "admin"}
        assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in PROBES} == {"admin"}
        # One of each is its own.
        (scaler,) = [
            item
            for item in of_kind(resources, "HorizontalPodAutoscaler")
            if item["spec"]["scaleTargetRef"]["name"] == own
        ]
        assert scaler["spec"]["minReplicas"] >= 2
        assert "replicas" not in deployment["spec"]
        (_,) = [
            item
            for item in of_kind(resources, "PodDisruptionBudget")
            if selected(resources, item["spec"]["selector"]["matchLabels"]) == [own]
        ]
    for service in of_kind(resources, "Service"):
        assert len(selected(resources, service["spec"]["selector"])) == 1, service
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    for monitor in of_kind(resources, "PodMonitor"):
        assert selected(resources, monitor["spec"]["selector"]["matchLabels"]) == [
            deployment["metadata"]["name"] for deployment in deployments
        ]
        assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["admin"]


def test_the_public_service_is_switched_by_one_word() -> None:
    resources = built("overlays/blue-green")
    service = one(resources, "Service", "notes")
    assert selected(resources, service["spec"]["selector"]) == ["notes-blue"]
    service["spec"]["selector"]["color"] = "green"
    assert selected(resources, service["spec"]["selector"]) == ["notes-green"]
    images = {
        item["metadata"]["name"]: kustomize.pod_of(item)["containers"][0]["image"]
        for item in of_kind(resources, "Deployment")
    }
    assert images["notes-blue"] != images["notes-green"]


def test_the_migration_gets_the_same_settings_and_no_requests() -> None:
    (_, job) = of_containers(built("migrate"))[0]
    (_, web) = of_containers(built("base"))[0]
    assert job["image"] == web["image"]
    assert [source for source in job["envFrom"] if "configMapRef" in source] == web["envFrom"]
    # A Service finds pods of the whole namespace.
    service = one(built("base"), "Service")
    assert selected([*built("base"), *built("migrate")], service["spec"]["selector"]) == ["notes"]


def test_secrets_are_in_no_kustomization_and_in_no_config_map() -> None:
    for name in KUSTOMIZATIONS:
        resources = built(name)
        assert of_kind(resources, "Secret") == []
        for config in of_kind(resources, "ConfigMap"):
            assert not set(secret()) & set(config["data"])


def test_the_scaling_metric_is_the_one_that_the_adapter_makes() -> None:
    (rule,) = yaml.safe_load((EXAMPLE / "prometheus-adapter-values.yaml").read_text())["rules"]["custom"]
    for name in ("overlays/monitored", "overlays/blue-green"):
        for scaler in of_kind(built(name), "HorizontalPodAutoscaler"):
            kinds = {metric["type"]: metric for metric in scaler["spec"]["metrics"]}
            assert set(kinds) == {"Resource", "Pods"}
            assert kinds["Pods"]["pods"]["metric"]["name"] == rule["name"]["as"]
    page = (ROOT / "docs/metrics.md").read_text()
    documented = set(re.findall(r"^\| `(monopod_\w+)`", page, re.MULTILINE))
    series = set(re.findall(r"monopod_\w+", rule["seriesQuery"] + rule["metricsQuery"]))
    assert {name.removesuffix("_sum") for name in series} <= documented
    assert rule["name"]["matches"] == f"^{rule['seriesQuery'].partition('{')[0]}$"
    for phase in re.findall(r'phase=~"([a-z|]+)"', rule["metricsQuery"])[0].split("|"):
        assert f"`{phase}`" in page


def test_no_key_is_there_twice() -> None:
    """Of which the last would count, in silence."""

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{node.start_mark}: a key is there twice"
            return super().construct_mapping(node, deep=deep)

    paths: list[Path] = [*EXAMPLE.rglob("*.yaml")]
    assert len(paths) > 10
    for path in paths:
        list(yaml.load_all(path.read_text(), Loader=Strict))
