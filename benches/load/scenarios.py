"""The catalogue of scenarios. Adding one is an entry here, and a module in apps/ when it needs a new application.

A scenario with several thread counts becomes several cases, each measured and reported on its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import assets
from load import Load, Wrk
from overload import Overload
from request import FileRequest, Request
from saturated import AROUND_SECONDS, BesideTheApplication
from servers import APPS
from slow_clients import SlowClients
from slowhttptest import ALONE_SECONDS, SlowHttpTest

EVERY_SERVER = ("monopod", "granian", "bjoern", "gunicorn")
# Slow clients hold bjoern's only thread, and gunicorn's are what nginx is put in front for.
BUFFERING = ("monopod", "nginx+gunicorn", "nginx+uwsgi", "waitress", "granian")
STATIC = ("monopod", "nginx", "granian", "gunicorn+whitenoise", "static-web-server", "caddy")
# granian and static-web-server give no tags.
TAGGING = ("monopod", "nginx", "gunicorn+whitenoise", "caddy")
FILES_AND_APPLICATION = ("monopod", "granian", "gunicorn+whitenoise")
# As many as the clients: refusing work is not what a closed loop measures.
CLOSED_LOOP = {"monopod": ("--queue-size", "1024")}
# The others have a root.
MOUNTS = {
    "monopod": ("--static", f"/static={assets.DIRECTORY}"),
    "granian": ("--static-path-mount", str(assets.DIRECTORY)),
}
# What a container with 512 MiB would give.
SMALL_BUDGET = {"monopod": ("--buffer-memory", "128m")}


@dataclass(frozen=True)
class Scenario:
    name: str
    app: str
    """MODULE:NAME inside apps/."""
    request: Request | FileRequest
    threads: tuple[int, ...] = (1,)
    connections: int = 64
    seconds: int = 5
    warmup: int = 1
    servers: tuple[str, ...] = EVERY_SERVER
    packages: tuple[str, ...] = ()
    """What the application imports, by its name in requirements.txt."""
    call_seconds: float | None = None
    """How long one call waits without using CPU; threads / call_seconds is then the ideal rate."""
    server_options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CLOSED_LOOP)
    """Options one server needs here and not everywhere, by server name."""
    load: Load = field(default_factory=Wrk)
    columns: tuple[str, ...] = ()
    """Those of the common columns that say something here; none named: all."""
    phases: int = 1
    """How often `seconds` pass in a run, and how long it takes besides."""
    around_seconds: int = 0
    by_name: bool = False
    """It takes minutes, or servers that not every machine has: measured only when it is named."""
    reference: str = "granian"
    """The server ratios refer to."""

    def cases(self, threads: tuple[int, ...] | None = None) -> Iterator[Case]:
        counts = threads or self.threads
        for count in counts:
            yield Case(replace(self, threads=counts), count)


@dataclass(frozen=True)
class Case:
    """A scenario at one thread count."""

    scenario: Scenario
    threads: int

    @property
    def name(self) -> str:
        return f"{self.scenario.name}/{self.threads}"

    @property
    def ideal_rps(self) -> float | None:
        call = self.scenario.call_seconds
        return None if call is None else self.threads / call


def flask_json_answer() -> bytes:
    # jsonify outside debug mode: sorted keys, no spaces, a newline at the end.
    items = [{"id": number, "name": f"item {number}"} for number in range(5)]
    return json.dumps({"items": items, "path": "/json"}, separators=(",", ":")).encode() + b"\n"


FLASK_JSON = Request(path="/json", answer=flask_json_answer())


def slow_clients(name: str, load: SlowClients) -> Scenario:
    return Scenario(
        name=name,
        app="slow_clients:app",
        request=Request(path="/", answer=b"quick\n"),
        threads=(4,),
        connections=1000,
        seconds=20,
        warmup=0,
        servers=BUFFERING,
        server_options=SMALL_BUDGET,
        load=load,
        columns=("p50 ms", "p99 ms", "other %"),
        phases=2,
        around_seconds=load.arrival_seconds + 4,
        by_name=True,
    )


def overload(name: str, load: Overload) -> Scenario:
    return Scenario(
        name=name,
        app="io_bound:app",
        request=Request(path="/", answer=b"waited\n"),
        threads=(4,),
        seconds=15,
        warmup=0,
        servers=BUFFERING,
        # The defaults of each, which are what meets an overload.
        server_options={},
        load=load,
        columns=("req/s", "p50 ms", "p99 ms", "other %"),
        around_seconds=load.around_seconds,
        by_name=True,
    )


def attack(mode: str, seconds: int, path: str, *options: str) -> Scenario:
    return Scenario(
        name=f"slowhttptest_{mode}",
        app="slow_clients:app",
        request=Request(path="/", answer=b"quick\n"),
        threads=(4,),
        connections=500,
        # At most: the tool ends when it has lost all its connections.
        seconds=seconds,
        warmup=0,
        servers=BUFFERING,
        server_options={"monopod": ("--buffer-memory", "128m", "--static", f"/static={APPS}")},
        load=SlowHttpTest(path, options),
        columns=("p50 ms", "p99 ms", "other %"),
        around_seconds=ALONE_SECONDS + 3,
        by_name=True,
    )


def static(name: str, request: FileRequest, servers: tuple[str, ...] = STATIC) -> Scenario:
    return Scenario(
        name=name,
        app="hello:app",
        request=request,
        servers=servers,
        server_options=MOUNTS,
        by_name=True,
        reference="nginx",
    )


BROTLI = {"Accept-Encoding": "br"}

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="hello",
            app="hello:app",
            request=Request(path="/", answer=b"Hello, World!\n"),
        ),
        Scenario(
            name="flask_json",
            app="flask_json:app",
            request=FLASK_JSON,
            packages=("Flask",),
        ),
        Scenario(
            name="io_bound",
            app="io_bound:app",
            request=Request(path="/", answer=b"waited\n"),
            threads=(32,),
            # bjoern has one thread: 50 requests a second is no comparison.
            servers=("monopod", "granian", "gunicorn"),
            call_seconds=0.02,
            # The first answers come 20 ms late: 0.2 % of these seconds.
            seconds=10,
        ),
        # bjoern stays in, with its one thread, as the mark of what no hand-over between threads costs.
        Scenario(
            name="cpu_bound_many_threads",
            app="flask_json:app",
            request=FLASK_JSON,
            threads=(8, 32),
            packages=("Flask",),
        ),
        slow_clients("slow_uploads", SlowClients(uploads=True, downloads=False)),
        slow_clients("slow_readers", SlowClients(uploads=False, downloads=True)),
        slow_clients("slow_clients", SlowClients(uploads=True, downloads=True)),
        overload("overload", Overload(keep_alive=True)),
        overload("overload_new_connections", Overload(keep_alive=False)),
        static("static_small", FileRequest(assets.SMALL, BROTLI)),
        static("static_large", FileRequest(assets.LARGE, BROTLI)),
        static("static_large_identity", FileRequest(assets.LARGE)),
        static("static_304", FileRequest(assets.SMALL, BROTLI, revalidate=True), TAGGING),
        Scenario(
            name="static_while_python_is_saturated",
            app="cpu_bound:app",
            request=FileRequest(assets.SMALL, BROTLI),
            threads=(4,),
            # Four for each thread: when one is done, the next request is there.
            connections=16,
            seconds=20,
            warmup=0,
            servers=FILES_AND_APPLICATION,
            server_options=MOUNTS,
            load=BesideTheApplication(Request(path="/", answer=b"333328333350000\n")),
            columns=("p50 ms", "p99 ms", "other %"),
            phases=2,
            around_seconds=AROUND_SECONDS + 3,
            by_name=True,
        ),
        attack("headers", 60, "/", "-H", "-i", "5", "-x", "24"),
        attack("body", 90, "/upload", "-B", "-i", "5", "-s", "8192", "-x", "10"),
        # monopod serves this one as a static file; for the others it is a path like any other.
        attack("range", 60, "/static/slow_clients.py", "-R", "-a", "5", "-b", "3000"),
        attack("read", 120, "/download", "-X", "-w", "256", "-y", "1024", "-n", "5", "-z", "32"),
    )
}
