"""lab.py with a hook for --ready-hook, which does what the file `HOOK` says: `yes`, `nothing`, `no`, `raise`, `wait`."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from lab import application as application

local = threading.local()


def ready() -> bool | None:
    local.asked = getattr(local, "asked", 0) + 1
    assert local.asked == 1, "each question has a thread state of its own"
    word = Path(os.environ["HOOK"]).read_text()
    if word == "raise":
        raise ConnectionError("the database is away")
    if word == "wait":
        threading.Event().wait()
    return None if word == "nothing" else word == "yes"


async def later() -> bool:
    return True


number = 7
