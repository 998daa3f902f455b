"""docs/observability.md: its files and commands, by the section they stand in."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/observability.md"
APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Command:
    """`$ within… monopod args…`, with what was exported before it."""

    env: dict[str, str]
    within: tuple[str, ...]
    args: tuple[str, ...]


def _blocks(section: str, language: str) -> list[str]:
    text = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert text, f"no section {section!r} in {PAGE}"
    return re.findall(rf"^```{language}\n(.*?)^```$", text[1], re.MULTILINE | re.DOTALL)


def code(section: str, file: str, having: str = "") -> str:
    """The one block that begins with `# file`; `having` tells it from others."""
    found = [block for block in _blocks(section, "python") if block.startswith(f"# {file}\n") and having in block]
    assert len(found) == 1, f"{len(found)} blocks of {file!r} in {section!r}"
    return found[0]


def command(section: str, target: str) -> Command:
    """The command that runs `target` by monopod; what is exported anywhere above it counts."""
    env: dict[str, str] = {}
    for line in "".join(_blocks(section, "console")).splitlines():
        words = shlex.split(line.removeprefix("$ "))
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            env[name] = value
        elif "monopod" in words and target in words:
            at = words.index("monopod")
            return Command(env, tuple(words[:at]), tuple(words[at + 1 :]))
    raise AssertionError(f"no command for {target!r} in {section!r}")


def project(directory: Path, files: dict[str, str]) -> Path:
    """The tests' projects with `files`, in place of what is there or, for settings, after it."""
    shutil.copytree(APPS, directory, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files.items():
        path = directory / name
        path.write_text(path.read_text() + text if name.endswith("settings.py") else text)
    return directory
