"""python3 benches/load/run.py [SCENARIO…]: measure monopod side by side with its peers.

Exit code: 0 all runs counted, 1 a run failed, 64 wrong arguments, 69 something needed is missing.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

import environment
import nginx_oracle
import report
from process import ServerError
from rounds import Cores, Plan, Run
from scenarios import SCENARIOS
from servers import SERVERS, Place

EX_USAGE = 64
EX_UNAVAILABLE = 69


GROUPS = {
    "bars": [name for name, scenario in SCENARIOS.items() if not scenario.by_name],
    "short": [name for name, scenario in SCENARIOS.items() if scenario.short],
}
"""Names for several scenarios."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def names(text: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in chosen if name not in SERVERS]
    if unknown or not chosen:
        raise argparse.ArgumentTypeError(f"unknown server {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    return tuple(dict.fromkeys(chosen))


def counts(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def positive(text: str) -> int:
    if not text.strip().isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole(text: str) -> int:
    return 0 if text.strip() == "0" else positive(text)


def parser() -> Parser:
    made = Parser(prog="run.py", description="Measure monopod side by side with its peers; see README.md.")
    made.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"some of {', '.join(SCENARIOS)}; bars (the default): all that bars are set for; short: the quick ones of these",
    )
    made.add_argument("--rounds", type=positive, default=3, help="runs of each server, interleaved (3)")
    made.add_argument("--duration", type=positive, help="whole seconds under load in a run (the scenario's: 5)")
    made.add_argument("--warmup", type=whole, help="whole seconds of load before that, not counted (1)")
    made.add_argument("--clients", type=positive, help="connections instead of the scenario's own")
    made.add_argument(
        "--quiet", type=whole, metavar="PERCENT", help="make a run again when others used more of the server's core"
    )
    made.add_argument(
        "--first",
        action="store_true",
        help="real-time priority for server and load, on a machine with other work (root)",
    )
    made.add_argument("--unpinned", action="store_true", help="server and load share all cores, as in most pods")
    made.add_argument("--servers", type=names, help=f"some of {','.join(SERVERS)}; default: all there are")
    made.add_argument("--threads", type=counts, help="thread counts instead of the scenario's own, such as 1,8")
    made.add_argument("--reference", type=names, help="the server ratios refer to (nginx for files, else granian)")
    made.add_argument(
        "--monopod",
        type=Path,
        help="the command (the newer of target/profiled/monopod and target/release/monopod, else the one in the venv)",
    )
    made.add_argument("--python", default=sys.executable, help="the Python the venv is made with (this one)")
    made.add_argument("--json", type=Path, metavar="OUT", help="also write the JSON record to this file")
    return made


def prepare(arguments: argparse.Namespace) -> Plan:
    """Everything that can be missing is found here, before the first run."""
    named = [each for name in arguments.scenarios or ["bars"] for each in GROUPS.get(name, [name])]
    scenarios = [SCENARIOS[name] for name in dict.fromkeys(named)]
    used = {name for scenario in scenarios for name in scenario.servers}
    wanted = arguments.servers or tuple(name for name in SERVERS if name in used)
    environment.need_tools(scenarios)
    chosen = []
    for name in wanted:
        try:
            environment.need_parts_of(SERVERS[name])
            chosen.append(name)
        except environment.Missing as error:
            if arguments.servers:
                raise
            print(f"{name} left out: {error}")
    venv = environment.need_venv(arguments.python, [SERVERS[name] for name in chosen], scenarios)
    monopod = None
    if "monopod" in chosen:
        try:
            monopod = environment.find_monopod(arguments.monopod, venv)
        except environment.Missing as error:
            if arguments.servers or arguments.monopod:
                raise
            print(f"monopod left out: {error}")
            chosen.remove("monopod")
    environment.need_assets(scenarios, monopod)
    cores = Cores.choose(pinned=not arguments.unpinned)
    if cores.server is None and not arguments.unpinned:
        print("note: one core only, so server and load are not pinned and disturb each other")
    return Plan(
        cases=tuple(case for scenario in scenarios for case in scenario.cases(arguments.threads)),
        servers=tuple(chosen),
        rounds=arguments.rounds,
        seconds=arguments.duration,
        warmup=arguments.warmup,
        connections=arguments.clients,
        quiet=arguments.quiet,
        reference=arguments.reference[0] if arguments.reference else None,
        place=Place(venv, monopod),
        cores=cores,
        first=arguments.first,
        may_go_first=environment.may_go_first(),
    )


def show(run: Run) -> None:
    where = f"{run.case:28} round {run.round}  {run.server:19}"
    if run.failure:
        print(f"{where} FAILED: {run.failure}", flush=True)
        return
    other = "" if run.other_percent is None else f", {run.other_percent:.0f} % of the core went to others"
    killed = ", had to be killed" if run.killed else ""
    scenario = SCENARIOS[run.case.partition("/")[0]]
    if scenario.columns:
        known = {**({"PSS MiB": run.pss_mib} if "PSS MiB" in scenario.columns else {}), **run.extra}
        numbers = ", ".join(f"{name} {value:.1f}" for name, value in known.items())
        print(f"{where} p50 {run.p50_ms:.2f} p99 {run.p99_ms:.2f} ms, {numbers}{other}{killed} {run.notes}", flush=True)
        return
    print(f"{where} {run.cpu_us:7.1f} µs {run.rps:8.0f} req/s{other}{killed}", flush=True)


def right_files(plan: Plan) -> bool:
    """Speed is worth nothing to who answers wrong: first ranges and conditions, beside nginx."""
    try:
        return nginx_oracle.agree(plan.place, 5000)
    except ServerError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return False


def main() -> int:
    arguments = parser().parse_args()
    unknown = [name for name in arguments.scenarios if name not in (*SCENARIOS, *GROUPS)]
    if unknown:
        parser().error(f"unknown scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if arguments.reference and len(arguments.reference) != 1:
        parser().error("--reference takes one server")
    # A terminated bench must still stop the server it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        plan = prepare(arguments)
        versions = environment.versions(plan.place, plan.servers)
        if plan.first and not plan.may_go_first:
            raise environment.Missing("--first needs root, or CAP_SYS_NICE")
    except environment.Missing as error:
        print(f"run.py: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    if plan.compares_files() and not right_files(plan):
        return 1
    print(f"{plan.count()} runs, about {plan.estimate() / 60:.1f} minutes", flush=True)
    runs = []
    for run in plan.runs():
        show(run)
        runs.append(run)
    found = report.summaries(plan, runs)
    for name, lines in found.items():
        if lines:
            print("\n{}\n{}".format(*report.section(plan, name, lines)))
    if judged := report.verdicts(plan, found):
        print(f"\nBars\n{report.bars_table(judged)}")
    path = report.write(plan, runs, versions, arguments.json)
    print(f"\nwritten: {path} and {path.with_suffix('.md').name}")
    return 1 if not runs or any(run.failure for run in runs) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
