"""A real control group around a server, v1 or v2, whichever the machine has; the tests are skipped where it may not be made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import await_true

ROOT = Path("/sys/fs/cgroup")


class Group:
    """Limits of CPU and memory, and the command that enters them."""

    def __init__(self, name: str) -> None:
        self.is_v2 = (ROOT / "cgroup.controllers").exists()
        if self.is_v2:
            (ROOT / "cgroup.subtree_control").write_text("+cpu +memory")
        self.cpu_dir, self.memory_dir = (
            (ROOT / name, ROOT / name) if self.is_v2 else (ROOT / "cpu" / name, ROOT / "memory" / name)
        )
        self.dirs = sorted({self.cpu_dir, self.memory_dir})
        for path in self.dirs:
            path.mkdir()

    @property
    def within(self) -> tuple[str, ...]:
        enter = "; ".join(f"echo $$ > {path}/cgroup.procs" for path in self.dirs)
        return ("sh", "-ec", f'{enter}; exec "$@"', "-")

    def limit(self, cpus: float, memory: int) -> None:
        if self.is_v2:
            (self.cpu_dir / "cpu.max").write_text(f"{int(cpus * 100_000)} 100000")
            (self.memory_dir / "memory.max").write_text(str(memory))
        else:
            (self.cpu_dir / "cpu.cfs_period_us").write_text("100000")
            (self.cpu_dir / "cpu.cfs_quota_us").write_text(str(int(cpus * 100_000)))
            (self.memory_dir / "memory.limit_in_bytes").write_text(str(memory))

    def oom_kills(self) -> int:
        """Processes of the group that were killed for want of memory."""
        told = (self.memory_dir / ("memory.events" if self.is_v2 else "memory.oom_control")).read_text()
        return int(dict(line.split() for line in told.splitlines())["oom_kill"])

    def remove(self) -> None:
        def removed() -> bool:
            for path in self.dirs:
                try:
                    path.rmdir()
                except FileNotFoundError:
                    continue
                except OSError:
                    return False
            return True

        await_true(removed, "the group is empty")


@contextmanager
def a_group() -> Iterator[Group]:
    try:
        group = Group(f"monopod-test-{os.getpid()}")
        group.limit(1, 512 << 20)
    except OSError as error:
        pytest.skip(f"NOT TESTED: no control group can be made here ({error})")
    try:
        yield group
    finally:
        group.remove()
