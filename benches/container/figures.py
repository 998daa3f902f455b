"""python3 benches/container/figures.py: what the image costs, beside gunicorn with nginx for the same Django site.

Size of the images above the base they stand on, time from `docker run` to the first 200, and memory at rest. Wants what
scripts/test-container gives, parts of a release build in target/image, and root for a base with nginx;
`make bench-image` does all that.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import containers
import images
from containers import Container, docker

HERE = Path(__file__).resolve().parent
PAIR = HERE / "pair"
PINS = images.ROOT / "benches/load/requirements.txt"
ROUNDS = 5
LIMITS = ("--no-healthcheck", "--cpus", "1", "--memory", "256m", "--env", "DJANGO_ALLOWED_HOSTS=*")
WITHIN = 30.0
# Each thread has had work by then, and what is loaded late is there.
REQUESTS = 40
REST = 3.0
PAGE = "/login/"
MIB = 1024 * 1024


@dataclass
class Figures:
    """Of one way to serve the site."""

    size: int
    start: float
    pss: float
    working_set: float


def first_200(address: str) -> None:
    """Ask until the page is there."""
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            if status(address) == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise containers.DockerError(f"no 200 from {address} within {WITHIN:.0f} s")
        time.sleep(0.005)


def status(address: str) -> int:
    connection = http.client.HTTPConnection(address, 8000, timeout=10)
    try:
        connection.request("GET", PAGE)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def pss(container: Container) -> int:
    """Bytes of all its processes, shared pages split."""
    total = 0
    for pid in container.processes():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def working_set(container: Container) -> int:
    """What the kubelet counts: the cgroup's memory without page cache that nobody used of late."""
    lines = Path(f"/proc/{container.pid}/cgroup").read_text().splitlines()
    mine = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    if "memory" in mine:
        place, usage, inactive = Path("/sys/fs/cgroup/memory"), "memory.usage_in_bytes", "total_inactive_file"
        place /= mine["memory"].lstrip("/")
    else:
        place, usage, inactive = Path("/sys/fs/cgroup") / mine[""].lstrip("/"), "memory.current", "inactive_file"
    stat = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
    return int((place / usage).read_text()) - int(stat[inactive])


def measure(size: int, start: Callable[[ExitStack], tuple[str, list[Container]]]) -> Figures:
    """Start it some times; the middle of each figure."""
    starts, shares, sets = [], [], []
    for _ in range(ROUNDS):
        with ExitStack() as stack:
            began = time.monotonic()
            address, parts = start(stack)
            first_200(address)
            starts.append(time.monotonic() - began)
            for _ in range(REQUESTS):
                assert status(address) == 200
            time.sleep(REST)
            shares.append(sum(pss(part) for part in parts))
            sets.append(sum(working_set(part) for part in parts))
    return Figures(size, statistics.median(starts), statistics.median(shares), statistics.median(sets))


def main() -> int:
    base = images.offline("-r", str(images.SITE / "requirements.txt"), "gunicorn", "-c", str(PINS))
    version = docker("run", "--rm", base, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    archive = images.ROOT / f"target/container/nginx-{version}.tar"
    if not archive.exists():
        make = [str(images.ROOT / "scripts/stand-in-base"), version, str(archive), "nginx"]
        subprocess.run(make, check=True, timeout=images.BUILD_WITHIN)
    nginx_base = docker("import", str(archive), "monopod-test/nginx-base") and "monopod-test/nginx-base"
    monopod = images.site(images.monopod(base))
    app = images.build(
        "monopod-test/gunicorn", images.SITE, dockerfile=(PAIR / "gunicorn.Dockerfile").read_text(), base=base
    )
    nginx = images.build(
        "monopod-test/nginx", PAIR, dockerfile=(PAIR / "nginx.Dockerfile").read_text(), app=app, nginx=nginx_base
    )
    below = images.size(base)

    def alone(stack: ExitStack) -> tuple[str, list[Container]]:
        container = stack.enter_context(Container(monopod, options=LIMITS))
        return container.address, [container]

    def pair(stack: ExitStack) -> tuple[str, list[Container]]:
        first = stack.enter_context(Container(app, options=LIMITS))
        second = stack.enter_context(
            Container(nginx, options=("--no-healthcheck", "--add-host", f"app:{first.address}"))
        )
        return second.address, [first, second]

    try:
        one = measure(images.size(monopod) - below, alone)
        two = measure(images.size(app) - below + images.size(nginx), pair)
    finally:
        containers.sweep()
    print("| | monopod | gunicorn + nginx |\n|---|--:|--:|")
    print(f"| image, above the Python base | {one.size / MIB:.0f} MiB | {two.size / MIB:.0f} MiB |")
    print(f"| `docker run` to the first 200 | {one.start:.2f} s | {two.start:.2f} s |")
    print(f"| memory at rest, PSS of all processes | {one.pss / MIB:.0f} MiB | {two.pss / MIB:.0f} MiB |")
    print(
        f"| memory at rest, as the kubelet counts | {one.working_set / MIB:.0f} MiB | {two.working_set / MIB:.0f} MiB |"
    )
    print(
        f"\nOf the pair's images {images.size(nginx) / MIB:.0f} MiB are nginx, of which "
        f"{images.size(nginx_base) / MIB:.0f} MiB Debian with its package; the Python base has {below / MIB:.0f} MiB."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
