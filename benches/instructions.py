"""python3 benches/instructions.py [NAME…]: instructions of the parts in benches/paths, counted by valgrind's callgrind.

A count hardly depends on what else the machine does, so a regression shows that no clock would. It is compared with
benches/instructions.json; more than TOLERANCE above that fails. `--bless` writes the file anew. Counts depend on the compiler
and on Python, so a reference from other versions is shown and not judged.
Exit code: 0 as before or less, 1 a part needs more, 64 wrong arguments, 69 something needed is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REFERENCE = HERE / "instructions.json"
PARTS = ("guard, short head", "guard, browser's head", "environ, one header", "environ, browser's head")
TOLERANCE = 0.02
"""Layout of the heap and of hash tables moves a count by less."""
TIMES = (2000, 6000)
"""What comes before the first time, the interpreter's start, is in both counts and so not in their difference."""
EX_UNAVAILABLE = 69


class Missing(Exception):
    """Something needed is not there; says what to do."""


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise Missing(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def built() -> str:
    """The bench's executable, as released."""
    messages = run(["cargo", "bench", "--locked", "--bench", "paths", "--no-run", "--message-format", "json"])
    for message in map(json.loads, messages.splitlines()):
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "paths":
            return str(message["executable"])
    raise Missing("cargo built no bench")


def counted(executable: str, part: str, times: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "callgrind"
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"]
        # The order of keys in Python's tables, and so the work they make, must not change from run to run.
        run([*tool, executable, "--times", str(times), part], PYTHONHASHSEED="0")
        total = re.search(r"^(?:summary|totals): (\d+)", output.read_text(), re.MULTILINE)
    if total is None:
        raise Missing("callgrind wrote no total")
    return int(total[1])


def each(executable: str, part: str) -> int:
    fewer, more = (counted(executable, part, times) for times in TIMES)
    return round((more - fewer) / (TIMES[1] - TIMES[0]))


def versions() -> dict[str, str]:
    python = os.environ.get("PYO3_PYTHON", "python3")
    return {
        "rustc": run(["rustc", "--version"]).split()[1],
        "python": run([python, "-c", "import platform; print(platform.python_version())"]).strip(),
        "machine": os.uname().machine,
    }


def judge(found: dict[str, int], reference: dict[str, int], same_versions: bool) -> bool:
    """Prints a line for each part; whether all are within the tolerance."""
    is_right = True
    for part, count in found.items():
        before = reference.get(part)
        if before is None:
            print(f"{part:30} {count:8}   new")
            continue
        change = count / before - 1
        word = ""
        if change > TOLERANCE:
            word = "  MORE" if same_versions else "  more, with other versions"
            is_right = is_right and not same_versions
        elif change < -TOLERANCE:
            word = "  less: --bless keeps it"
        print(f"{part:30} {count:8}   {before:8} before   {100 * change:+6.1f} %{word}")
    return is_right


def main() -> int:
    made = argparse.ArgumentParser(
        prog="instructions.py", description="Instruction counts of parts of a request's way."
    )
    made.add_argument("parts", nargs="*", metavar="NAME", help=f"some of {'; '.join(PARTS)} (all)")
    made.add_argument("--bless", action="store_true", help="write the counts into benches/instructions.json")
    arguments = made.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown or (arguments.bless and arguments.parts):
        print(f"instructions.py: unknown {', '.join(unknown)}" if unknown else "--bless is for all", file=sys.stderr)
        return 64
    try:
        for tool in ("valgrind", "cargo"):
            if shutil.which(tool) is None:
                raise Missing(f"{tool} is missing: install it")
        executable = built()
        found = {part: each(executable, part) for part in arguments.parts or PARTS}
        now = versions()
    except Missing as error:
        print(f"instructions.py: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    record: dict[str, Any] = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    is_right = judge(found, record.get("instructions", {}), record.get("versions") == now)
    if arguments.bless:
        REFERENCE.write_text(json.dumps({"versions": now, "instructions": found}, indent=2) + "\n")
        return 0
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
