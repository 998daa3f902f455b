"""edge.py with an exit hook that never ends; it tells at the gate `AT_EXIT_GATE` that it has begun."""

from __future__ import annotations

import atexit
import os
import time

from edge import application as application
from knock import tell


def hang() -> None:
    tell({"QUERY_STRING": f"gate={os.environ['AT_EXIT_GATE']}"}, "at exit")
    time.sleep(3600)


atexit.register(hang)
