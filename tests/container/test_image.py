"""Promise: docs/image.md. The image is built on and copied from, needs no shell, and knows whether it is healthy."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

import images
from ask import Run, text
from containers import Container, DockerError, docker, once

PAGE = images.ROOT / "docs/image.md"
FLASK = images.ROOT / "examples/flask_hello"
# Every name under which a Debian could have one.
NO_SHELL = """\
ARG SITE
FROM ${SITE}
USER 0
RUN ["/bin/rm", "-f", "/bin/sh", "/bin/dash", "/bin/bash", "/bin/rbash", "/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash"]
USER 65532:65532
"""


def recipes() -> dict[str, str]:
    """The Dockerfiles of the page, by their first line."""
    found = re.findall(r"^```dockerfile\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {recipe.splitlines()[0]: recipe for recipe in found}


@pytest.mark.parametrize("first", ["FROM monopod", "FROM python:3.13-slim"])
def test_the_recipes_of_the_page_make_images_that_serve(
    first: str, run: Run, base: str, monopod: str, tmp_path: Path
) -> None:
    recipe = recipes()[first]
    for name, image in {"FROM monopod": monopod, "FROM python:3.13-slim": base}.items():
        recipe = recipe.replace(f"{name}\n", f"FROM {image}\n")
    recipe = recipe.replace("--from=monopod ", f"--from={monopod} ")
    context = tmp_path / "project"
    shutil.copytree(FLASK, context, ignore=shutil.ignore_patterns("data", "__pycache__"))
    with (context / "app.py").open("a") as file:
        file.write("\nimport sys\nprint('interpreter:', sys.executable)\n")
    image = images.build(f"monopod-test/recipe-{len(first)}", context, dockerfile=recipe)
    container = run(image, options=("--read-only",))
    container.wait_log("listening on ")
    assert "<html" in text(container, "/")
    # The native command, not the wheel's script: no interpreter stays behind as init.
    assert container.execute("python", "-c", "print(open('/proc/1/comm').read())").strip() == "monopod-init"
    # And the interpreter is that of the image, wherever it was linked: this is what subprocess and multiprocessing start.
    assert "python3" in container.wait_log("interpreter: ")
    config = container.inspect()["Config"]
    assert config["User"] == "65532:65532"
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9191/tcp"}


def test_the_image_says_how_it_is_run(monopod: str) -> None:
    config = docker("image", "inspect", "--format", "{{.Config.StopSignal}} {{json .Config.Entrypoint}}", monopod)
    assert config == "SIGTERM null"


def test_what_the_image_has_cannot_be_changed_from_inside(site: str) -> None:
    for place in ("/app", "/app/static", "/usr/local/bin/monopod", "/usr/local/lib"):
        assert once(site, "python", "-c", f"import os; print(os.access({place!r}, os.W_OK))") == "False", place


def test_healthcheck_becomes_healthy_and_no_shell_is_needed(run: Run, site: str, tmp_path: Path) -> None:
    image = images.build("monopod-test/no-shell", tmp_path, dockerfile=NO_SHELL, site=site)
    with pytest.raises(DockerError, match=r"no such file|not found"):
        once(image, "sh", "-c", "true")
    container = run(image, options=("--read-only", "--env", "DJANGO_ALLOWED_HOSTS=*"))
    assert container.health() == "starting"
    container.wait_log("listening on ")
    # The site has no database yet, and a log-in page all the same.
    assert "csrfmiddlewaretoken" in text(container, "/login/")
    await_health(container, "healthy")
    assert container.stop() == 0, container.log()


def test_healthcheck_tells_a_server_that_is_not_ready(run: Run, lab: str) -> None:
    options = ("--health-interval", "1s", "--health-retries", "1", "--health-start-period", "1ms")
    container = run(lab, "monopod", "slow_import:app", options=options)
    await_health(container, "unhealthy")
    assert "starting" in container.inspect()["State"]["Health"]["Log"][-1]["Output"]
    container.wait_log("listening on ")
    await_health(container, "healthy")


def await_health(container: Container, status: str) -> None:
    deadline = time.monotonic() + 60
    while (found := container.health()) != status:
        assert time.monotonic() < deadline, (found, container.log())
        time.sleep(0.2)
