"""A copy of examples/django_site, made ready as `make run` makes it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from server import Face, environment

EXAMPLE = Path(__file__).parents[2] / "examples/django_site"
# Brotli at its best takes seconds for a few hundred files, and more on a machine that is busy.
STEP_WITHIN = 60.0


@dataclass(frozen=True)
class Site:
    """Where the project is, and where it keeps everything it writes."""

    project: Path
    data: Path

    @property
    def env(self) -> dict[str, str]:
        return {"DJANGO_DATA_DIR": str(self.data)}

    @property
    def static_root(self) -> Path:
        return self.data / "static"

    @classmethod
    def prepared(cls, face: Face, base: Path, compressed: bool = True) -> Site:
        """With its demo data, its static files collected and, which takes most of the time, compressed."""
        site = cls(base / "django_site", base / "data")
        shutil.copytree(EXAMPLE, site.project, ignore=shutil.ignore_patterns("data", "__pycache__"))
        setup, env = [sys.executable, "manage.py", "setup_demo", "--verbosity", "0"], environment(site.env)
        subprocess.run(setup, cwd=site.project, env=env, check=True, capture_output=True, timeout=STEP_WITHIN)
        if compressed:
            ended = face.run("compress", str(site.static_root), cwd=site.project, timeout=STEP_WITHIN)
            assert ended.returncode == 0, ended
        return site
