"""python3 tests/conformance/compare.py: run every clause over monopod and three other servers, write the page.

Exit code: 0 all clauses hold for monopod, 1 some do not, 69 something needed is missing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

from clauses import CLAUSES, UNTESTED, Clause
from pep3333 import ROOT, kinds, tables
from pep3333.subject import Kind, Subject
from pep3333.verdict import PASSED, Verdict, judge

EX_UNAVAILABLE = 69
PEERS = {"gunicorn": "27.0.1", "waitress": "3.0.2", "granian": "2.8.7"}
VENV = ROOT / "target" / "conformance-venv"
PAGE = ROOT / "docs" / "wsgi-conformance.md"


def interpreter() -> str:
    """The Python that monopod is built for, as scripts/setup wrote it down."""
    chosen = ROOT / "target" / "setup" / "python"
    return chosen.read_text().strip() if chosen.exists() else sys.executable


def install(venv: Path) -> None:
    """The other servers at their versions; nothing to do when they are there."""
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    mark = venv / ".ready"
    if mark.exists() and mark.read_text() == " ".join(wanted):
        return
    subprocess.run([interpreter(), "-m", "venv", "--clear", str(venv)], check=True)
    subprocess.run([str(venv / "bin/python"), "-m", "pip", "install", "--quiet", *wanted], check=True)
    mark.write_text(" ".join(wanted))


def examine(kind: Kind, clauses: list[Clause], say: bool) -> dict[str, Verdict]:
    """Every clause over one kind; a server that a clause was hard on is not used for the next one."""
    verdicts = {}
    with Subject(kind) as subject:
        for clause in clauses:
            began = time.monotonic()
            verdict = verdicts[clause.id] = judge(clause.test, subject)
            if verdict.outcome != PASSED:
                subject.restart()
            if say or verdict.outcome != PASSED:
                took = f"{time.monotonic() - began:.1f} s"
                print(f"{kind.name:9} {verdict.outcome:11} {clause.id} ({took}) {verdict.reason}", flush=True)
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description="PEP 3333, clause by clause, over monopod and three other servers")
    default = os.environ.get("MONOPOD_BINARY") or ROOT / "target" / "debug" / "monopod"
    parser.add_argument("--monopod", type=Path, default=default, help="the binary (default: $MONOPOD_BINARY, or debug)")
    parser.add_argument("--venv", type=Path, default=VENV, help="where the other servers are installed")
    parser.add_argument("--servers", default="monopod,gunicorn,waitress,granian", help="only these (no page written)")
    parser.add_argument("--clauses", default="", help="only ids that begin so (no page written)")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()

    binary = arguments.monopod.resolve()
    if not os.access(binary, os.X_OK):
        print(f"{binary} is not an executable: run make binary, or give --monopod", file=sys.stderr)
        return EX_UNAVAILABLE
    venv = arguments.venv.absolute()
    install(venv)
    known = {
        "monopod": kinds.monopod(binary, venv),
        "gunicorn": kinds.gunicorn(venv),
        "waitress": kinds.waitress(venv),
        "granian": kinds.granian(venv),
    }
    chosen = arguments.servers.split(",")
    clauses = [clause for clause in CLAUSES if clause.id.startswith(arguments.clauses)]
    verdicts = {name: examine(known[name], clauses, bool(arguments.clauses)) for name in chosen}
    for name in chosen:
        held = sum(verdict.outcome == PASSED for verdict in verdicts[name].values())
        print(f"{name:9} {held} of {len(clauses)} hold")
    if clauses == CLAUSES and chosen == list(known):
        said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
        versions = {"monopod": said.split()[-1], **PEERS}
        date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        arguments.page.write_text(tables.document(CLAUSES, verdicts, versions, date, UNTESTED), encoding="utf-8")
        print(f"wrote {arguments.page}")
    return int(any(verdict.outcome != PASSED for verdict in verdicts.get("monopod", {}).values()))


if __name__ == "__main__":
    sys.exit(main())
