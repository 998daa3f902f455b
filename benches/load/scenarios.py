"""The catalogue of scenarios. Adding one is an entry here, and a module in apps/ when it needs a new application.

A scenario with several thread counts becomes several cases, each measured and reported on its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import assets
from cold_start import ColdStart
from idle_connections import IdleConnections
from in_turn import InTurn
from load import Load, Wrk
from overload import Overload
from request import FileRequest, Request
from saturated import AROUND_SECONDS, BesideTheApplication
from servers import APPS
from sigterm import DRAIN_SECONDS, Sigterm
from slow_clients import SlowClients
from slowhttptest import ALONE_SECONDS, SlowHttpTest

# Of whom every one answers every request of an application; those with nginx or a router of their own come last.
EVERY_SERVER = (
    "monopod", "granian", "bjoern", "fastwsgi", "gunicorn", "gunicorn-sync", "waitress", "uwsgi",
    "nginx+gunicorn", "nginx+uwsgi",
)  # fmt: skip
THREADED = ("monopod", "granian", "gunicorn")
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
    room: int = 8192
    """So many connections must fit, where a server has a limit of its own."""
    first: bool = False
    """Server and load leave their cores idle most of the time, and how soon they answer is asked: they get real-time
    priority where that is allowed, or it would be the machine's other work that is measured."""
    ends: bool = False
    """The load ends the server, so that it can be asked nothing afterwards."""
    short: bool = False
    """One of the everyday ones, which are measured by the name `short`."""
    by_name: bool = False
    """It has no bars, or needs more than bars do: measured only when it is named."""
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


def django_view_answer() -> bytes:
    items = "".join(f"<li>{number}: item {number}</li>\n" for number in range(5))
    return f"<h1>/view</h1>\n<ul>\n{items}</ul>\n".encode()


FLASK_JSON = Request(path="/json", answer=flask_json_answer())


DJANGO_VIEW = Request(path="/view", answer=django_view_answer())
# The bytes of apps/post.py and apps/stream.py.
BODY = random.Random(1).randbytes(1 << 20)


def post(name: str, size: int) -> Scenario:
    return Scenario(
        name=name,
        app="post:app",
        request=Request(path="/", answer=b"%d bytes\n" % size, method="POST", body=BODY[:size]),
    )


def memory(name: str, servers: tuple[str, ...], options: Mapping[str, tuple[str, ...]]) -> Scenario:
    return Scenario(
        name=name,
        app="flask_and_django:app",
        request=FLASK_JSON,
        threads=(4,),
        servers=servers,
        packages=("Flask", "Django"),
        server_options=options,
        load=InTurn((DJANGO_VIEW,)),
        columns=("req/s", "PSS MiB"),
        phases=2,
    )


def slow_clients(name: str, load: SlowClients, by_name: bool = False) -> Scenario:
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
        first=True,
        by_name=by_name,
    )


def overload(name: str, load: Overload, by_name: bool = False) -> Scenario:
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
        by_name=by_name,
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
        reference="nginx",
    )


BROTLI = {"Accept-Encoding": "br"}
CROWD = 10_000

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="hello",
            app="hello:app",
            request=Request(path="/", answer=b"Hello, World!\n"),
            threads=(1, 8),
            servers=(*EVERY_SERVER, "floor", "app"),
            short=True,
        ),
        Scenario(
            name="flask_json",
            app="flask_json:app",
            request=FLASK_JSON,
            threads=(1, 8),
            servers=(*EVERY_SERVER, "app"),
            packages=("Flask",),
            short=True,
        ),
        Scenario(
            name="django_view",
            app="django_view:app",
            request=DJANGO_VIEW,
            threads=(1, 8),
            servers=(*EVERY_SERVER, "app"),
            packages=("Django",),
            short=True,
        ),
        post("post_10k", 10 << 10),
        post("post_1m", 1 << 20),
        Scenario(
            name="stream",
            app="stream:app",
            request=Request(path="/", answer=BODY),
        ),
        Scenario(
            name="file_wrapper",
            app="file_wrapper:app",
            request=Request(path="/", answer=assets.DOWNLOAD.make()),
            # With more, each of the few answers takes as long as the run.
            connections=8,
            # fastwsgi crashes.
            servers=tuple(name for name in EVERY_SERVER if name != "fastwsgi"),
        ),
        Scenario(
            name="io_bound",
            app="io_bound:app",
            request=Request(path="/", answer=b"waited\n"),
            threads=(32,),
            # bjoern has one thread: 50 requests a second is no comparison.
            servers=THREADED,
            call_seconds=0.02,
            # The first answers come 20 ms late: 0.2 % of these seconds.
            seconds=10,
            short=True,
        ),
        # bjoern stays in, with its one thread, as the mark of what no hand-over between threads costs.
        Scenario(
            name="cpu_bound_many_threads",
            app="flask_json:app",
            request=FLASK_JSON,
            threads=(8, 32),
            servers=(*THREADED, "bjoern"),
            packages=("Flask",),
            by_name=True,
        ),
        Scenario(
            name="cold_start",
            app="flask_json:app",
            request=FLASK_JSON,
            packages=("Flask",),
            seconds=3,
            warmup=0,
            load=ColdStart(),
            columns=("errors",),
        ),
        # With a process for each application: monopod has no workers yet.
        memory(
            "memory",
            ("monopod", "granian", "gunicorn", "uwsgi", "nginx+gunicorn", "nginx+uwsgi"),
            {**CLOSED_LOOP, "gunicorn": ("--preload",), "nginx+gunicorn": ("--preload",)},
        ),
        memory(
            "memory_4_workers",
            ("granian", "gunicorn", "uwsgi", "nginx+gunicorn", "nginx+uwsgi"),
            {
                "granian": ("--workers", "4"),
                "gunicorn": ("--preload", "--workers", "4"),
                "uwsgi": ("--processes", "4"),
                "nginx+gunicorn": ("--preload", "--workers", "4"),
                "nginx+uwsgi": ("--processes", "4"),
            },
        ),
        Scenario(
            name="many_keepalive",
            app="hello:app",
            request=Request(path="/", answer=b"Hello, World!\n"),
            threads=(4,),
            connections=CROWD,
            seconds=10,
            warmup=0,
            # waitress, which polls, has not answered them all once after two minutes.
            servers=("monopod", "granian", "bjoern", "gunicorn", "nginx+gunicorn", "nginx+uwsgi"),
            server_options={
                "monopod": ("--max-connections", "12288"),
                "granian": ("--backlog", "12288", "--backpressure", "12288"),
            },
            load=IdleConnections(),
            columns=("p50 ms", "p99 ms", "other %"),
            phases=2,
            around_seconds=15,
            first=True,
            room=12288,
        ),
        Scenario(
            name="sigterm",
            app="io_bound:app",
            request=Request(path="/", answer=b"waited\n"),
            threads=(8,),
            seconds=2,
            warmup=0,
            servers=("monopod", "granian", "gunicorn", "waitress", "uwsgi", "nginx+gunicorn", "nginx+uwsgi"),
            server_options={"monopod": (*CLOSED_LOOP["monopod"], "--drain-delay", f"{DRAIN_SECONDS}s")},
            load=Sigterm(),
            columns=("other %",),
            around_seconds=DRAIN_SECONDS + 1,
            ends=True,
        ),
        slow_clients("slow_uploads", SlowClients(uploads=True, downloads=False), by_name=True),
        slow_clients("slow_readers", SlowClients(uploads=False, downloads=True), by_name=True),
        slow_clients("slow_clients", SlowClients(uploads=True, downloads=True)),
        overload("overload", Overload(keep_alive=True)),
        overload("overload_new_connections", Overload(keep_alive=False), by_name=True),
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
        # For --unpinned: whether the thread that serves files gets its turn where all share all cores.
        Scenario(
            name="mixed",
            app="flask_json:app",
            request=FileRequest(assets.SMALL, BROTLI),
            threads=(4,),
            seconds=20,
            warmup=0,
            servers=FILES_AND_APPLICATION,
            packages=("Flask",),
            server_options={**MOUNTS, "monopod": (*MOUNTS["monopod"], *CLOSED_LOOP["monopod"])},
            load=BesideTheApplication(FLASK_JSON),
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
