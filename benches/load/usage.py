"""What a process tree has used, read from /proc (man 5 proc).

The tree is every process descended from the root, or in its session when its parent has gone. CPU time includes that of
children already reaped (cutime, cstime). Context switches are those of threads alive at both readings or born between
them; what a thread did that ended in between is lost, as the kernel keeps no sum.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here."""

    parent: int
    session: int
    ticks: int
    running: bool
    """It has not ended, with its parent yet to hear of it."""


@dataclass(frozen=True)
class Usage:
    at: float
    """When it was read, on the monotonic clock."""
    cpu_seconds: float
    switches: dict[tuple[int, int], tuple[int, int]]
    """(pid, tid) to (voluntary, nonvoluntary)."""
    core_seconds: float
    """Time the watched core has spent on anything, this tree and the rest of the machine together."""


@dataclass(frozen=True)
class Spent:
    """The difference of two readings."""

    seconds: float
    cpu_seconds: float
    voluntary: int
    nonvoluntary: int
    core_seconds: float

    @property
    def busy_percent(self) -> float:
        return 100 * self.cpu_seconds / self.seconds

    @property
    def other_percent(self) -> float:
        """Of the watched core, by anything but this tree."""
        return max(0.0, 100 * (self.core_seconds - self.cpu_seconds) / self.seconds)


def stat(pid: int) -> Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name, in brackets, may contain anything; state is the first field after it.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        parent=int(fields[1]),
        session=int(fields[3]),
        ticks=sum(int(field) for field in fields[11:15]),
        running=fields[0] not in "ZX",
    )


def tree(root: int) -> dict[int, Stat]:
    """The live (or unreaped) processes of the tree; `root` must lead its own session."""
    stats = {int(entry.name): stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit()}
    alive = {pid: found for pid, found in stats.items() if found is not None}
    members = {pid for pid, found in alive.items() if pid == root or found.session == root}
    while True:
        children = {pid for pid, found in alive.items() if found.parent in members} - members
        if not children:
            return {pid: alive[pid] for pid in members}
        members |= children


def read(root: int, core: int | None) -> Usage:
    members = tree(root)
    switches = {}
    for pid in members:
        try:
            tasks = list((PROC / str(pid) / "task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                text = (task / "status").read_text()
            except OSError:
                continue
            counts = dict(re.findall(r"^(voluntary|nonvoluntary)_ctxt_switches:\s+(\d+)$", text, re.MULTILINE))
            switches[pid, int(task.name)] = (int(counts["voluntary"]), int(counts["nonvoluntary"]))
    return Usage(
        at=time.monotonic(),
        cpu_seconds=sum(found.ticks for found in members.values()) / TICKS,
        switches=switches,
        core_seconds=0.0 if core is None else core_busy(core),
    )


def between(start: Usage, end: Usage) -> Spent:
    voluntary = nonvoluntary = 0
    for thread, (later_voluntary, later_nonvoluntary) in end.switches.items():
        earlier_voluntary, earlier_nonvoluntary = start.switches.get(thread, (0, 0))
        voluntary += later_voluntary - earlier_voluntary
        nonvoluntary += later_nonvoluntary - earlier_nonvoluntary
    return Spent(
        seconds=end.at - start.at,
        cpu_seconds=end.cpu_seconds - start.cpu_seconds,
        voluntary=voluntary,
        nonvoluntary=nonvoluntary,
        core_seconds=end.core_seconds - start.core_seconds,
    )


def core_busy(core: int) -> float:
    """Seconds a core was not idle since boot: everything but idle and iowait; steal included, guest time is in user."""
    line = re.search(rf"^cpu{core} (.+)$", (PROC / "stat").read_text(), re.MULTILINE)
    if line is None:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in line[1].split()[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS


def pss_mib(root: int) -> float:
    """Proportional set size of the tree: shared pages are split among the processes that map them."""
    kib = 0
    for pid in tree(root):
        try:
            text = (PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        if found := re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE):
            kib += int(found[1])
    return kib / 1024


def sockets(root: int) -> int:
    """Open sockets of the tree, listening ones and those between its processes included."""
    count = 0
    for pid in tree(root):
        try:
            descriptors = list((PROC / str(pid) / "fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                count += os.readlink(descriptor).startswith("socket:")
    return count


class Peak:
    """`with Peak(root, core) as peak:` samples the tree's PSS every two seconds; `peak.mib` is the highest seen.

    Reading it costs the server a millisecond or so, in which it cannot map memory: no more often than that. The reading
    thread keeps to `core`, which should be that of the load.
    """

    SECONDS = 2.0

    def __init__(self, root: int, core: int | None) -> None:
        self.root = root
        self.core = core
        self.mib = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        if self.core is not None:
            # 0 is the calling thread here, not the process.
            os.sched_setaffinity(0, {self.core})
        while not self.over.wait(self.SECONDS):
            self.mib = max(self.mib, pss_mib(self.root))

    def __enter__(self) -> Peak:
        self.mib = pss_mib(self.root)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.mib = max(self.mib, pss_mib(self.root))
