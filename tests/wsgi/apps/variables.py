"""Tells the application's environment, as os.environ and as the C library have it, and as it was at import."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

_getenv = ctypes.CDLL(None).getenv
_getenv.restype = ctypes.c_char_p

AT_IMPORT = dict(os.environ)
NAMES = ["KEY", "LATIN", "LINES_OF_TEXT", "EMPTY", "REPLACED"]
CHILD = "import os, json; print(json.dumps({n: os.environ.get(n) for n in %r}))"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    child = subprocess.run([sys.executable, "-c", CHILD % NAMES], stdout=subprocess.PIPE, check=True)
    told = {
        "environ": {name: os.environ.get(name) for name in NAMES},
        "import": {name: AT_IMPORT.get(name) for name in NAMES},
        "c": {name: os.fsdecode(v) if (v := _getenv(name.encode())) is not None else None for name in NAMES},
        "child": json.loads(child.stdout),
        "zone": time.tzname[0],
        "wsgi": [name for name in NAMES if name in environ],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
