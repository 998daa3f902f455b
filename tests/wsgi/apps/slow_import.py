"""lab.py, whose import waits at the gate `IMPORT_GATE`."""

from __future__ import annotations

import os

from knock import knock
from lab import application as application

knock({"QUERY_STRING": f"gate={os.environ['IMPORT_GATE']}"}, "importing")
