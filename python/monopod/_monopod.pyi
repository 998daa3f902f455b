"""The native part of monopod."""

from typing import Final

__all__ = ["main", "version"]

version: Final[str]
"""Version of monopod, such as `0.1.0`."""

def main(argv: list[str]) -> int:
    """Run the `monopod` command with `argv` (the program's name first) and return its exit code (sysexits.h).

    Call it on the main thread. A server that has served leaves the process and does not return.
    """
