"""Promise: the real server runs as the manifests tell it, by their command, files, variables and probes."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import kustomize
from django_site import Site
from example import EXAMPLE, ROOT, built, of_containers, of_kind, one, secret
from server import Face, Starter, environment
from wire import Answer

# Seconds that a pod may stay after graceful-timeout; docs/kubernetes.md has it in the formula.
SPARE = 1


@dataclass(frozen=True)
class Pod:
    """What a pod of the Deployment has, at paths of this machine."""

    base: Path
    container: dict[str, Any]
    spec: dict[str, Any]

    @classmethod
    def mounted(cls, base: Path, variables: dict[str, str]) -> Pod:
        """The ConfigMap and, with `variables`, the Secret are mounted below `base` as the kubelet does it."""
        resources = built("base")
        spec = kustomize.pod_of(one(resources, "Deployment"))
        (container,) = spec["containers"]
        for volume in spec["volumes"]:
            path = base / mount_of(container, volume["name"]).lstrip("/")
            path.mkdir(parents=True)
            if "configMap" in volume:
                project(path, one(resources, "ConfigMap", volume["configMap"]["name"])["data"], 0o644)
            elif "secret" in volume:
                project(path, variables, volume["secret"]["defaultMode"])
        return cls(base, container, spec)

    @property
    def args(self) -> list[str]:
        """Those of the Deployment; paths of mounts become those below `base`."""
        args = []
        for arg in self.container["args"]:
            option, _, path = arg.partition("=")
            mount = next(m["mountPath"] for m in self.container["volumeMounts"] if path.startswith(m["mountPath"]))
            args.append(f"{option}={self.base / mount.lstrip('/')}{path.removeprefix(mount)}")
        return args

    def env(self, site: Site) -> dict[str, str]:
        """The ConfigMap's variables, what Kubernetes adds, and what the image has."""
        (source,) = self.container["envFrom"]
        config = one(built("base"), "ConfigMap", source["configMapRef"]["name"])["data"]
        return {**config, "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", **site.env}


def mount_of(container: dict[str, Any], volume: str) -> str:
    (path,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume]
    return str(path)


def project(path: Path, files: dict[str, str], mode: int) -> None:
    """As the kubelet: a dated directory, the link `..data` to it, and a link for each file."""
    dated = path / "..2026_01_02_03_04_05.678901234"
    dated.mkdir()
    for name, content in files.items():
        (dated / name).write_text(content)
        (dated / name).chmod(mode)
        (path / name).symlink_to(Path("..data") / name)
    (path / "..data").symlink_to(dated.name)


@pytest.fixture(scope="module")
def site(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.prepared(face, tmp_path_factory.mktemp("django"), compressed=False)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    database = f"sqlite:///{tmp_path}/database.sqlite3"
    return Pod.mounted(tmp_path / "root", {**secret(), "DATABASE_URL": database + "\n"})


def settings(face: Face, pod: Pod, site: Site) -> dict[str, tuple[str, str]]:
    """Value and origin of every setting, as `monopod check` shows them in a pod."""
    env = {**pod.env(site), "MONOPOD_ADMIN_BIND": ""}
    ended = face.run("check", *pod.args, cwd=site.project, env=env)
    assert ended.returncode == 0, ended
    assert secret()["DJANGO_SECRET_KEY"] not in ended.stdout + ended.stderr
    assert "warning" not in ended.stdout, ended.stdout
    # Below a long value its origin has a line of its own.
    table = re.sub(r"\n {4,}", "  ", ended.stdout.partition("\n\n")[2])
    rows = [re.split(r" {2,}", line.strip()) for line in table.splitlines() if line.startswith("  ")]
    return {option: (value, origin) for option, value, origin in rows}


def seconds(text: str) -> float:
    assert text.endswith("s"), text
    return float(text.removesuffix("s"))


def finish() -> float:
    """What the server takes for threads and atexit hooks once --graceful-timeout is over."""
    sources = "".join(path.read_text() for path in (ROOT / "src/server").rglob("*.rs"))
    (found,) = re.findall(r"const FINISH: Duration = Duration::from_secs\((\d+)\);", sources)
    return float(found)


def test_every_setting_is_one_and_counts(face: Face, pod: Pod, site: Site) -> None:
    shown = settings(face, pod, site)
    config = pod.base / "etc/monopod/monopod.toml"
    keys = re.findall(r"^([a-z-]+) =", config.read_text(), re.MULTILINE)
    assert len(keys) > 3
    for key in keys:
        assert shown[key][1] == f"file {config}", key
    for name in pod.env(site):
        if name.startswith("MONOPOD_"):
            assert shown[name.removeprefix("MONOPOD_").lower().replace("_", "-")][1] == f"env {name}"
    assert shown["env-dir"] == (str(pod.base / "run/secrets/notes"), "flag")


def test_the_ports_are_those_that_the_server_opens_by_itself(face: Face, pod: Pod, site: Site) -> None:
    shown = settings(face, pod, site)
    ports = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
    assert shown["bind"] == (f"0.0.0.0:{ports['http']}", "container")
    assert shown["admin-bind"] == (f"0.0.0.0:{ports['admin']}", "container")


def test_the_grace_period_covers_the_longest_end(face: Face, pod: Pod, site: Site) -> None:
    shown = {option: value for option, (value, _) in settings(face, pod, site).items()}
    graceful = seconds(shown["graceful-timeout"])
    assert pod.spec["terminationGracePeriodSeconds"] == graceful + finish() + SPARE
    # Whoever comes in the last moment of the delay is answered.
    last = seconds(shown["drain-delay"]) + seconds(shown["queue-timeout"]) + seconds(shown["timeout"])
    assert graceful >= last + 5
    page = (ROOT / "docs/kubernetes.md").read_text()
    assert f"graceful-timeout + {finish():.0f} s" in page


def test_the_command_serves_the_site_with_the_secret_of_the_mount(
    face: Face, pod: Pod, site: Site, start: Starter, tmp_path: Path
) -> None:
    # The migration first, by its own command and environment, into the database that the Secret names.
    (_, job) = of_containers(built("migrate"))[0]
    variables = {**secret(), "DATABASE_URL": f"sqlite:///{tmp_path}/database.sqlite3"}
    command = [sys.executable if word == "python" else word for word in job["command"]]
    env = environment({**pod.env(site), **variables})
    subprocess.run(command, cwd=site.project, env=env, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "database.sqlite3").exists()

    assert pod.container["command"] == ["monopod"]
    env = {**pod.env(site), "MONOPOD_ADMIN_BIND": "127.0.0.1:0"}
    server = start(None, *pod.args, subcommand=None, cwd=site.project, env=env)
    page = httpx.get(f"http://127.0.0.1:{server.port}/", headers={"Host": "notes.example.org"}, timeout=15)
    assert page.status_code == 200
    # The demo's own database, which is the default, has notes.
    assert "Book to return" not in page.text
    for probe in ("startup", "readiness", "liveness"):
        asked = pod.container[f"{probe}Probe"]["httpGet"]
        answer = server.ask_admin(asked["path"])
        assert answer.status == 200, (probe, answer)
    assert server.ask_admin("/metrics").status == 200
    check_metrics(server.ask_admin("/metrics"))
    server.send_signal(signal.SIGTERM)
    assert "seconds=5" in server.wait_log("drain-delay")
    server.send_signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert secret()["DJANGO_SECRET_KEY"] not in server.log()


def check_metrics(answer: Answer) -> None:
    """The adapter's series are there, with the labels it asks for."""
    text = answer.body.decode()
    rule = (EXAMPLE / "prometheus-adapter-values.yaml").read_text()
    for name in set(re.findall(r"monopod_\w+", rule)) - {"monopod_load"}:
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name
    for phase in ("queue", "app"):
        assert f'monopod_request_duration_seconds_sum{{phase="{phase}"}}' in text


def test_a_pod_without_its_secret_says_so(face: Face, pod: Pod, site: Site) -> None:
    shutil.rmtree(pod.base / "run/secrets/notes")
    ended = face.run("serve", *pod.args, cwd=site.project, env=pod.env(site))
    assert ended.returncode == 64, ended
    assert "--env-dir wants a directory that can be read" in ended.stderr


def test_services_of_the_example_make_no_variable_of_ours() -> None:
    names = [service["metadata"]["name"] for service in of_kind(built("overlays/blue-green"), "Service")]
    assert not [name for name in names if name.startswith("monopod")]
