"""The ways in which an application is run for a browser: `monopod serve`, and `monopod dev` where this build has it."""

from __future__ import annotations

from server import the_face


def modes() -> list[str]:
    asked = the_face("binary").run("dev", "--help")
    has_dev = asked.returncode == 0 and "monopod dev" in asked.stdout
    return ["serve", *(["dev"] if has_dev else [])]
