"""Promise: `docker stop` under load breaks nothing: every request that was taken has its whole answer, and the code is 0."""

from __future__ import annotations

import asyncio

import pytest

from ask import ADMIN, Run, text
from containers import Container
from traffic import Tally, Traffic

# 64 kept and 64 fresh connections by default; each view takes 50 ms.
SLOW = b"waited\n" * 100


async def stop_under_load(container: Container) -> tuple[int, Tally, Tally]:
    """Exit code, and what came of the requests before and since SIGTERM."""
    traffic = Traffic(container.address, 8000, "/slow", SLOW)
    until, tally = asyncio.Event(), Tally()
    clients = asyncio.create_task(traffic.run(until, tally))
    await asyncio.sleep(3)
    before = Tally(tally.right, tally.refused, tally.broken.copy())
    code = await asyncio.to_thread(container.stop)
    until.set()
    await clients
    return code, before, tally


@pytest.mark.parametrize("again", range(2))
def test_nothing_is_broken(again: int, run: Run, lab: str) -> None:
    container = run(lab, "monopod", "lab:app", "--threads", "32", "--no-access-log")
    container.wait_log("listening on ")
    code, before, tally = asyncio.run(stop_under_load(container))
    assert code == 0, container.log()
    assert before.right > 100, before
    assert before.failed == 0, before
    assert not tally.broken, tally.report()
    # Nothing listens any more, which clients may know.
    assert tally.refused > 0, tally.report()


def test_with_a_drain_delay_nobody_is_turned_away_meanwhile(run: Run, lab: str) -> None:
    container = run(lab, "monopod", "lab:app", "--threads", "32", "--drain-delay", "3s", "--no-access-log")
    container.wait_log("listening on ")
    assert text(container, "/-/ready", ADMIN) == "ready\n"

    async def story() -> Tally:
        until, tally = asyncio.Event(), Tally()
        clients = asyncio.create_task(Traffic(container.address, 8000, "/slow", SLOW).run(until, tally))
        await asyncio.sleep(1)
        await asyncio.to_thread(container.signal, "TERM")
        # All clients are gone before the delay is over.
        await asyncio.sleep(1.5)
        until.set()
        await clients
        return tally

    tally = asyncio.run(story())
    assert tally.failed == 0, tally.report()
    assert container.exit_code() == 0
