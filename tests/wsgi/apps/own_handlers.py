"""lab.py in an application that takes the signal `OWN_SIGNAL` for itself."""

from __future__ import annotations

import os
import signal

from lab import application as application


def handler(number: int, frame: object) -> None:
    print("the application's own handler ran", flush=True)


signal.signal(signal.Signals[os.environ["OWN_SIGNAL"]], handler)
