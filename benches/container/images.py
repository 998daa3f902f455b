"""The images under test and measurement, built from parts made beforehand: nothing is pulled, compiled or fetched.

`MONOPOD_BASE` is what they stand on (scripts/test-container makes it); the binary and the wheel lie in target/image.
Python packages are fetched by the host's pip, so that a build needs no network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from containers import DockerError, docker

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "examples/django_site"
WHEELS = ROOT / "target/container/wheels"
BUILD_WITHIN = 300.0
OFFLINE = """\
ARG BASE
FROM ${BASE}
COPY . /wheels/
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
"""


def build(tag: str, context: Path, *, dockerfile: str | None = None, target: str | None = None, **args: str) -> str:
    """Build the Dockerfile of `context`, or the text `dockerfile`, with build arguments; returns the tag."""
    command = ["docker", "build", "--quiet", "--tag", tag]
    command += [f"--build-arg={name.upper()}={value}" for name, value in args.items()]
    command += ["--target", target] if target else []
    with tempfile.TemporaryDirectory(prefix="image-") as scratch:
        if dockerfile is not None:
            path = Path(scratch) / "Dockerfile"
            path.write_text(dockerfile)
            command += ["--file", str(path)]
        # The builder that every daemon has: Debian's comes without buildx. It builds what `target` needs and no more.
        env = {**os.environ, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run([*command, str(context)], env=env, capture_output=True, text=True, timeout=BUILD_WITHIN)
    if done.returncode != 0:
        raise DockerError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return tag


def base() -> str:
    name = os.environ.get("MONOPOD_BASE")
    if not name:
        raise DockerError("MONOPOD_BASE names no image: run this by scripts/test-container")
    return name


def offline(*requirements: str) -> str:
    """The base with the wheels of `requirements` (pip's words) where its pip looks for them."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(WHEELS)]
    subprocess.run([*fetch, *requirements], check=True, timeout=BUILD_WITHIN)
    return build("monopod-test/base", WHEELS, dockerfile=OFFLINE, base=base())


def monopod(standing_on: str) -> str:
    """The image of the Dockerfile at the root."""
    return build("monopod-test/monopod", ROOT, target="prebuilt", base=standing_on)


def site(monopod_image: str) -> str:
    """The image of the Django example."""
    return build("monopod-test/site", SITE, monopod=monopod_image)


def size(image: str) -> int:
    """Bytes on disk, layers below included."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))
