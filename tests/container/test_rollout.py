"""Promise: a rolling update of three pods fails no request, though new connections come for two seconds after SIGTERM.

The same with all twenty rollouts, and with other servers: benches/container/rollout.py.
"""

from __future__ import annotations

import asyncio

from replicas import KINDS, ContainerReplica
from rollout import roll

ROLLOUTS = 3


def test_no_request_fails(monopod: str) -> None:
    kind = KINDS["monopod"]
    story = asyncio.run(roll(kind, lambda: ContainerReplica(kind, monopod), ROLLOUTS))
    assert story.tally.failed == 0, story.tally.report()
    assert story.tally.right > 100 * ROLLOUTS
    assert story.codes == {0}
    assert len(story.took) == 3 * ROLLOUTS
