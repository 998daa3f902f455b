"""PEP 3333, clause by clause: each room holds the applications of one subject beside the tests that use them.

The servers under test import the rooms through `stage`; the test side imports them through `clauses`. Both find
`wire`, `gate` and `knock` of tests/wsgi by the paths set here.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent.parent
ROOT = HERE.parent.parent
WSGI = ROOT / "tests" / "wsgi"

# At the end: nothing of tests/wsgi may shadow what a server imports.
for _folder in (WSGI, WSGI / "apps"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))
