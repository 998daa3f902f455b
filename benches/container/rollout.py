"""python3 benches/container/rollout.py [SERVER…]: rolling updates under load, and who got no answer.

Three replicas behind a balancer that forgets slowly (balancer.py); 64 kept and 64 fresh connections ask a view of 50 ms.
A rollout replaces them one after the other: a new one is started, and when its probe says ready it is added; then the
old one is forgotten and told to end at the same moment, as the API server, kubelet and kube-proxy do. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "apps"))

from slow import ANSWER

from balancer import Balancer
from replicas import KINDS, Kind, ProcessReplica, Replica, ready
from traffic import Tally, Traffic

REPLICAS = 3
SETTLE = 1.0


@dataclass
class Story:
    """What came of a number of rollouts."""

    tally: Tally = field(default_factory=Tally)
    bad_rollouts: int = 0
    """Those with a request that failed."""
    took: list[float] = field(default_factory=list)
    """Seconds from the deletion of a replica until it was gone."""
    codes: set[int] = field(default_factory=set)


async def roll(kind: Kind, start: Callable[[], Replica], rollouts: int) -> Story:
    """Start the replicas, put them under load, and replace all of them `rollouts` times."""
    story = Story()
    until = asyncio.Event()
    replicas: list[Replica] = []
    ending: list[asyncio.Task[None]] = []

    async def begin() -> Replica:
        replica = await asyncio.to_thread(start)
        try:
            await ready(replica, kind)
        except BaseException:
            await asyncio.to_thread(replica.remove)
            raise
        return replica

    async def end(replica: Replica) -> None:
        began = time.monotonic()
        try:
            await asyncio.sleep(kind.pre_stop)
            await asyncio.to_thread(replica.terminate)
            story.codes.add(await asyncio.to_thread(replica.wait))
            story.took.append(time.monotonic() - began)
        finally:
            await asyncio.to_thread(replica.remove)

    async with Balancer() as balancer:
        clients = None
        try:
            for _ in range(REPLICAS):
                replicas.append(await begin())
                balancer.add(replicas[-1].endpoint)
            clients = asyncio.create_task(Traffic("127.0.0.1", balancer.port, "/slow", ANSWER).run(until, story.tally))
            await asyncio.sleep(SETTLE)
            for _ in range(rollouts):
                failed = story.tally.failed
                for _ in range(REPLICAS):
                    replicas.append(await begin())
                    balancer.add(replicas[-1].endpoint)
                    old = replicas.pop(0)
                    balancer.forget(old.endpoint)
                    ending.append(asyncio.create_task(end(old)))
                # What becomes of a rollout's last replica counts with it.
                await asyncio.gather(*ending)
                ending.clear()
                await asyncio.sleep(SETTLE / 4)
                story.bad_rollouts += story.tally.failed > failed
        finally:
            until.set()
            await asyncio.gather(*ending, return_exceptions=True)
            if clients:
                await clients
            for replica in replicas:
                await asyncio.to_thread(replica.remove)
    return story


def row(kind: Kind, rollouts: int, story: Story) -> str:
    tally = story.tally
    failures = ", ".join(f"{count} {what}" for what, count in tally.broken.most_common()) or "–"
    return (
        f"| {kind.name} | {story.bad_rollouts} of {rollouts} | {tally.failed} of {tally.right + tally.failed} "
        f"| {failures} | {tally.slowest * 1000:.0f} | {statistics.median(story.took):.1f} "
        f"| {', '.join(map(str, sorted(story.codes)))} |"
    )


HEAD = """\
| server | rollouts with failures | failed requests | what failed | slowest answer, ms | replica gone after, s | exit codes |
|---|--:|--:|---|--:|--:|---|"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"some of: {'; '.join(KINDS)}; default: all")
    parser.add_argument("--rollouts", type=int, default=20, help="of each server (20)")
    parser.add_argument("--monopod", default="target/profiled/monopod", help="the command (target/profiled/monopod)")
    parser.add_argument("--venv", type=Path, default=Path("target/bench-venv"), help="where the peers are installed")
    arguments = parser.parse_args()
    unknown = set(arguments.servers) - set(KINDS)
    if unknown:
        parser.error(f"unknown server {', '.join(unknown)}; there are {'; '.join(KINDS)}")
    chosen = arguments.servers or list(KINDS)
    command = shutil.which(arguments.monopod)
    if "monopod" in chosen and command is None:
        parser.error(f"{arguments.monopod} is not there: make release, or name another by --monopod")
    places = {"monopod": Path(command or ".").resolve().parent}
    print(HEAD)
    failed = 0
    for name in chosen:
        kind = KINDS[name]
        place = f"{places.get(name, arguments.venv.resolve() / 'bin')}/"
        story = asyncio.run(roll(kind, lambda kind=kind, place=place: ProcessReplica(kind, place), arguments.rollouts))
        failed += name == "monopod" and story.tally.failed
        print(row(kind, arguments.rollouts, story), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
