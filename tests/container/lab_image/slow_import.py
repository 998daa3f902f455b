"""An application that takes its time to import."""

import time

from lab import app

time.sleep(20)

__all__ = ["app"]
