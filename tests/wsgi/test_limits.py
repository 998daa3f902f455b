"""Promise: the container's limits size the server, a change of them is followed while it runs, and the limit of open files
sizes nothing."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from cgroup import a_group
from container import need, why_not
from samples import scrape
from server import Face, Server

ADMIN = ("--admin-bind", "127.0.0.1:0")
MIB = 1 << 20
# They are looked at every 10 s.
LOOKED_AT = 30.0


def test_limits_size_the_server_and_are_followed(face: Face) -> None:
    with a_group() as group:
        group.limit(0.5, 256 * MIB)
        with Server(face, "lab:application", *ADMIN, within=group.within) as server:
            decision = server.wait_log("0.5 CPUs, a memory limit of 256m")
            assert "4 threads" in decision
            assert "64m of buffers" in decision
            now = scrape(server)
            assert now.get("monopod_cpu_limit") == 0.5
            assert now.get("monopod_memory_limit_bytes") == 256 * MIB
            assert now.get("monopod_buffer_limit_bytes") == 64 * MIB
            assert MIB < now.get("monopod_memory_used_bytes") < 256 * MIB
            group.limit(1.5, 512 * MIB)
            change = server.wait_log("the limits are 1.5 CPUs, a memory limit of 512m now", LOOKED_AT)
            assert "were 0.5 CPUs, a memory limit of 256m" in change
            assert "buffers are 128m now; threads stay 4, a restart would have 8" in change
            now = scrape(server)
            assert now.get("monopod_cpu_limit") == 1.5
            assert now.get("monopod_buffer_limit_bytes") == 128 * MIB
            assert now.get("monopod_threads_max") == 4
            assert server.ask("/hello").status == 200


def test_what_somebody_set_stays(face: Face) -> None:
    with a_group() as group:
        options = ("--buffer-memory", "5m", "--threads", "3")
        with Server(face, "lab:application", *ADMIN, *options, within=group.within) as server:
            group.limit(0.5, 300 * MIB)
            change = server.wait_log("the limits are 0.5 CPUs, a memory limit of 300m now", LOOKED_AT)
            assert "buffers" not in change
            assert "threads" not in change
            assert scrape(server).get("monopod_buffer_limit_bytes") == 5 * MIB


COUNTING = """
import os, resource, subprocess, sys
def app(environ, start_response):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    child = subprocess.run([sys.executable, "-c", "print('ran')"], close_fds=True, capture_output=True, text=True)
    start_response("200 OK", [])
    return [f"{limit} {child.stdout}".encode()]
"""


def started_in(face: Face, tmp_path: Path, *within: str) -> tuple[float, int, str]:
    """Seconds to the ready line, resident bytes, and what an application with a child process says."""
    began = time.monotonic()
    with Server(face, "counting:app", cwd=tmp_path, within=within) as server:
        took = time.monotonic() - began
        return took, server.memory().total, server.ask().body.decode()


def test_the_limit_of_open_files_sizes_nothing(face: Face, tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(COUNTING)
    # What the kernel allows any process, 2^30 with some container runtimes; or as much as this one may have.
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    if why_not("prlimit", f"--nofile={most}:{most}"):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    need("prlimit", f"--nofile={most}:{most}")
    few = started_in(face, tmp_path, "prlimit", "--nofile=256:256")
    many = started_in(face, tmp_path, "prlimit", f"--nofile={most}:{most}")
    assert few[2] == "256 ran\n"
    assert many[2] == f"{most} ran\n"
    assert many[0] < few[0] * 3 + 2, "it starts as quickly"
    assert many[1] < few[1] + 8 * MIB, "and is as small"
